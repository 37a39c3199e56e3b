# ovi again, on the engine itself and a tiny model: the same frames and samples, or why not.
# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

from tool import (DONE, FAILED, MODEL, PICTURE, USAGE, digest, files, frames, lora, ovi, run_tests,
                  streams)  # fmt: skip

SMALL = ["-p", "steps=2", "-p", "slg-layer=1", "-p", "device=cpu"]


def model():
    """The tiny model, by links, with clips of 5 frames of 64x64 pixels."""
    shutil.copytree(MODEL, "model", copy_function=os.symlink)
    settings = json.loads(pathlib.Path(MODEL, "ovi.json").read_text())
    settings["variant"].update(area=4096, video_latents=2, audio_latents=8)
    os.unlink("model/ovi.json")
    pathlib.Path("model/ovi.json").write_text(json.dumps(settings))
    return ["-m", "model"]


def raw(**settings):
    """MD5 of all frames and of all samples that the element gives with these settings."""
    words = [f"{name.replace('_', '-')}={value}" for name, value in settings.items()]
    subprocess.run(
        ["gst-launch-1.0", "-q", "ovii2vsrc", "name=s", "model-path=model", *words,
         "s.video", "!", "video/x-raw,format=RGB", "!", "filesink", "location=video",
         "s.audio", "!", "audio/x-raw,format=F32LE", "!", "filesink", "location=audio"],
        check=True, timeout=120,
    )  # fmt: skip
    sums = [hashlib.md5(pathlib.Path(name).read_bytes()).hexdigest() for name in ("video", "audio")]
    os.unlink("video")
    os.unlink("audio")
    return sums


def test_the_same_clip_again():
    small = model()
    shutil.copy(PICTURE, "face.png")
    ovi("make", "face.png", "A cat, <S>hi<E>", *small, *SMALL, "-s", "7", "-p", "shift=4.25", "-p",
        "solver=dpm++", "-p", "video-guidance-scale=1.5", "-p", "video-negative-prompt=fög, \"x\"",
        "-o", "clip.mp4").ends(DONE)  # fmt: skip
    run = ovi("again", "clip.mp4", *small).ends(DONE)
    assert "clip-again.mp4" in run.out and "warning: it" not in run.err, run
    assert digest("clip.mp4") == digest("clip-again.mp4")
    # Each frame and sample, before any encoder, from what was recorded.
    told = ovi("again", "clip.mp4", "--show", "--json").ends(DONE).json()[0]
    recorded = {name: told[name] for name in (
        "prompt", "video-negative-prompt", "seed", "steps", "shift", "solver", "slg-layer",
        "video-guidance-scale", "audio-guidance-scale", "device", "precision", "memory", "image",
    )}  # fmt: skip
    quoted = {name: '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
              if name.endswith("prompt") else value for name, value in recorded.items()}  # fmt: skip
    asked = raw(prompt='"A cat, <S>hi<E>"', image="face.png", seed=7, steps=2, slg_layer=1,
                shift=4.25, solver="dpm++", video_guidance_scale=1.5, device="cpu",
                video_negative_prompt='"fög, \\"x\\""')  # fmt: skip
    assert raw(**quoted) == asked
    assert raw(**{**quoted, "seed": 8}) != asked


def test_every_container_tells_it():
    small = model()
    for kind in "mkv", "webm", "wav":
        ovi("make", "Rain.", *small, *SMALL, "-o", f"clip.{kind}").ends(DONE)
        ovi("again", f"clip.{kind}", *small, "-o", f"again.{kind}").ends(DONE)
        assert digest(f"clip.{kind}") == digest(f"again.{kind}"), kind
    # Another kind of file of the same clip.
    ovi("again", "clip.mkv", *small, "-o", "again.mp4").ends(DONE)
    assert streams("again.mp4") == ["aac", "h264"]


def test_a_film_of_clips_again():
    small = model()
    ovi("make", PICTURE, "Rain.", *small, *SMALL, "-p", "num-clips=2", "-p",
        "continuity=last-frame", "-s", "3", "-o", "film.mkv").ends(DONE)  # fmt: skip
    ovi("again", "film.mkv", *small).ends(DONE, "warning: it is a film of 2 clips")
    assert frames("film-again.mkv") == frames("film.mkv") == 9
    assert digest("film.mkv") == digest("film-again.mkv")


def test_the_picture():
    small = model()
    shutil.copy(PICTURE, "face.png")
    ovi("make", "face.png", "A cat.", *small, *SMALL, "-s", "7", "-o", "clip.mp4").ends(DONE)
    before = digest("clip.mp4")
    # Beside the clip.
    os.mkdir("far")
    for name in "face.png", "clip.mp4":
        shutil.move(name, f"far/{name}")
    ovi("again", "far/clip.mp4", *small).ends(DONE)
    assert files("far") == ["clip-again.mp4", "clip.mp4", "face.png"]
    # By another name, and in another form with the same pixels.
    subprocess.run(["ffmpeg", "-v", "error", "-i", "far/face.png", "-pix_fmt", "rgb24", "x.bmp"],
                   check=True)  # fmt: skip
    os.unlink("far/face.png")
    ovi("again", "far/clip.mp4", *small, "-f").ends(FAILED, "face.png is not found", "--image")
    ovi("again", "far/clip.mp4", *small, "-i", "x.bmp", "-o", "bmp.mp4").ends(DONE)
    assert digest("bmp.mp4") == before
    # Another picture.
    subprocess.run(["ffmpeg", "-v", "error", "-i", "x.bmp", "-vf", "hflip", "far/face.png"],
                   check=True)  # fmt: skip
    run = ovi("again", "far/clip.mp4", *small, "-o", "other.mp4")
    run.ends(FAILED, "face.png is another one", "--anyway")
    assert not os.path.exists("other.mp4")
    run = ovi("again", "far/clip.mp4", *small, "--anyway", "-o", "other.mp4")
    run.ends(DONE, "warning: The picture")
    assert digest("other.mp4") != before
    run = ovi("again", "far/clip.mp4", *small, "-i", "no.png", "-o", "x.mp4", "--anyway")
    assert "--anyway" not in run.ends(FAILED, "no.png does not exist").err


def test_loras():
    small = model()
    lora("a,b.safetensors", 0.5)
    lora("two.pt", 0.25)
    plain = [*small, *SMALL, "-s", "7"]
    ovi("make", "Rain.", *plain, "-o", "plain.mp4").ends(DONE)
    ovi("make", "Rain.", *plain, "-p", "lora=a\\,b.safetensors:0", "-o", "none.mp4").ends(DONE)
    assert digest("none.mp4") == digest("plain.mp4")
    both = "a\\,b.safetensors:0.75,two.pt"
    ovi("make", "Rain.", *plain, "-p", f"lora={both}", "-o", "clip.mp4").ends(DONE)
    assert digest("clip.mp4") != digest("plain.mp4")
    told = ovi("again", "clip.mp4", "--show", "--json").ends(DONE).json()[0]
    sums = [hashlib.sha256(pathlib.Path(name).read_bytes()).hexdigest()
            for name in ("a,b.safetensors", "two.pt")]  # fmt: skip
    assert told["lora"] == both, told
    assert told["lora-digests"] == " ".join("sha256:" + one for one in sums), told
    ovi("again", "clip.mp4", *small).ends(DONE)
    assert digest("clip-again.mp4") == digest("clip.mp4")
    assert "lora" not in ovi("again", "plain.mp4", "--show").ends(DONE).out

    run = ovi("check", *small, "--device", "cpu", "--lora", both, "--json").ends(DONE).json()
    parts = [part for part in run["model"]["components"] if part["name"] == "LoRA"]
    assert [part["file"] for part in parts] == ["a,b.safetensors", "two.pt"], run
    ovi("check", *small, "--lora", "no.pt").ends(FAILED, "no.pt")
    ovi("check", *small, "--lora", "two.pt:77").ends(USAGE, "-10 to 10")

    lora("two.pt", 0.125)
    run = ovi("again", "clip.mp4", *small, "-o", "x.mp4")
    run.ends(FAILED, "two.pt is another one than", "--anyway")
    ovi("again", "clip.mp4", *small, "-o", "x.mp4", "--anyway").ends(DONE, "warning: The LoRA")
    assert digest("x.mp4") != digest("clip.mp4")
    os.unlink("two.pt")
    ovi("again", "clip.mp4", *small, "-o", "y.mp4").ends(FAILED, "two.pt is not found")
    ovi("make", "Rain.", *plain, "-p", "lora=two.pt", "-o", "y.mp4").ends(FAILED, "two.pt does not")


def test_what_is_not_as_it_was():
    small = model()
    ovi("make", "Rain.", *small, *SMALL, "-o", "clip.mp4").ends(DONE)
    run = ovi("again", "clip.mp4", *small, "-p", "precision=bf16", "-o", "bf16.mp4").ends(DONE)
    assert "the precision is bf16, and was fp32: the clip differs" in run.err, run
    text = pathlib.Path("model/ovi.json").read_text()
    pathlib.Path("model/ovi.json").write_text(text + " ")
    run = ovi("again", "clip.mp4", *small, "-o", "x.mp4").ends(FAILED, "The model's files in model")
    ovi("again", "clip.mp4", *small, "--anyway", "-o", "x.mp4").ends(DONE, "warning: ")
    ovi("again", "clip.mp4", *small, "-i", PICTURE, "-o", "y.mp4").ends(USAGE, "without a picture")
    ovi("again", "clip.mp4", "-m", "no-such", "-o", "y.mp4", "--anyway").ends(FAILED, "no-such")


def test_files_that_do_not_say():
    small = model()
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=0.2", "other.mp4"],
                   check=True)  # fmt: skip
    pathlib.Path("text.mp4").write_text("text")
    pathlib.Path("empty.mp4").write_text("")
    ovi("again", "other.mp4", *small).ends(FAILED, "other.mp4 does not say")
    for name in "text.mp4", "empty.mp4", "no-such.mp4", ".":
        ovi("again", name, *small).ends(FAILED, "error: ")
    os.mkfifo("pipe.mp4")  # nobody writes
    ovi("again", "pipe.mp4", *small).ends(FAILED, "not a regular file")
    os.remove("pipe.mp4")
    ovi("again", *small).ends(USAGE)
    ovi("again", "a", "b", *small).ends(USAGE)
    assert files() == ["empty.mp4", "model", "other.mp4", "text.mp4"]


run_tests(globals())
