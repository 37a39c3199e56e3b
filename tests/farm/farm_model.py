# The demonstration model at its smallest, and what a clip holds.
# SPDX-License-Identifier: Apache-2.0
import base64
import pathlib
import subprocess

import demo

PROPERTIES = {"video-guidance-scale": 1.5, "audio-guidance-scale": 1.5, "slg-layer": 1, "steps": 2}
IMAGE_URI = "data:image/png;base64," + base64.b64encode(demo.IMAGE.read_bytes()).decode()
PROMPT = "She says <S>We are ready.<E> <AUDCAP>A soft chord.<ENDAUDCAP>"


def small_model(folder):
    return demo.Model(pathlib.Path(folder), area=128 * 128, video_latents=3, audio_latents=12)


def content(clip):
    """Digests of every frame and of the sound of an MP4, by ffmpeg: the box has a time of making."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "framemd5", "-"],
        input=clip, capture_output=True, check=True,
    )  # fmt: skip
    lines = [line for line in done.stdout.decode().splitlines() if not line.startswith("#")]
    assert sum(line.startswith("0,") for line in lines) == 9, lines
    return lines
