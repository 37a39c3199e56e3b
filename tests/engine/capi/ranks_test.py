#!/usr/bin/python3
"""One clip by ranks that are processes: the clip of one device, and errors that name the rank."""
# SPDX-License-Identifier: Apache-2.0
#
# ranks_test.py PROGRAM...: what a rank runs, MODEL STEPS CLIPS come behind it.
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROGRAM = sys.argv[1]
TINY = pathlib.Path(os.environ["OVI_TEST_DATA"]).resolve() / "models" / "tiny"


def free_port():
    with socket.socket() as one:
        one.bind(("", 0))
        return one.getsockname()[1]


class Ranks:
    """As a launcher starts them; ended with the block. `present`: of all, in which order."""

    def __init__(self, count, model, steps=2, clips="1", own_model="", present=None, **more):
        port = str(free_port())
        self.ranks = []
        for rank in range(count) if present is None else present:
            env = dict(os.environ, RANK=str(rank), WORLD_SIZE=str(count), MASTER_ADDR="127.0.0.1", MASTER_PORT=port, **more)
            if own_model:
                env["OVI_OWN_MODEL"] = own_model
            self.ranks.append(subprocess.Popen([PROGRAM, model, str(steps), clips], env=env, stdout=subprocess.PIPE, text=True))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for rank in self.ranks:
            rank.kill()
            rank.wait()
            rank.stdout.close()

    def says(self, rank):
        return self.ranks[rank].stdout.readline().rstrip("\n")

    def ends(self, rank, status):
        assert self.ranks[rank].wait(20) == status, (rank, self.ranks[rank].returncode)


def whole(model):
    with Ranks(2, model, clips="2") as ranks:
        assert ranks.says(0) == "opened"
        for _ in range(2):
            assert ranks.says(0) == "step"
            said = ranks.says(0)
            assert said in ("differs by 0", "differs by 1"), said
        ranks.ends(0, 0)
        assert ranks.says(1) == "left"
        ranks.ends(1, 0)


def anew(model):
    with Ranks(2, model, clips="anew") as ranks:
        for _ in range(3):
            said = ranks.says(0)
            assert said in ("differs by 0", "differs by 1"), said
        ranks.ends(0, 0)
        ranks.ends(1, 0)


def cancelled(model):
    with Ranks(2, model, steps=50, clips="cancel") as ranks:
        for expected in ("opened", "step", "cancelled", "step", "made"):
            said = ranks.says(0)
            assert said == expected, (said, expected)
        ranks.ends(0, 0)
        assert ranks.says(1) == "left"


def lost(model):
    """A rank that is killed, stopped or asked to end in the midst of a clip."""
    for how, words in ((signal.SIGKILL, "has said nothing for"), (signal.SIGTERM, "was told to end")):
        with Ranks(2, model, steps=1000) as ranks:
            assert ranks.says(0) == "opened"
            assert ranks.says(0) == "step"
            begin = time.monotonic()
            ranks.ranks[1].send_signal(how)
            said = ranks.says(0)
            assert said.startswith("gone: Rank 1 (cpu of ") and words in said, said
            assert time.monotonic() - begin < 10, said
            ranks.ends(0, 1)
    with Ranks(2, model, steps=1000) as ranks:
        assert ranks.says(0) == "opened"
        assert ranks.says(0) == "step"
        begin = time.monotonic()
        ranks.ranks[0].kill()
        said = ranks.says(1)
        assert said.startswith("gone: Rank 0 (cpu of "), said
        assert time.monotonic() - begin < 10, said
        ranks.ends(1, 1)


def without_model(model):
    with Ranks(2, model, own_model="/nowhere") as ranks:
        assert ranks.says(0) == "opened"
        said = ranks.says(0)
        assert said.startswith("error: Rank 1 (cpu of ") and "/nowhere" in said, said
        ranks.ends(0, 1)
        said = ranks.says(1)  # once rank 0 has ended
        assert said.startswith("error: ") and "/nowhere" in said, said


def without_device(model):
    """Whoever cannot take part says so at once, and why."""
    begin = time.monotonic()
    for setting, words in (({"OVI_OWN_DEVICE": "cuda:7"}, 'No device "cuda:7"'), ({"OVI_OWN_DEVICE": "tpu"}, 'Unknown device "tpu"')):
        with Ranks(2, model, OVI_RANKS_PATIENCE="60", **setting) as ranks:
            said = ranks.says(1)
            assert said.startswith("error: ") and words in said, said
            ranks.ends(1, 1)
            assert ranks.says(0) == "opened"
            said = ranks.says(0)
            assert said.startswith("error: Rank 1 (") and words in said, said
            ranks.ends(0, 1)
    assert time.monotonic() - begin < 40, "it was waited for"


def alone(model):
    """Opening does not wait; a clip does, and names who has not come."""
    with Ranks(2, model, present=[0], OVI_RANKS_PATIENCE="2") as ranks:
        assert ranks.says(0) == "opened"
        said = ranks.says(0)
        assert said.startswith("gone: Rank 1 of 2 has not come within 2 s"), said
        ranks.ends(0, 1)


def given_up(model):
    """Nor is there a wait that cannot be cancelled, for rank 0 or for the others."""
    for rank in (0, 1):
        with Ranks(2, model, present=[rank], OVI_RANKS_PATIENCE="60") as ranks:
            if rank == 0:
                assert ranks.says(0) == "opened"
            time.sleep(1)
            begin = time.monotonic()
            ranks.ranks[0].terminate()
            said = ranks.says(0)
            assert said == "cancelled" and time.monotonic() - begin < 0.5, (said, time.monotonic() - begin)
            ranks.ends(0, 0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ovi-ranks-") as folder:
        folder = pathlib.Path(folder)
        for part in ("Ovi", "Wan2.2-TI2V-5B", "MMAudio"):
            (folder / part).symlink_to(TINY / part)
        variant = {"name": "720x720_5s", "area": 4096, "video_latents": 2, "audio_latents": 8}
        (folder / "ovi.json").write_text(json.dumps({"variant": variant, "fusion": {"num_heads": 2}}))
        for check in (whole, anew, cancelled, lost, without_model, without_device, alone, given_up):
            check(str(folder))
            print(check.__name__, "ok", flush=True)
