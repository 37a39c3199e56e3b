# Opens clips in fallbacksrc of gst-plugins-rs, which not every system has: fallback_test.py
# SPDX-License-Identifier: Apache-2.0
import shlex
import subprocess
import sys
import time

import demo
from players_test import uri_of

SKIPPED = 77  # for meson
LINE = "{} {} ! queue ! filesink location=frames {} ! queue ! filesink location=samples"


def made_by(folder, *words):
    status, said = demo.run(["gst-launch-1.0", "-q", *shlex.split(LINE.format(*words))], folder, timeout=60)
    assert status == 0, said
    return [(folder / name).read_bytes() for name in ("frames", "samples")]


def is_opened(model, folder):
    """It begins with the clip's first frame and sample. At the end of a stream it lets go of what it
    holds up to a clock, of a file on disk as well, so that not all of a short clip comes."""
    uri = f"uri={uri_of(model)}"
    whole = made_by(folder, f"uridecodebin3 {uri} name=in", "in. ! video/x-raw", "in. ! audio/x-raw")
    part = made_by(folder, f"fallbacksrc {uri} name=in enable-dummy=false timeout=60000000000",
                   "in.video_0", "in.audio_0")  # fmt: skip
    for all_of_it, begin, second in zip(whole, part, (model.width * model.height * 3 // 2 * 24, 4 * 16000)):
        assert second // 2 < len(begin) and all_of_it.startswith(begin), (len(all_of_it), len(begin))


def goes_on_instead(model, folder):
    """One that has no model is an error, and another clip takes its place, over and over."""
    source = (f"fallbacksrc name=in enable-dummy=false uri={uri_of(model, model='/nonexistent')} "
              f"fallback-uri={uri_of(model)} timeout=1000000000")  # fmt: skip
    words = shlex.split(LINE.format(source, "in.video_0", "in.audio_0"))
    wanted = model.width * model.height * 3 // 2 * 12
    (folder / "frames").unlink()
    with subprocess.Popen(["gst-launch-1.0", "-q", *words], cwd=folder, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while not (folder / "frames").exists() or (folder / "frames").stat().st_size < wanted:
            assert process.poll() is None and time.monotonic() < end, "no clip instead"
            time.sleep(0.1)
        process.kill()


if __name__ == "__main__":
    if subprocess.run(["gst-inspect-1.0", "--exists", "fallbacksrc"], check=False).returncode:
        print("There is no fallbacksrc here (gst-plugins-rs; in Debian from 14 on).")
        sys.exit(SKIPPED)
    with demo.work_folder("fallback") as work:
        made = demo.Model(work / "model", area=64 * 64, video_latents=13, audio_latents=64)
        is_opened(made, work)
        goes_on_instead(made, work)
