# Runs an application that embeds the element: embed_test.py PROGRAM
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

import demo
import media

PROMPT = "--prompt=She says <S>We are ready for launch.<E> <AUDCAP>A soft chord.<ENDAUDCAP>"
# Of cancelling, in seconds: one block of this model takes milliseconds, the rest is for a machine
# that is busy with other tests.
BOUND = 20


class Program:
    def __init__(self, path, folder):
        self.path = path
        self.folder = folder
        self.in_python = path.endswith(".py")
        self.model = demo.Model(folder / "model", area=128 * 128, video_latents=3, audio_latents=12)
        self.command = [
            path, f"--model={self.model.path}", f"--image={demo.IMAGE}", PROMPT,
            *demo.SETTINGS.split(),
        ]  # fmt: skip

    def run(self, *more):
        return demo.run([*self.command, *more], self.folder)

    def made(self):
        """The files that a run left."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_file())


def codes(said):
    """The stages told of, each once for every time it comes up."""
    told = re.findall(r"^\[(\w+) +\d+%\]", said, re.MULTILINE)
    return [code for at, code in enumerate(told) if at == 0 or told[at - 1] != code]


def makes_a_clip(program):
    status, said = program.run("seed=103")
    assert status == 0, said
    assert codes(said) == ["load", "encode", "generate", "decode"], said
    steps = re.findall(r"^\[generate +(\d+)%\] Clip 1 of 1: generating, step (\d+) of 2, \1 % of the clip", said, re.MULTILINE)
    assert [step for _, step in steps] == ["1", "2"], said
    percents = [int(percent) for percent in re.findall(r"^\[\w+ +(\d+)%\]", said, re.MULTILINE)]
    assert percents == sorted(percents) and percents[0] == 0 and percents[-1] == 100, said
    model = program.model
    stats = dict(re.findall(r"(?<![\w-])(seed|steps|width|height|frames|samples)[=:] ?(?:\(\w+\))?(\d+)", said))
    assert stats == {
        "seed": "103", "steps": "2", "width": str(model.width), "height": str(model.height),
        "frames": str(model.frames), "samples": str(model.samples),
    }, stats  # fmt: skip
    original = media.picture(demo.IMAGE, model.width, model.height)
    if program.in_python:
        assert f"Made {model.frames} frames" in said and f"{model.samples} samples" in said, said
        (last,) = media.frames(program.folder / "clip.ppm", model.width, model.height)
        heard = media.samples(program.folder / "clip.wav")[0]
        assert len(heard) == model.samples, len(heard)
    else:
        shown = media.frames(program.folder / "clip.mp4", model.width, model.height)
        assert len(shown) == model.frames, len(shown)
        last = shown[-1]
        heard = media.samples(program.folder / "clip.mp4")[0]
        # AAC at 48 kHz: a packet ahead, and the last one filled up.
        assert 3 * model.samples <= len(heard) <= 3 * model.samples + 2 * 1024, len(heard)
        original_sound = demo.raw_sound(model, program.folder, PROMPT=PROMPT.partition("=")[2])
        late = media.lateness(program.folder / "clip.mp4", original_sound)
        assert abs(late) < 0.025, f"sound is {late * 1000:.2f} ms late"
    assert media.likeness(last, original) > 0.7, media.likeness(last, original)
    assert media.loudness(heard) > 0.003, media.loudness(heard)
    for name in program.made():
        (program.folder / name).unlink()


def cancels(program, interrupt):
    """By its option, or by SIGINT when the second step is done."""
    how = [] if interrupt else ["--cancel-after-step=2"]
    process = demo.start(
        [*program.command, "steps=1000", *how], program.folder, {}, stderr=subprocess.STDOUT
    )
    watchdog = threading.Timer(240, process.kill)
    watchdog.start()
    said, asked = "", None
    for line in process.stdout:
        said += line
        if asked is None and "step 2 of 1000" in line:
            asked = time.monotonic()
            if interrupt:
                process.send_signal(signal.SIGINT)
    status = process.wait()
    watchdog.cancel()
    assert asked is not None, said
    took = time.monotonic() - asked
    assert took < BOUND, f"{took} s"
    assert status == 130, f"{status}:\n{said}"
    assert re.search(r"^\[generate +\d+%\] Clip 1 of 1: cancelled", said, re.MULTILINE), said
    assert codes(said) == ["load", "encode", "generate"], said
    assert "step 1000" not in said and "Made" not in said and "Error" not in said, said
    assert program.made() == [], program.made()


def tells_errors(program):
    status, said = program.run("--image=no-such-picture.png")
    assert status == 1, f"{status}:\n{said}"
    assert "The image no-such-picture.png does not exist." in said, said
    assert said.count("Error: ") == 1 and "Made" not in said, said
    assert program.made() == [], program.made()

    status, said = program.run("--model=no-such-model")
    assert status == 1, f"{status}:\n{said}"
    assert "no-such-model" in said and said.count("Error: ") == 1, said
    assert "model-path" in said, f"no way out is named: {said}"

    # Before the time that a clip takes.
    status, said = program.run("--output=no-such-folder/clip")
    assert status == 1 and "no-such-folder" in said, f"{status}:\n{said}"
    assert "Traceback" not in said and "step 2 of" not in said, said

    broken = program.folder / "broken.png"
    broken.write_bytes(demo.IMAGE.read_bytes()[:2000])
    status, said = program.run(f"--image={broken}")
    assert status == 1 and "broken.png" in said, f"{status}:\n{said}"
    broken.unlink()

    for wrong in ("steps=0", "steps=many", "precision=fp99", "colour=red", "stats=1", "steps"):
        status, said = program.run(wrong)
        assert status == 2 and wrong.split("=")[-1] in said, f"{wrong}: {status}:\n{said}"
    status, said = program.run("--no-such-option")
    assert status == 2 and "--no-such-option" in said, f"{status}:\n{said}"
    assert program.made() == [], program.made()


def compiles_alone(folder):
    """As the program's own comment says, with every warning an error."""
    source = demo.SOURCE / "examples" / "embed.c"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "gstreamer-1.0"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    compiler = shlex.split(os.environ.get("CC", "cc"))
    status, said = demo.run(
        [*compiler, "-Wall", "-Wextra", "-Werror", "-o", "alone", source, *shlex.split(flags)], folder
    )
    assert status == 0, said
    (folder / "alone").unlink()


if __name__ == "__main__":
    path = os.path.abspath(sys.argv[1])
    with demo.work_folder(pathlib.Path(path).name) as work:
        program = Program(path, work)
        if not program.in_python:
            compiles_alone(work)
        makes_a_clip(program)
        cancels(program, interrupt=False)
        cancels(program, interrupt=True)
        tells_errors(program)
