# Results, bodies and jobs without a cluster.
# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import time
import types

import pytest
from starlette.responses import FileResponse

from ovi_farm.body import Bodies
from ovi_farm.job import Job
from ovi_farm.problems import Problem
from ovi_farm.results import Results
from ovi_farm.settings import Settings

NAME = "a" * 32 + ".mp4"


def settings(**changes):
    return Settings(model="m", keys="k", **changes)


@pytest.mark.parametrize("place", ["{}", "memory://results-{}"])
def test_results(tmp_path, place):
    results = Results(settings(results=place.format(tmp_path if place == "{}" else tmp_path.name)))

    async def run():
        await results.write(NAME, b"clip")
        answer = await results.answer(NAME)
        if isinstance(answer, FileResponse):
            assert open(answer.path, "rb").read() == b"clip"
        else:
            assert answer.headers["content-length"] == "4"
            assert b"".join([piece async for piece in answer.body_iterator]) == b"clip"
        for name in ("b" * 32 + ".mp4", "../keys", "%2e%2e/keys", NAME + "\n", NAME + "/..", "", "keys",
                     "..", "/etc/passwd", "a" * 31 + ".mp4", "a" * 28 + "/../.mp4", NAME + "\0"):  # fmt: skip
            with pytest.raises(Problem) as told:
                await results.answer(name)
            assert told.value.status == 404

    asyncio.run(run())
    assert results.remove_old() == 0
    results.keep_seconds = -1
    assert results.remove_old() == 1 and results.remove_old() == 0


def test_what_is_no_clip_is_not_removed(tmp_path):
    results = Results(settings(results=str(tmp_path), keep_seconds=1))
    (tmp_path / "keys").write_text("mine")
    (tmp_path / NAME).write_text("old")
    for name in ("keys", NAME):
        os.utime(tmp_path / name, (time.time() - 100,) * 2)
    assert results.remove_old() == 1
    assert os.listdir(tmp_path) == ["keys"]


def body_of(pieces, **headers):
    async def stream():
        for piece in pieces:
            if piece is None:
                await asyncio.sleep(30)
            else:
                yield piece

    return types.SimpleNamespace(headers=headers, stream=stream)


def test_bodies():
    bodies = Bodies(settings(body_bytes=10, body_seconds=0.2, bodies_bytes=15))

    def read(*pieces, **headers):
        try:
            return asyncio.run(bodies.read(body_of(pieces, **headers)))
        except Problem as problem:
            return problem.status

    assert read(b"12345", b"67890") == b"1234567890" and bodies.held == 10
    assert read(b"123456") == 429 and bodies.held == 10, "all together"
    bodies.release(b"1234567890")
    assert read(b"123456", b"123456") == 413 and bodies.held == 0
    assert read(**{"content-length": "11"}) == 413
    assert read(b"1", **{"content-length": "9" * 100}) == 413
    assert read(b"1", **{"content-length": "²"}) == b"1"
    bodies.release(b"1")
    assert read(b"123", None) == 408 and bodies.held == 0


def test_events_of_a_job():
    async def run():
        job = Job("anna", 7, {}, False)
        job.tell("one", n=1)
        heard = []

        async def listen(after):
            return [event async for event in job.follow(after, 0.05)]

        early = asyncio.create_task(listen(0))
        await asyncio.sleep(0.12)
        job.tell("two", n=2)
        await asyncio.sleep(0.01)
        job.close("made", "made", n=3)
        heard = await early
        assert None in heard, "signs of life"
        heard = [event for event in heard if event]
        assert heard == [(0, "one", {"n": 1}), (1, "two", {"n": 2}), (2, "made", {"n": 3})]
        assert await listen(2) == heard[2:] and await listen(99) == []
        assert job.order is None

    asyncio.run(run())


def test_events_are_bounded():
    job = Job("anna", 7, {}, False)
    for number in range(5000):
        job.tell("progress", n=number)
    job.close("made", "made")
    assert len(job.events) <= 2001 and job.events[-1][0] == "made"
