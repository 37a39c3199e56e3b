#!/usr/bin/python3
# The commands and programs of the pages run as they stand there, from top to bottom.
# SPDX-License-Identifier: Apache-2.0
"""commands_test.py --mistakes: what is wrong in a block that is not run is found.

commands_test.py PAGE: one page. What a test cannot have is exchanged or not run:

- `ckpts`, and the examples' demonstration model, are that model cut down to 128x128 and a second;
- `picture.jpg` is the picture of the examples;
- blocks marked "not run" are run with stand-ins for all programs (dry_run.py), which look at the
  words that they get: elements, properties and links by GStreamer's parser, options by --help.
"""
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))

import demo  # noqa: E402
import dry_run  # noqa: E402
import pages  # noqa: E402

LIMIT = 580  # seconds, of one page; a quiet machine takes a tenth
PROGRAMS = "sh", "c", "cpp", "python", "rust", "toml"
NOT_RUN = "", "text", "json"  # shown, and no command


def furnish(folder):
    """As a clone looks that is built, with weights and a picture."""
    model = demo.Model(folder / "small", area=128 * 128, video_latents=7, audio_latents=32)
    (folder / "ckpts").symlink_to(model.path)
    shutil.copy(demo.IMAGE, folder / "picture.jpg")
    for path in demo.SOURCE.iterdir():
        if path.name not in ("examples", ".git") and not path.name.startswith("build"):
            (folder / path.name).symlink_to(path)
    (folder / "build").symlink_to(os.environ["BUILD"])
    (folder / "examples").mkdir()
    for path in (demo.SOURCE / "examples").iterdir():
        at = folder / "examples" / path.name
        at.symlink_to(model.path if path.name == "demo-model" else path)


def script_of(blocks):
    """One shell, as a reader has: what one block exports the next one has."""
    lines = ["set -euo pipefail"]
    for block in blocks:
        lines.append(f"echo '== {block}' >&2")
        if block.file:
            name = block.file
            lines.append(f'mkdir -p "$(dirname {name})"; cat > {name} <<\'END OF {name}\'\n{block.text}END OF {name}')
        elif block.language == "sh":
            lines.append(block.text)
    return "\n".join(lines) + "\n"


MISTAKES = [
    "gst-launch-1.0 ovii2vsrc name=ovi model-path=/x colour=red ovi.video ! fakesink",
    "gst-launch-1.0 ovii2vsrc name=ovi ovi.picture ! fakesink",
    "gst-launch-1.0 ovii2vsrc ! videoconvert !",
    "ovi make picture.jpg --colour=red Rain.",
    "ovi mkae picture.jpg",
    "build/gst/tools/ovi fetch ckpts --varaint all",
    "examples/quickstop.sh",
    "examples/setup.sh --colour",
    "tests/soak_live.py --colour",
    "no-such-program",
]


def mistakes():
    environment = {**os.environ, "PATH": f"/usr/bin:{os.environ['PATH']}"}
    with demo.work_folder("mistakes") as folder:
        for text in MISTAKES:
            try:
                dry_run.check(pages.Block("page", 1, "sh", text + "\n", "not run: test"), folder / "dry", environment)
            except AssertionError:
                continue
            sys.exit(f"this is taken: {text}")
        good = "ovi make picture.jpg -m ckpts -o clip.mp4 Rain.\nexamples/setup.sh --tests\n"
        dry_run.check(pages.Block("page", 1, "sh", good, "not run: test"), folder / "dry", environment)
    print(f"{len(MISTAKES)} mistakes were found")


def main():
    page = sys.argv[1]
    blocks = pages.blocks(page)
    for block in blocks:
        assert block.language in PROGRAMS + NOT_RUN, f"{block}: what is to be done with {block.language}?"
        assert block.language in NOT_RUN or block.file or block.language == "sh", f"{block}: a program without <!-- file: NAME -->"
    commands = [block for block in blocks if block.language == "sh"]
    run = [block for block in blocks if block.file or block.language == "sh" and not block.reason]
    dry = [block for block in commands if block.reason]
    environment = {**os.environ, "PATH": f"/usr/bin:{os.environ['PATH']}", "OMP_NUM_THREADS": "2",
                   "CUDA_VISIBLE_DEVICES": "", "G_DEBUG": ""}  # fmt: skip
    for name in "OVI_MODEL_PATH", "GST_PLUGIN_PATH":
        environment.pop(name, None)
    with demo.work_folder(pathlib.Path(page).stem) as folder:
        (folder / "run").mkdir()
        furnish(folder / "run")
        status = 0
        if any(block.language == "sh" for block in run):
            done = subprocess.run(["bash", "-c", script_of(run)], cwd=folder / "run", env=environment,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", timeout=LIMIT)  # fmt: skip
            status = done.returncode
            assert status == 0, f"{page}: a command ended with {status}:\n{done.stdout[-6000:]}"
        for block in dry:
            dry_run.check(block, folder / "dry", environment, [one for one in blocks if one.file])
    print(f"{page}: {len(commands) - len(dry)} blocks of commands ran, {len(dry)} were checked:")
    for block in dry:
        print(f"  {block}: {block.reason}")


if sys.argv[1] == "--mistakes":
    mistakes()
else:
    main()
