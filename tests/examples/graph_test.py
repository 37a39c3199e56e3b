# Runs one graph of examples/graphs and looks at what it made: graph_test.py NAME
# SPDX-License-Identifier: Apache-2.0
import os
import pty
import re
import socket
import subprocess
import sys
import threading

import demo
import media

FRAME = 1 / 24


def run_graph(name, model, folder, *arguments, **environment):
    status, said = demo.run(
        [demo.GRAPHS / f"{name}.sh", *arguments],
        folder,
        OVI_MODEL_PATH=model.path,
        SETTINGS=demo.SETTINGS,
        **environment,
    )
    assert status == 0, f"{name}.sh ended with {status}:\n{said}"
    return said


def small(folder):
    """9 frames of 128x128, 6144 samples."""
    return demo.Model(folder / "model", area=128 * 128, video_latents=3, audio_latents=12)


def long(folder):
    """49 frames of 64x64, 32768 samples: two seconds."""
    return demo.Model(folder / "model", area=64 * 64, video_latents=13, audio_latents=64)


# The resolution of timestamps in FLV and Matroska is 1 ms.
def check_picture(path, model, codec, jitter=0.0011):
    stream = media.streams(path)["video"]
    assert stream["codec_name"] == codec, stream["codec_name"]
    assert (stream["width"], stream["height"]) == (model.width, model.height)
    assert int(stream["nb_read_frames"]) == model.frames, stream["nb_read_frames"]
    shown = media.frames(path, model.width, model.height)
    assert len(shown) == model.frames, len(shown)
    original = media.picture(demo.IMAGE, model.width, model.height)
    # The clip begins with the picture and goes on from there: a black, flat, torn or foreign frame
    # is not like the one before it.
    assert media.likeness(shown[0], original) > 0.85, media.likeness(shown[0], original)
    for number in range(1, len(shown)):
        like = media.likeness(shown[number - 1], shown[number])
        assert like > 0.8, f"frame {number}: {like}"
    assert media.difference(shown[0], shown[-1]) > 2, "nothing moves"
    times = media.frame_times(path)
    assert len(times) == model.frames
    assert times == sorted(set(times)), times
    for number, time in enumerate(times):
        assert abs(time - times[0] - number * FRAME) < jitter, f"frame {number} at {time}"


def check_sound(path, model, codec, rate=16000, most_padding=0, channels=1):
    stream = media.streams(path)["audio"]
    assert stream["codec_name"] == codec, stream["codec_name"]
    assert int(stream["sample_rate"]) == rate, stream["sample_rate"]
    assert int(stream["channels"]) == channels
    heard = media.samples(path, channels)
    expected = model.samples * rate // 16000
    for pcm in heard:
        assert expected <= len(pcm) <= expected + most_padding, f"{len(pcm)}, not {expected}"
        assert media.loudness(pcm) > 0.003, media.loudness(pcm)
    return heard


# AAC: a packet of 1024 samples goes ahead (the encoder's delay), and the last one is filled up.
AAC_PADDING = 2 * 1024


# An AAC encoder's delay is 1024 samples: at 48 kHz 21.3 ms. EBU R37 allows 60 ms.
AAC_LATE = 0.025
# Timestamps of 1 ms, and sounds compared in steps of 0.25 ms.
EXACT = 0.0015


def check_together(path, model, folder, most, **environment):
    """What is heard belongs to what is seen at that moment: the sound as the element gives it is
    found again in the file, and where it begins there is held against the first frame's time."""
    late = media.lateness(path, demo.raw_sound(model, folder, **environment))
    assert abs(late) < most, f"sound is {late * 1000:.2f} ms late"


def check_discovered(path, model, *names):
    seconds, text = media.discovered(path)
    assert model.seconds - FRAME < seconds < model.seconds + 0.13, seconds
    for name in names:
        assert name in text, f"{name} not in:\n{text}"
    assert "application name: ovii2vsrc" in text or "encoder: ovii2vsrc" in text, text
    assert "We are ready for launch." in text, text


def mp4(folder):
    # The one test with the demonstration model as it is.
    model = demo.Model(folder / "model", area=256 * 256, video_latents=13, audio_latents=64)
    said = run_graph("mp4", model, folder)
    assert "Made ovi.mp4" in said
    made = folder / "ovi.mp4"
    check_picture(made, model, "h264")
    check_sound(made, model, "aac", rate=48000, most_padding=AAC_PADDING)
    check_together(made, model, folder, most=AAC_LATE)
    check_discovered(made, model, "video/quicktime", "video/x-h264", "audio/mpeg")
    data = made.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "does not play while it downloads"


def mkv(folder):
    model = small(folder)
    prompt = 'She\'s "on air" (a\\b) ! says:\n<S>We are ready for launch.<E>'
    run_graph("mkv", model, folder, "lossless.mkv", PROMPT=prompt)
    made = folder / "lossless.mkv"
    check_picture(made, model, "h264")
    (heard,) = check_sound(made, model, "flac")
    check_together(made, model, folder, most=EXACT, PROMPT=prompt)
    check_discovered(made, model, "video/x-matroska", "video/x-h264", "audio/x-flac", "seed=103")
    assert f"title: {prompt}\n" in media.discovered(made)[1], media.discovered(made)[1]
    # The same clip again, without any codec: FLAC lost nothing.
    assert demo.raw_sound(model, folder, PROMPT=prompt).read_bytes() == heard.tobytes()


def webm(folder):
    model = small(folder)
    run_graph("webm", model, folder)
    check_picture(folder / "ovi.webm", model, "vp8")
    # Opus always decodes to 48 kHz; its last packet of 20 ms is filled up.
    check_sound(folder / "ovi.webm", model, "opus", rate=48000, most_padding=2 * 960)
    check_together(folder / "ovi.webm", model, folder, most=EXACT)
    check_discovered(folder / "ovi.webm", model, "video/webm", "video/x-vp8", "audio/x-opus")


def hls(folder):
    model = long(folder)
    run_graph("hls", model, folder, "stream")
    playlist = folder / "stream" / "playlist.m3u8"
    lines = playlist.read_text().split()
    assert lines[0] == "#EXTM3U" and lines[-1] == "#EXT-X-ENDLIST", lines
    lengths = [float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:")]
    names = [line for line in lines if not line.startswith("#")]
    assert len(names) == len(lengths) >= 2, lines
    # hlssink does not count the duration of the last frame.
    assert abs(sum(lengths) - model.seconds) < FRAME + 0.001, lengths
    (target,) = [int(line.split(":")[1]) for line in lines if "TARGETDURATION" in line]
    assert all(round(length) <= target for length in lengths), (target, lengths)
    shown = 0
    for name in names:
        segment = folder / "stream" / name
        shown += int(media.streams(segment)["video"]["nb_read_frames"])
        # Each can be shown without the ones before it.
        first = media.said_by(
            "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
            "packet=flags", "-of", "csv=p=0", segment,
        ).split()[0]  # fmt: skip
        assert first.startswith(b"K"), f"{name} begins with {first}"
    assert shown == model.frames, shown
    assert len(media.frames(playlist, model.width, model.height)) == model.frames
    check_sound(playlist, model, "aac", rate=48000, most_padding=AAC_PADDING)
    check_together(playlist, model, folder, most=AAC_LATE)


def srt(folder):
    model = long(folder)
    run_graph("srt", model, folder, PORT=demo.free_ports(socket.SOCK_DGRAM, 1))
    check_picture(folder / "ovi-srt.ts", model, "h264")
    check_sound(folder / "ovi-srt.ts", model, "aac", rate=48000, most_padding=AAC_PADDING)
    check_together(folder / "ovi-srt.ts", model, folder, most=AAC_LATE)


def rtmp(folder):
    model = long(folder)
    # FFmpeg's server leaves out part of an answer that rtmp2sink then asks for; it says so as a
    # critical message and goes on. Nothing else may be said that way.
    port = demo.free_ports(socket.SOCK_STREAM, 1)
    said = run_graph("rtmp", model, folder, PORT=port, G_DEBUG="")
    critical = [line for line in said.splitlines() if "CRITICAL" in line]
    assert all("gst_amf_node_get_type" in line for line in critical), critical
    assert "Input/output error" not in said, said
    check_picture(folder / "ovi-rtmp.flv", model, "h264")
    check_sound(folder / "ovi-rtmp.flv", model, "aac", rate=48000, most_padding=AAC_PADDING)
    check_together(folder / "ovi-rtmp.flv", model, folder, most=AAC_LATE)


def rtp(folder):
    model = long(folder)
    run_graph("rtp", model, folder, PORT=demo.free_ports(socket.SOCK_DGRAM, 4))
    # An RTP receiver follows the times of arrival, and so the load of this machine.
    check_picture(folder / "ovi-rtp.mkv", model, "h264", jitter=0.5)
    check_sound(folder / "ovi-rtp.mkv", model, "flac")
    check_together(folder / "ovi-rtp.mkv", model, folder, most=0.5)
    # Not when the receiver began to listen.
    begins = [float(stream["start_time"]) for stream in media.streams(folder / "ovi-rtp.mkv").values()]
    assert min(begins) == 0 and max(begins) < 0.5, begins


def compositor(folder):
    model = small(folder)
    side = model.width
    run_graph("compositor", model, folder, WIDTH=side, HEIGHT=side)
    made = folder / "ovi-pair.mp4"
    video = media.streams(made)["video"]
    assert (video["width"], video["height"]) == (2 * side, side)
    original = media.picture(demo.IMAGE, side, side)
    shown = media.frames(made, 2 * side, side)
    assert len(shown) == model.frames, len(shown)
    for number, frame in enumerate(shown):
        left = media.crop(frame, 2 * side, 0, side)
        right = media.crop(frame, 2 * side, side, 2 * side)
        assert media.likeness(left, original) > 0.5, f"left half of frame {number}"
        assert media.likeness(right, original) > 0.5, f"right half of frame {number}"
    # The last frames, where the clips have gone their own ways.
    assert media.difference(left, right) > 2, media.difference(left, right)
    # The mixer hands out blocks of 10 ms.
    padding = AAC_PADDING + 480
    left, right = check_sound(made, model, "aac", rate=48000, most_padding=padding, channels=2)
    apart = [a - b for a, b in zip(left, right)]
    assert media.loudness(apart) > 0.2 * media.loudness(left), "both sides sound alike"
    for channel, seed in enumerate((103, 104)):
        late = media.lateness(made, demo.raw_sound(model, folder, seed), channel, channels=2)
        assert abs(late) < AAC_LATE, f"channel {channel} is {late * 1000:.2f} ms late"


def launch_line(file):
    """The one gst-launch-1.0 of a file, with the lines that belong to it."""
    text = (demo.SOURCE / file).read_text()
    (line,) = re.findall(r"^ *(gst-launch-1\.0 (?:.*\\\n)+.*)$", text, re.MULTILINE)
    return line


def lines(folder):
    """The first lines a user sees, as they stand; exchanged are model, picture and settings."""
    model = small(folder)
    prompt = re.search(r'prompt="([^"]+)"', launch_line("README.md"))[1]
    for file, seed in (("README.md", 5), ("examples/quickstart.sh", 103)):
        line = launch_line(file)
        line = re.sub(r"(?<=image=)\S+", str(demo.IMAGE), line)
        settings = f"model-path={model.path} seed={seed} {demo.SETTINGS}"
        line = line.replace("model-path=ckpts", settings)
        given = f"model={model.path} out=clip.mp4 settings=({demo.SETTINGS})\n"
        plugin = f"{os.environ['BUILD']}/gst"
        status, said = demo.run(["bash", "-euc", given + line], folder, GST_PLUGIN_PATH=plugin)
        assert status == 0, f"{line}\n{said}"
        made = folder / "clip.mp4"
        check_picture(made, model, "h264")
        check_sound(made, model, "aac", rate=48000, most_padding=AAC_PADDING)
        wanted = prompt if file == "README.md" else ""  # as everywhere in the examples
        check_together(made, model, folder, most=AAC_LATE, seed=seed, PROMPT=wanted)
        made.unlink()


def messages(_):
    """What the page of errors says can be searched for: its words are those of the source."""
    page = (demo.SOURCE / "docs" / "errors.md").read_text()
    table = page.split("\n| message |")[1].split("\n\n")[0].splitlines()[2:]
    assert len(table) >= 5, table
    sources = [path for room in ("engine", "gst") for path in (demo.SOURCE / room).rglob("*.cpp")]
    # Literals as the compiler joins them.
    source = "".join(re.sub(r'"\s*\n\s*"', "", path.read_text()) for path in sources)
    for row in table:
        quoted = re.findall(r'"([^"]+)"', row.split("|")[1])
        assert quoted, row
        for message in quoted:
            for part in message.split("..."):
                assert part in source, f'nothing says "{part}" of "{message}"'


def thumbnails(folder):
    model = long(folder)
    said = run_graph("thumbnails", model, folder, "stills", RATE="4/1")
    made = sorted((folder / "stills").glob("*.jpg"))
    # 49 frames: at 0, 1/4, ... 2 s.
    assert f"Made {len(made)} pictures" in said and 8 <= len(made) <= 9, made
    for still in made:
        what = media.said_by(
            "ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height",
            "-of", "csv=p=0", still,
        ).decode().strip()  # fmt: skip
        assert what == f"mjpeg,{model.width},{model.height}", what
    original = media.picture(demo.IMAGE, model.width, model.height)
    (first,) = media.frames(made[0], model.width, model.height)
    assert media.likeness(first, original) > 0.8, media.likeness(first, original)


def nvenc(folder):
    """Without a GPU it says so, and makes nothing."""
    model = small(folder)
    said = run_graph("nvenc", model, folder)
    made = folder / "ovi-nvenc.mp4"
    if "Made" in said:
        check_picture(made, model, "h264")
        check_sound(made, model, "aac", rate=48000, most_padding=AAC_PADDING)
    else:
        assert said.startswith("Skipped: there is no NVENC here"), said
        assert not made.exists()


def picture_in_picture(folder):
    model = small(folder)
    wide, high = 320, 192
    run_graph(
        "picture-in-picture", model, folder, WIDTH=wide, HEIGHT=high,
        CAMERA="videotestsrc is-live=true pattern=blue num-buffers=240",
    )  # fmt: skip
    made = folder / "ovi-camera.mkv"
    video = media.streams(made)["video"]
    assert (video["width"], video["height"]) == (wide, high), video
    shown = media.frames(made, wide, high)
    # The camera alone, then with the clip in its corner.
    changes = [number for number, frame in enumerate(shown) if media.difference(shown[0], frame) > 2]
    assert changes and changes[0] > 0, "the clip was never seen"
    assert len(changes) >= model.frames, changes
    (heard,) = media.samples(made, 1)
    assert media.loudness(heard) > 0.001, media.loudness(heard)


def prompts(folder):
    """What is typed at a terminal while clips are made is shown; what is no prompt, or a bad one, is
    told and left; Ctrl-D is the end."""
    model = small(folder)
    environment = {**os.environ, "OVI_MODEL_PATH": str(model.path)}
    ours, theirs = pty.openpty()
    told = open(folder / "told.txt", "w+")
    with subprocess.Popen(
        [demo.GRAPHS / "prompts.py", "--image", demo.IMAGE, "--settings", demo.SETTINGS,
         "--prompt", "One. Audio: rain", "--video", "fakesink", "--audio", "fakesink"],
        stdin=theirs, stdout=subprocess.PIPE, stderr=told, text=True, env=environment,
    ) as channel:  # fmt: skip
        os.close(theirs)
        watchdog = threading.Timer(200, channel.kill)
        watchdog.start()
        try:
            for typed, shown in (
                (b"", "One. Audio: rain"),
                (b"\n   \nTwo <S>hm<E>. Audio: wind\n", "Two <S>hm<E>. Audio: wind"),
                # Not UTF-8, and letters that a terminal does not show.
                (b"Caf\xe9. \x07Audio: \x1b[31mcups\n", "Caf\ufffd. Audio: [31mcups"),
                # Nobody stops speaking.
                (b"Four <S>never ends. Audio: hum\n", "Four <S>never ends. Audio: hum"),
                # Nothing to be seen or heard: the last good prompt goes on, and then the next.
                (b"<S><E>\n", None),
                (b"Five. Audio: bells\n", "Five. Audio: bells"),
            ):
                os.write(ours, typed)
                while shown and (line := channel.stdout.readline()) != f"Now: {shown}\n":
                    assert "<S><E>" in line, (line, shown)
            os.write(ours, b"\x04")
            assert channel.wait(60) == 0
        finally:
            watchdog.cancel()
            channel.kill()
            os.close(ours)
    told.seek(0)
    said = told.read()
    assert "Traceback" not in said and "Error:" not in said, said
    assert re.search("Warning: .*<S>", said), said


def help(folder):
    """What it does, its variables and an example."""
    for path in sorted(demo.GRAPHS.glob("*.sh")):
        if path.stem in ("defaults", "receiver"):
            continue
        status, said = demo.run([path, "--help"], folder)
        assert status == 0, f"{path.name}:\n{said}"
        assert f"examples/graphs/{path.name}" in said and "OVI_MODEL_PATH" in said, said
        assert "set -euo" not in said and "SPDX" not in said, said
        assert not list(folder.iterdir()), f"{path.name} --help made something"
    for name in ("prompts.py", "rtsp.py"):
        status, said = demo.run([demo.GRAPHS / name, "--help"], folder)
        assert status == 0 and "--image" in said and "Example" in said, said


def errors(folder):
    """A graph that cannot start ends at once, also where a receiver waits for it."""
    model = small(folder)
    names = sorted(path.stem for path in demo.GRAPHS.glob("*.sh"))
    for name in names:
        # Without a GPU one of them does not even start.
        if name in ("defaults", "receiver", "nvenc"):
            continue
        for wrong, message in (
            ({"PROMPT": " "}, "There is no prompt"),
            ({"IMAGE": "/nonexistent/face.png"}, "/nonexistent/face.png does not exist"),
        ):
            status, said = demo.run(
                [demo.GRAPHS / f"{name}.sh"],
                folder,
                timeout=60,
                OVI_MODEL_PATH=model.path,
                PORT=demo.free_ports(socket.SOCK_STREAM, 4),
                CAMERA="videotestsrc is-live=true",
                # rtmp2sink may get as far as its own critical message: see rtmp().
                **({"G_DEBUG": ""} if name == "rtmp" else {}),
                **wrong,
            )
            critical = [line for line in said.splitlines() if "CRITICAL" in line]
            assert all("gst_amf_node_get_type" in line for line in critical), critical
            assert status != 0, f"{name}.sh ended well:\n{said}"
            assert message in said, f"{name}.sh:\n{said}"


if __name__ == "__main__":
    name = sys.argv[1]
    with demo.work_folder(name) as work:
        globals()[name](work)
