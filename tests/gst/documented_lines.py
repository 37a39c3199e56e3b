#!/usr/bin/env python3
# The launch lines in the element's documentation run as they stand there.
# SPDX-License-Identifier: Apache-2.0
"""documented_lines.py SOURCE IMAGE: on the fake engine, named by the environment.

Only what a test machine cannot have is exchanged: the model, the picture, the screen and the
loudspeaker, and what never ends.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

EXCHANGED = {
    "/opt/ovi": ".",
    "astronaut.png": sys.argv[2],
    "autovideosink": "fakesink",
    "autoaudiosink": "fakesink",
    "num-clips=0": "num-clips=3",
    "videotestsrc ": "videotestsrc num-buffers=24 ",
}


def main():
    text = pathlib.Path(sys.argv[1]).read_text()
    blocks = re.findall(r"\|\[\n(.*?)\]\|", text, re.DOTALL)
    assert len(blocks) >= 4, f"{len(blocks)} launch lines were found"
    for block in blocks:
        line = re.sub(r"^ \* ?", "", block, flags=re.MULTILINE)
        for old, new in EXCHANGED.items():
            line = line.replace(old, new)
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                ["bash", "-c", line], cwd=folder, timeout=60, capture_output=True, text=True
            )
            said = done.stdout + done.stderr
            assert done.returncode == 0 and "Got EOS" in said, f"{line}\n{said}"
            for name in re.findall(r"filesink location=(\S+)", line):
                assert pathlib.Path(folder, name).stat().st_size > 1000, f"{line}\n{name} is empty"


main()
