# Keys, bodies, fields, Accept: what stands before a job.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import stat
import subprocess
import sys

import pytest

from ovi_farm import accept, keys
from ovi_farm.clients import Clients
from ovi_farm.problems import Problem
from ovi_farm.request import read_request

WHOLE = {"image": "data:,x", "prompt": "Rain."}


def refused(call, *arguments):
    with pytest.raises(Problem) as told:
        call(*arguments)
    return told.value


def test_keys(tmp_path):
    path = str(tmp_path / "keys")
    anna, bert = keys.add(path, "anna"), keys.add(path, "bert")
    text = (tmp_path / "keys").read_text()
    assert anna not in text and bert not in text
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    known = keys.Keys(path)
    assert (known.owner(anna), known.owner(bert)) == ("anna", "bert")
    for wrong in ("", "x", anna + "x", anna[:-1], "é" * 43, "x" * 100000):
        problem = refused(known.owner, wrong)
        assert problem.status == 401
        assert not wrong or len(wrong) == 1 or wrong not in problem.detail
    # A new key and a withdrawn one count at once.
    carl = keys.add(path, "carl")
    assert known.owner(carl) == "carl"
    assert keys.withdraw(path, "anna")
    assert refused(known.owner, anna).status == 403
    # A file that is half-written does not lock everybody out.
    (tmp_path / "keys").write_text("what is this\n")
    assert known.owner(carl) == "carl"
    with pytest.raises(ValueError):
        keys.Keys(path)
    with pytest.raises(ValueError):
        keys.add(path, "a b\nroot")


def test_keys_are_compared_in_constant_time(tmp_path, monkeypatch):
    path = str(tmp_path / "keys")
    made = [keys.add(path, f"k{i}") for i in range(4)]
    known = keys.Keys(path)
    seen = []
    compare = keys.hmac.compare_digest
    monkeypatch.setattr(keys.hmac, "compare_digest", lambda a, b: seen.append(1) or compare(a, b))
    for key in (*made, "unknown"):
        seen.clear()
        try:
            known.owner(key)
        except Problem:
            pass
        assert len(seen) == 4, "the first or the last key, or none: the time is the same"


def test_keys_command(tmp_path):
    def run(*words):
        folder = os.path.dirname(os.path.dirname(keys.__file__))
        return subprocess.run([sys.executable, "-m", "ovi_farm.keys", *words], cwd=folder,
                              capture_output=True, text=True)  # fmt: skip

    path = str(tmp_path / "keys")
    made = run(path, "add", "anna")
    assert made.returncode == 0 and keys.Keys(path).owner(made.stdout.strip()) == "anna"
    assert run(path, "withdraw", "nobody").returncode == 1
    assert run(path).returncode == 2


def test_per_key():
    clients = Clients(None, 2)
    first, second = clients.take("anna", 7), clients.take("anna", 7)
    problem = refused(clients.take, "anna", 7)
    assert (problem.status, problem.retry_after) == (429, 7)
    clients.take("bert", 7).close()
    first.close()
    first.close()
    third = clients.take("anna", 7)
    refused(clients.take, "anna", 7)
    second.close()
    third.close()
    assert not clients.at_once


def test_request_fields():
    request = read_request(json.dumps(WHOLE | {"base64": False, "steps": 10}).encode(), 100)
    assert (request.prompt, request.seed, request.video_negative_prompt) == ("Rain.", None, None)
    drawn = {request.drawn_seed() for _ in range(20)}
    assert len(drawn) > 15 and all(0 <= seed < 1 << 32 for seed in drawn)
    assert read_request(json.dumps(WHOLE | {"seed": 7}).encode(), 100).drawn_seed() == 7
    assert read_request(json.dumps(WHOLE | {"seed": -1}).encode(), 100).drawn_seed() >= 0
    settings = request.settings("P", 5)
    assert settings == {"prompt": "Rain.", "seed": "5", "image": "P"}


@pytest.mark.parametrize(
    "body, told",
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[]", "JSON"),
        (b'"x"', "JSON"),
        (b"\xff\xfe", "JSON"),
        (b'{"prompt":"\xff","image":"data:,"}', "JSON"),
        (b'{"prompt":"\\ud800","image":"data:,"}', "JSON"),
        (b"[" * 100000, "JSON"),
        (b'{"a":' * 100000, "JSON"),
        (b"{}", "image"),
        (b'{"image":"data:,x"}', "prompt"),
        (b'{"image":7,"prompt":"x"}', "image"),
        (b'{"image":"data:,x","prompt":["x"]}', "prompt"),
        (b'{"image":"data:,x","prompt":" \\n"}', "prompt"),
        (b'{"image":"data:,x","prompt":"a\\u0000b"}', "U+0000"),
        (b'{"image":"data:,x","prompt":"a\\u001bb"}', "U+001B"),
        (b'{"image":"data:,x","prompt":"x","audio_negative_prompt":"\\u0007"}', "U+0007"),
        (b'{"image":"data:,x","prompt":"' + b"x" * 101 + b'"}', "100 bytes"),
        (b'{"image":"data:,x","prompt":"x","seed":"7"}', "seed"),
        (b'{"image":"data:,x","prompt":"x","seed":1.5}', "seed"),
        (b'{"image":"data:,x","prompt":"x","seed":true}', "seed"),
        (b'{"image":"data:,x","prompt":"x","seed":-2}', "seed"),
        (b'{"image":"data:,x","prompt":"x","seed":9223372036854775808}', "seed"),
        (b'{"image":"data:,x","prompt":"x","seed":' + b"9" * 5000 + b"}", ""),
        (b'{"image":"data:,x","prompt":"x","seed":NaN}', "seed"),
        (b'{"image":"https://x/' + b"y" * 9000 + b'","prompt":"x"}', "image"),
    ],
)
def test_request_wrong(body, told):
    problem = refused(read_request, body, 100)
    assert problem.status == 400 and told in problem.detail, problem.detail
    assert len(problem.detail) < 300


def test_accept():
    for header in (None, "", "*/*", "application/json", "application/*", "text/html, */*;q=0.1",
                   "application/json, text/plain, */*", "video/mp4;q=0.5, application/json"):  # fmt: skip
        assert accept.choose(header) == accept.JSON, header
    for header in ("video/mp4", "video/*", "Video/MP4, */*;q=0.8", "application/json;q=0, */*"):
        assert accept.choose(header) == accept.MP4, header
    for header in ("text/html", "image/png", "*/*;q=0", "application/json;q=x", ";;,,;q=1, a"):
        assert refused(accept.choose, header).status == 406, header
