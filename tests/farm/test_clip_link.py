# The process that makes clips: warm, cancelled, killed, started wrongly.
# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import signal
import time

import pytest

import farm_model
from ovi_farm.clip_link import ClipLink, ProcessDied
from ovi_farm.maker import start_line, take_file, warm_up
from ovi_farm.settings import Settings


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return farm_model.small_model(tmp_path_factory.mktemp("model") / "model")


def link(model, folder, **changes):
    properties = farm_model.PROPERTIES | changes.pop("properties", {})
    made = Settings(model=str(model.path), keys="k", properties=properties, **changes)
    return ClipLink(start_line(made, str(folder)), made.plugins)


def order(**settings):
    return {"prompt": farm_model.PROMPT, "seed": 7, **settings}


async def make(one, **settings):
    events = [event async for event in one.orders("make", order(**settings))]
    return events, take_file(events[-1]["path"]) if events[-1]["event"] == "made" else None


def test_warm(model, tmp_path):
    async def run():
        one = link(model, tmp_path)
        files = await warm_up(one)
        assert os.listdir(tmp_path) == [] and "Ovi/model.safetensors 5947488" in files
        first, clip = await make(one)
        pid = one.pid
        loads = [e for e in first if e.get("stage") == "load" and "loading" in e["message"]]
        assert not loads, "the model was in memory"
        percents = [event["percent"] for event in first if event["event"] == "progress"]
        assert percents == sorted(percents) and percents[-1] == 100
        assert first[-1]["record"]["seed"] == 7 == first[-1]["stats"]["seed"]
        assert first[-1]["record"]["model-files"] == files
        # The same once more, by the same process; another one differs; settings do not stay.
        _, other = await make(one, seed=8, steps=3)
        again, same = await make(one)
        assert again[-1]["stats"]["asked-steps"] == 2 and one.pid == pid
        assert farm_model.content(clip) == farm_model.content(same) != farm_model.content(other)
        return one

    asyncio.run(run())


def test_wrong_orders(model, tmp_path):
    async def run():
        one = link(model, tmp_path)
        for settings, told in (
            ({"seed": "7.5"}, "seed"), ({"steps": "0"}, "steps"), ({"solver": "magic"}, "solver"),
            ({"colour": "red"}, "colour"), ({"name": "x"}, "name"), ({"stats": "x"}, "stats"),
            ({"prompt": ""}, "prompt"), ({"prompt": "a\0b"}, "zero"), ({"shift": "nan"}, "shift"),
            ({"image": "data:image/png;base64,AAAA"}, "not a picture"),
            ({"image": "/etc/passwd"}, "image-schemes"), ({"image": "https://127.0.0.1/"}, "image-schemes"),
        ):  # fmt: skip
            events, _ = await make(one, **settings)
            assert events[-1]["event"] == "failed" and events[-1]["kind"] == "request", settings
            assert told in events[-1]["message"]
        events, clip = await make(one)
        assert events[-1]["event"] == "made" and clip and os.listdir(tmp_path) == []

    asyncio.run(run())


def test_cancel(model, tmp_path):
    async def run():
        one = link(model, tmp_path)
        began = None
        events = one.orders("make", order(steps=1000))
        async for event in events:
            if event.get("stage") == "generate" and "step 2" in event["message"]:
                began = time.monotonic()
                break
        await events.aclose()
        assert time.monotonic() - began < 20 and os.listdir(tmp_path) == []
        pid = one.pid
        made, _ = await make(one)
        assert made[-1]["event"] == "made" and one.pid == pid

    asyncio.run(run())


def test_killed(model, tmp_path):
    async def run():
        one = link(model, tmp_path)
        with pytest.raises(ProcessDied, match="ended with"):
            async for event in one.orders("make", order(steps=1000)):
                if event.get("stage") == "generate":
                    os.kill(one.pid, signal.SIGKILL)
        events, _ = await make(one)
        assert events[-1]["event"] == "made"

    asyncio.run(run())


def test_killed_at_rest(model, tmp_path):
    """The next clip is made all the same, also when nobody has noticed yet."""

    async def run():
        one = link(model, tmp_path)
        await one.open()
        os.kill(one.pid, signal.SIGKILL)
        events, _ = await make(one)
        assert events[-1]["event"] == "made"

    asyncio.run(run())


def test_folder_that_is_gone(model, tmp_path, monkeypatch):
    """Ray's working folder, when another node on the machine has ended."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    async def run():
        events, _ = await make(link(model, tmp_path))
        assert events[-1]["event"] == "made"

    asyncio.run(run())


def test_ends_with_its_parent(model, tmp_path):
    async def run():
        one = link(model, tmp_path)
        async for event in one.orders("make", order(steps=1000)):
            if event.get("stage") == "generate":
                one.process.stdin.close()
                assert await asyncio.wait_for(one.process.wait(), 20) == 0
                return

    asyncio.run(run())


@pytest.mark.parametrize("changes, told", [
    ({"plugins": "/nowhere"}, "GST_PLUGIN_PATH"), ({"properties": {"steps": "many"}}, "steps"),
    ({"properties": {"no-such": 1}}, "no-such"), ({"video_encoder": "nosuchencoder"}, "nosuchencoder"),
])  # fmt: skip
def test_does_not_come_up(model, tmp_path, changes, told):
    async def run():
        with pytest.raises(ProcessDied, match=told):
            await link(model, tmp_path, **changes).open()

    asyncio.run(run())


def test_no_model(tmp_path):
    async def run():
        one = ClipLink(start_line(Settings(model=str(tmp_path), keys="k"), str(tmp_path)))
        with pytest.raises(RuntimeError, match="lacks"):
            await warm_up(one)

    asyncio.run(run())


def test_no_setting_opens_the_door(model, tmp_path):
    """Whatever the operator sets, a stranger's picture comes by data: alone."""
    made = Settings(model="m", keys="k", properties={"image-schemes": "file", "num-clips": 0})
    line = start_line(made, str(tmp_path))["settings"]
    assert line["image-schemes"] == "data" and line["num-clips"] == "1" and line["is-live"] == "false"
