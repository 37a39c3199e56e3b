# What the tests of the examples share: cheap models, ports, and running a program to its end.
# SPDX-License-Identifier: Apache-2.0
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
IMAGE = SOURCE / "examples" / "astronaut.png"
GRAPHS = SOURCE / "examples" / "graphs"
SETTINGS = "steps=2 video-guidance-scale=1.5 audio-guidance-scale=1.5 slg-layer=1"


class Model:
    """The demonstration model, cut down by its ovi.json alone; the weights are links to its own."""

    def __init__(self, folder, area, video_latents, audio_latents):
        demo = SOURCE / "examples" / "demo-model"
        shutil.copytree(demo, folder, copy_function=os.symlink)
        settings = json.loads((demo / "ovi.json").read_text())
        settings["variant"].update(
            area=area, video_latents=video_latents, audio_latents=audio_latents
        )
        (folder / "ovi.json").unlink()
        (folder / "ovi.json").write_text(json.dumps(settings))
        self.path = folder
        # The picture of the examples is square.
        self.width = self.height = round(area**0.5)
        # The codecs' own factors: 4 frames a latent after the first, 512 samples a latent.
        self.frames = 4 * (video_latents - 1) + 1
        self.samples = 512 * audio_latents
        self.seconds = self.frames / 24


@contextlib.contextmanager
def work_folder(name):
    """A folder of its own for one run; kept if the test fails, so that one can look into it."""
    parent = pathlib.Path(os.environ["BUILD"]) / "tests" / "examples" / "made"
    parent.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    yield folder
    shutil.rmtree(folder)


def free_ports(kind, count):
    """The first of so many ports in a row that are free; from below those the kernel hands out."""
    while True:
        first = random.randrange(20000, 32000)
        held = []
        try:
            for port in range(first, first + count):
                held.append(socket.socket(socket.AF_INET, kind))
                held[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for one in held:
                one.close()


def start(command, folder, environment, stderr):
    return subprocess.Popen(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def run(command, folder, timeout=240, **environment):
    """Exit code and all that was said; and nothing may be left running."""
    process = start(command, folder, environment, stderr=subprocess.STDOUT)
    try:
        said, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        raise AssertionError(f"still running after {timeout} s:\n{said}") from None
    # A launcher's own helper may be a moment behind it.
    until = time.monotonic() + 2
    try:
        while time.monotonic() < until:
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return process.returncode, said
    raise AssertionError(f"{command[0]} left processes behind")


def raw_sound(model, folder, seed=103, **environment):
    """The sound of the clip that a graph makes, as the element gives it: a file of S16LE samples at
    16 kHz, without any codec."""
    made = folder / f"raw-{seed}"
    graph = 'source "$1"; gst-launch-1.0 -q ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" '
    graph += f"ovi.audio ! audio/x-raw,format=S16LE ! filesink location={made.name}"
    status, said = run(
        ["bash", "-euc", graph, "raw_sound", GRAPHS / "defaults.sh"],
        folder,
        OVI_MODEL_PATH=model.path,
        SETTINGS=SETTINGS,
        SEED=seed,
        **environment,
    )
    assert status == 0, said
    return made
