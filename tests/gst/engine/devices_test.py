#!/usr/bin/python3
"""One clip on several devices: the element in this process, in one of its own, and as rank 0 of a launcher."""
# SPDX-License-Identifier: Apache-2.0
#
# devices_test.py WORKER: the program ovii2v-worker.
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

WORKER = sys.argv[1]
TINY = pathlib.Path(os.environ["OVI_TEST_DATA"]).resolve() / "models" / "tiny"


def element(properties, frames, **env):
    """Runs one clip; frames as they come, into a file."""
    line = f"ovii2vsrc name=s prompt=cat seed=5 steps=2 slg-layer=1 {properties} s.video ! video/x-raw,format=RGB ! filesink location={frames} s.audio ! fakesink"
    return subprocess.Popen(["gst-launch-1.0", "-q", *line.split()], env=dict(os.environ, **env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ends(process, well=True):
    said, _ = process.communicate(timeout=200)
    assert (process.returncode == 0) == well, (process.returncode, said)
    return said


def near(one, other):
    a, b = one.read_bytes(), other.read_bytes()
    assert a and len(a) == len(b), (len(a), len(b))
    assert max(abs(x - y) for x, y in zip(a, b)) <= 1, other


def free_port():
    with socket.socket() as one:
        one.bind(("", 0))
        return str(one.getsockname()[1])


def launched(rank, port):
    return dict(OMPI_COMM_WORLD_RANK=str(rank), OMPI_COMM_WORLD_SIZE="2", OMPI_COMM_WORLD_LOCAL_SIZE="2", MASTER_PORT=port)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ovi-devices-") as folder:
        folder = pathlib.Path(folder)
        model = folder / "model"
        model.mkdir()
        for part in ("Ovi", "Wan2.2-TI2V-5B", "MMAudio"):
            (model / part).symlink_to(TINY / part)
        variant = {"name": "720x720_5s", "area": 4096, "video_latents": 2, "audio_latents": 8}
        (model / "ovi.json").write_text(json.dumps({"variant": variant, "fusion": {"num_heads": 2}}))
        given = f"model-path={model} "
        ends(element(given + "device=cpu", folder / "one"))
        for isolation in ("none", "process"):
            ends(element(given + f"devices=cpu,cpu isolation={isolation}", folder / isolation))
            near(folder / "one", folder / isolation)

        # As mpirun -n 2 starts them.
        port = free_port()
        other = subprocess.Popen([WORKER, "--join", f"--model-path={model}"], env=dict(os.environ, **launched(1, port)), stderr=subprocess.PIPE, text=True)
        ends(element(given + "devices=ranks", folder / "ranks", **launched(0, port)))
        near(folder / "one", folder / "ranks")
        said = other.communicate(timeout=20)[1]
        assert other.returncode == 0 and not said, (other.returncode, said)  # rank 0's end is none to warn of

        # A rank that ends it says so itself, too.
        port = free_port()
        other = subprocess.Popen([WORKER, "--join", "--model-path=/no/such/model"], env=dict(os.environ, **launched(1, port)), stderr=subprocess.PIPE, text=True)
        said = ends(element(given + "devices=ranks", folder / "none", **launched(0, port)), well=False)
        assert "Rank 1" in said and "/no/such/model" in said, said
        said = other.communicate(timeout=20)[1]
        assert other.returncode == 1 and "/no/such/model" in said and "frame #" not in said, (other.returncode, said)

        # Its errors reach the bus.
        said = ends(element(given + "devices=cpu,tpu", folder / "none"), well=False)
        assert 'Unknown device "tpu"' in said, said
        said = ends(element(given + "devices=ranks", folder / "none", **launched(1, free_port())), well=False)
        assert "Rank 0 runs the element, the others ovii2v-worker --join" in said, said
        said = ends(element(given + "devices=ranks", folder / "none", OVI_RANKS_PATIENCE="2", **launched(0, free_port())), well=False)
        assert "Rank 1 of 2 has not come within 2 s" in said, said
