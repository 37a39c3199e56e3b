# Opens a clip by its URI in the players that come with GStreamer: players_test.py
# SPDX-License-Identifier: Apache-2.0
import re
import shlex
import urllib.parse

import demo

FRAME = 1 / 24


def uri_of(made, **more):
    query = {"model": made.path, "image": demo.IMAGE, "prompt": "Rain. Audio: rain", "seed": 7,
             **dict(word.split("=") for word in demo.SETTINGS.split()), **more}  # fmt: skip
    return "ovi:?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)


def is_discovered(model, folder):
    status, said = demo.run(["gst-discoverer-1.0", "-v", uri_of(model)], folder, timeout=60)
    assert status == 0, said
    seconds = float(re.search(r"Duration: 0:00:([\d.]+)", said)[1])
    # The longer of both streams.
    assert abs(seconds - max(model.seconds, model.samples / 16000)) < 0.001, seconds
    for wanted in (
        "Seekable: yes", "Live: no", f"Width: {model.width}", f"Height: {model.height}", "Frame rate: 24/1",
        "Sample rate: 16000", "Channels: 1", "title: Rain. Audio: rain", "extended comment: seed=7",
    ):  # fmt: skip
        assert wanted in said, f"{wanted}:\n{said}"


def is_played(model, folder, player):
    """To the end, both streams; the position gets there."""
    counters = "fakesink sync=true signal-handoffs=false silent=true"
    status, said = demo.run(
        [*player, "--no-interactive", "--videosink", counters, "--audiosink", counters, uri_of(model)],
        folder, timeout=60,
    )  # fmt: skip
    assert status == 0 and "Reached end of play list." in said, said
    assert "ERROR" not in said, said
    reached = re.findall(r"0:00:(\d+\.\d) / 0:00:(\d+\.\d)", said)
    assert reached and float(reached[-1][0]) > model.seconds - 0.3, reached[-3:]


def is_decoded(model, folder, line):
    """Every frame and sample, whoever opens the URI."""
    words = [word.replace("URI", uri_of(model)) for word in shlex.split(line)]
    status, said = demo.run(["gst-launch-1.0", "-q", *words], folder, timeout=60)
    assert status == 0, said
    frames = (folder / "frames").stat().st_size / (model.width * model.height * 3 / 2)
    samples = (folder / "samples").stat().st_size / 4
    assert (frames, samples) == (model.frames, model.samples), (frames, samples)
    for made in ("frames", "samples"):
        (folder / made).unlink()


def errors_are_told(model, folder):
    for wrong, message in (
        ({"image": "/nonexistent/face.png"}, "/nonexistent/face.png does not exist"),
        ({"prompt": " "}, "There is no prompt"),
        ({"model": "/nonexistent"}, "/nonexistent"),
    ):
        uri = uri_of(model, **wrong)
        status, said = demo.run(["gst-discoverer-1.0", uri], folder, timeout=60)
        # The discoverer says so, and ends with 0 in GStreamer 1.22.
        assert message in said, said
        for more in ([], ["--use-playbin3"]):
            status, said = demo.run(
                ["gst-play-1.0", *more, "--no-interactive", "--videosink", "fakesink", "--audiosink", "fakesink", uri],
                folder, timeout=60)  # fmt: skip
            assert message in said, said


if __name__ == "__main__":
    with demo.work_folder("players") as work:
        made = demo.Model(work / "model", area=64 * 64, video_latents=13, audio_latents=64)
        is_discovered(made, work)
        is_played(made, work, ["gst-play-1.0"])
        is_played(made, work, ["gst-play-1.0", "--use-playbin3"])
        for opener in ("uridecodebin", "uridecodebin3"):
            is_decoded(
                made, work,
                f"{opener} uri=URI name=in in. ! video/x-raw ! queue ! filesink location=frames "
                "in. ! audio/x-raw ! queue ! filesink location=samples",
            )  # fmt: skip
        errors_are_told(made, work)
