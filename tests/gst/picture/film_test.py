#!/usr/bin/env python3
"""First frames of films of many encoders against ffmpeg's own RGB; films that are damaged or over
the budget; and files that are no pictures at all.

usage: film_test.py PROGRAM DATA"""
import bz2
import gzip
import io
import lzma
import math
import os
import pathlib
import random
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

from PIL import Image, ImageChops, ImageStat

import decoder

LEAST_DB = 43
program, data = sys.argv[1], pathlib.Path(sys.argv[2])
folder = pathlib.Path(tempfile.mkdtemp(prefix="ovii2v-films-"))
plain = Image.open(data / "plain.png").convert("RGB")
cases = 0


def ffmpeg(*words):
    return subprocess.run(["ffmpeg", "-v", "error", "-y", *words], check=True, capture_output=True).stdout


def colors(matrix, range_, pixels, *said):
    return ["-vf", f"scale=out_color_matrix={matrix}:out_range={range_},format={pixels}", *said]


X264 = ["-c:v", "libx264", "-qp", "1"]
VP9 = ["-c:v", "libvpx-vp9", "-crf", "2", "-b:v", "0"]
MJPEG = ["-c:v", "mjpeg", "-q:v", "1", "-pix_fmt"]
BT709 = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
FILMS = {
    "x264.mp4": [*X264, "-pix_fmt", "yuv420p"],
    "bt709.mp4": [*X264, *colors("bt709", "tv", "yuv420p", *BT709, "-color_range", "tv")],
    "full601.mp4": [*X264, *colors("bt601", "pc", "yuv420p", "-colorspace", "smpte170m", "-color_range", "pc")],
    "full709.mkv": [*X264, *colors("bt709", "pc", "yuv420p", *BT709, "-color_range", "pc")],
    "x264-422.mkv": [*X264, "-pix_fmt", "yuv422p"],
    "x264-444.mkv": [*X264, "-pix_fmt", "yuv444p"],
    "x264-10.mkv": [*X264, "-pix_fmt", "yuv420p10le"],
    "x264-rgb.mkv": ["-c:v", "libx264rgb", "-qp", "1"],
    "mjpeg-420.avi": [*MJPEG, "yuvj420p"],
    "mjpeg-422.avi": [*MJPEG, "yuvj422p"],
    "mjpeg-444.avi": [*MJPEG, "yuvj444p"],
    "mjpeg-422.mov": [*MJPEG, "yuvj422p"],
    "mjpeg-420.mkv": [*MJPEG, "yuvj420p"],
    "vp8.webm": ["-c:v", "libvpx", "-b:v", "8M", "-qmin", "0", "-qmax", "2"],
    "vp9.webm": [*VP9, "-pix_fmt", "yuv420p"],
    "vp9-444.webm": [*VP9, "-pix_fmt", "yuv444p"],
    "vp9-709.webm": [*VP9, *colors("bt709", "tv", "yuv420p", "-colorspace", "bt709")],
    "theora.ogv": ["-c:v", "libtheora", "-q:v", "10"],
    "mpeg4.avi": ["-c:v", "mpeg4", "-q:v", "1"],
    "mpeg2.ts": ["-c:v", "mpeg2video", "-q:v", "1"],
    "mpeg2.mpg": ["-c:v", "mpeg2video", "-q:v", "1"],
    "raw.avi": ["-c:v", "rawvideo", "-pix_fmt", "yuv420p"],
    "ffv1.mkv": ["-c:v", "ffv1", "-pix_fmt", "yuv420p"],
    "prores.mov": ["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"],
    "flash.flv": ["-c:v", "flv", "-q:v", "1"],
}


def psnr(a, b):
    sums = ImageStat.Stat(ImageChops.difference(a, b)).sum2
    error = sum(sums) / (3 * a.width * a.height)
    return 10 * math.log10(255 * 255 / error) if error else 99


def picture(name, path):
    global cases
    cases += 1
    answer = decoder.decode(program, path)
    assert answer.outcome == decoder.PICTURE, f"{name}: {decoder.NAMES[answer.outcome]}, {answer.text}"
    return Image.frombytes("RGB", (answer.width, answer.height), answer.rgb)


def by_ffmpeg(path):
    return Image.open(io.BytesIO(ffmpeg(
        "-i", str(path), "-frames:v", "1", "-sws_flags", "accurate_rnd+full_chroma_int",
        "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"))).convert("RGB")


def check(name, path, wanted, least):
    got = picture(name, path)
    assert got.size == wanted.size, f"{name}: {got.size}"
    assert psnr(got, wanted) >= least, f"{name}: {psnr(got, wanted):.1f} dB"


def encoders():
    for name, options in FILMS.items():
        path = folder / name
        ffmpeg("-loop", "1", "-r", "24", "-t", "0.3", "-i", str(data / "plain.png"), *options, str(path))
        check(name, path, by_ffmpeg(path), LEAST_DB)
        # And both are the picture that was encoded.
        check(name, path, plain, 36)


def turned():
    """Display matrices: the way ffmpeg and players turn."""
    for degrees in (90, 180, 270):
        path = folder / f"turned-{degrees}.mp4"
        # Set where ffmpeg 6 and later read it, and where 5 does.
        old = ["-i", str(folder / "x264.mp4"), "-c", "copy", "-metadata:s:v", f"rotate={degrees}"]
        new = ["-display_rotation", str(-degrees), "-i", str(folder / "x264.mp4"), "-c", "copy"]
        try:
            ffmpeg(*new, str(path))
        except subprocess.CalledProcessError:
            ffmpeg(*old, str(path))
        shown = by_ffmpeg(path)
        assert shown.size == (plain.size if degrees == 180 else plain.size[::-1]), shown.size
        check(path.name, path, shown, LEAST_DB)


def jpegs_within():
    """Frames that are JPEGs are PIL's: as a file of their own."""
    for sampling in ("yuvj420p", "yuvj422p", "yuvj444p"):
        path = folder / f"mjpeg-{sampling[4:-1]}.avi"
        content = path.read_bytes()
        begin = content.index(b"\xff\xd8\xff")
        end = content.index(b"\xff\xd9", begin) + 2
        check(path.name, path, Image.open(io.BytesIO(content[begin:end])).convert("RGB"), 60)
    # Two fields in each frame, as cards that capture television wrote them.
    woven = plain.resize((192, 128))
    fields = [Image.frombytes("RGB", (192, 64), b"".join(
        woven.tobytes()[576 * y:576 * (y + 1)] for y in range(parity, 128, 2))) for parity in (0, 1)]
    parts = []
    for field in fields:
        out = io.BytesIO()
        field.save(out, "JPEG", quality=97, subsampling=0)
        parts.append(out.getvalue())
    path = folder / "fields.avi"
    path.write_bytes(avi([b"".join(parts)] * 3, 192, 128))
    check("fields", path, woven, 38)


def avi(frames, width, height):
    def chunk(name, content):
        return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    def chunks(kind, *parts):
        return chunk(b"LIST", kind + b"".join(parts))
    main = struct.pack("<14I", 40000, 0, 0, 0x10, len(frames), 0, 1, 1 << 20, width, height, 0, 0, 0, 0)
    stream = b"vidsMJPG" + struct.pack("<IHHIIIIIIIIHHHH", 0, 0, 0, 0, 1, 25, 0, len(frames), 1 << 20, 0, 0,
                                       0, 0, width, height)
    kind = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", width * height * 3, 0, 0, 0, 0)
    header = chunks(b"hdrl", chunk(b"avih", main), chunks(b"strl", chunk(b"strh", stream), chunk(b"strf", kind)))
    movie = chunks(b"movi", *(chunk(b"00dc", frame) for frame in frames))
    index, at = b"", 4
    for frame in frames:
        index += b"00dc" + struct.pack("<III", 0x10, at, len(frame))
        at += 8 + len(frame) + len(frame) % 2
    body = b"AVI " + header + movie + chunk(b"idx1", index)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def answer(content, *options):
    global cases
    cases += 1
    path = folder / "file"
    path.write_bytes(content)
    begin = time.monotonic()
    said = decoder.decode(program, path, *options)
    assert said.text.isprintable() and not said.text.endswith("."), said.text
    return said, time.monotonic() - begin


def damaged():
    """Where nothing is left of a film it is broken, in words; nothing hangs, nothing is "failed"."""
    rng = random.Random(3)
    for name in ("x264.mp4", "mjpeg-422.avi", "x264-422.mkv", "vp8.webm", "theora.ogv", "mpeg2.ts"):
        whole = (folder / name).read_bytes()
        pieces = [whole[:len(whole) * i // 6] for i in range(1, 6)]
        pieces += [whole[:64], whole[:len(whole) // 3] + bytes(len(whole) // 3) + whole[2 * len(whole) // 3:]]
        for _ in range(4):
            spoilt = bytearray(whole)
            for _ in range(30):
                spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
            pieces.append(bytes(spoilt))
        for piece in pieces:
            said, seconds = answer(piece)
            assert said.outcome in (decoder.PICTURE, decoder.BROKEN, decoder.NOT_A_PICTURE,
                                    decoder.NO_DECODER), f"{name}: {said.outcome} {said.text}"
            assert seconds < 8, f"{name}: {seconds:.1f} s"
            if said.outcome == decoder.BROKEN:
                assert "is damaged: " in said.text or said.text.startswith("it "), f"{name}: {said.text}"
    # Its index lies at the end: without that nothing can be found.
    said, _ = answer((folder / "x264.mp4").read_bytes()[:3000])
    assert said.outcome == decoder.BROKEN and "(Quicktime) is damaged: " in said.text, said.text
    said, _ = answer((folder / "mjpeg-422.avi").read_bytes()[:200])
    assert said.outcome == decoder.BROKEN and "(AVI)) is damaged: " in said.text, said.text
    said, _ = answer((folder / "vp8.webm").read_bytes()[:400])
    assert said.outcome == decoder.BROKEN and "WebM" in said.text, said.text
    # Sound alone is no damage.
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.5", "-c:a", "libvorbis", str(folder / "sound.webm"))
    said, _ = answer((folder / "sound.webm").read_bytes())
    assert (said.outcome, said.text) == (decoder.NOT_A_PICTURE, "it is of type audio/webm"), said
    ffmpeg("-i", str(folder / "sound.webm"), str(folder / "sound.avi"))
    said, _ = answer((folder / "sound.avi").read_bytes())
    assert (said.outcome, said.text) == (decoder.NOT_A_PICTURE, "it has no picture in it"), said
    # A decoder that is not there is named, with sound or without.
    os.environ["GST_PLUGIN_FEATURE_RANK"] = "vp8dec:NONE,avdec_vp8:NONE"
    said, _ = answer((folder / "vp8.webm").read_bytes())
    assert said.outcome == decoder.NO_DECODER and "VP8" in said.text and "install" in said.text, said
    ffmpeg("-i", str(folder / "vp8.webm"), "-i", str(folder / "sound.webm"), "-c", "copy", str(folder / "both.webm"))
    said, _ = answer((folder / "both.webm").read_bytes())
    assert said.outcome == decoder.NO_DECODER and "VP8" in said.text and "install" in said.text, said
    del os.environ["GST_PLUGIN_FEATURE_RANK"]


def lost_errors():
    """decodebin drops the error of a demuxer that it is adding, when that is quick: no wait for it."""
    cut = (data / "full-range.mp4").read_bytes()[:3509]
    for _ in range(20):
        said, seconds = answer(cut)
        assert said.outcome == decoder.BROKEN and seconds < 6, (said, seconds)


def nothing_is_left():
    """Neither of GStreamer nor of what it makes its code with."""
    home = folder / "home"
    home.mkdir()
    registry = folder / "registry"
    env = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "XDG_RUNTIME_DIR": str(home),
           "GST_REGISTRY": str(registry)}
    for name in ("x264.mp4", "mjpeg-422.avi", "vp8.webm", "theora.ogv", "prores.mov"):
        with open(folder / name, "rb") as film:
            done = subprocess.run([program], stdin=film, env=env, capture_output=True, timeout=120)
        assert struct.unpack_from("<II", done.stdout)[1] == decoder.PICTURE, name
        assert not list(home.iterdir()), list(home.iterdir())


def budgets():
    whole = (folder / "x264.mp4").read_bytes()
    said, _ = answer(whole, "--most-bytes", "2048")
    assert said.outcome == decoder.TOO_LARGE and "more than the 2 KiB" in said.text, said
    said, _ = answer(whole, "--most-bytes", str(len(whole)))
    assert said.outcome == decoder.PICTURE, said.text
    for name in ("x264.mp4", "mjpeg-422.avi", "vp8.webm", "theora.ogv", "mpeg2.ts", "raw.avi"):
        content = (folder / name).read_bytes()
        most = plain.width * plain.height
        said, _ = answer(content, "--most-pixels", str(most - 1))
        assert said.outcome == decoder.TOO_LARGE and f"{most - 1} pixels" in said.text, f"{name}: {said.text}"
        said, _ = answer(content, "--most-pixels", str(most))
        assert said.outcome == decoder.PICTURE, f"{name}: {said.text}"
    # Time that passes: a film of sound that goes on and on, and a picture that comes late.
    path = folder / "late.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=s=4096x2160:r=1:d=1", "-c:v", "ffv1", "-level", "1", str(path))
    said, seconds = answer(path.read_bytes(), "--seconds", "1")
    assert said.outcome in (decoder.PICTURE, decoder.BROKEN) and seconds < 4, (said.text, seconds)
    said, _ = answer(path.read_bytes(), "--memory-mib", "20")
    assert said.outcome in (decoder.NO_MEMORY, decoder.BROKEN, decoder.NO_DECODER, decoder.FAILED), said.text


def no_pictures():
    """What is of another kind is "not a picture", whatever GStreamer says of it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a.txt", "hello")
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as made:
        made.addfile(tarfile.TarInfo("a"))
    wav = b"RIFF" + struct.pack("<I", 836) + b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"data" + struct.pack("<I", 800) + bytes(800)
    files = {
        "text": b"Hello, this is a text.\n" * 10, "word": b"hi", "utf-8": "Grüße, 世界\n".encode() * 20,
        "latin-1": "Straße und Ärger\n".encode("latin1") * 20, "utf-16": ("hello world\n" * 10).encode("utf-16"),
        "html": b"<!DOCTYPE html><html><head><title>404</title></head><body>Not Found</body></html>",
        "html in capitals": b"<HTML>\n<BODY>x</BODY></HTML>", "xml": b'<?xml version="1.0"?><a/>',
        "json": b'{"error": "not found"}', "css": b"body { color: red }\n", "csv": b"a,b,c\n1,2,3\n",
        "script": b"#!/usr/bin/env python3\nprint(1)\n", "letter": b"From: a@b\nSubject: x\n\nhello\n",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 5\n",
        "pdf": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF", "ps": b"%!PS-Adobe-3.0\n",
        "zip": archive.getvalue(), "tar": tape.getvalue(), "gz": gzip.compress(b"hello" * 100),
        "bz2": bz2.compress(b"hello" * 100), "xz": lzma.compress(b"hello" * 100),
        "program": pathlib.Path("/bin/true").read_bytes(), "wav": wav, "flac": b"fLaC\0\0\0\x22" + bytes(60),
        "mp3": b"ID3\3\0\0\0\0\0\0" + (b"\xff\xfb\x90\0" + bytes(413)) * 20, "midi": b"MThd\0\0\0\6\0\1\0\1\0\x60",
        "subtitles": b"WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n", "more subtitles": b"1\n00:00:01,000 --> 00:00:02,000\nHi\n\n",
        "database": b"SQLite format 3\0" + bytes(200), "font": b"\0\1\0\0\0\x0c\0\x80" + bytes(200),
        "nothing": b"", "a byte": b"a", "zeros": bytes(10000), "noise": random.Random(1).randbytes(10000),
        "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\na.ts\n#EXT-X-ENDLIST\n",
        "drawing": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "layers": b"gimp xcf file\0" + bytes(80),
    }
    for name, content in files.items():
        said, seconds = answer(content)
        assert said.outcome == decoder.NOT_A_PICTURE, f"{name}: {decoder.NAMES[said.outcome]}, {said.text}"
        assert seconds < 6, name
    # Of the kind, and damaged.
    for content in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x10\0\0\0WEBP", b"BM" + bytes(9), b"II*\0",
                    b"\0\0\0\x18ftypmp42" + bytes(40), b"OggS" + bytes(200)):
        said, _ = answer(content)
        assert said.outcome == decoder.BROKEN, f"{content[:9]}: {decoder.NAMES[said.outcome]}, {said.text}"


def no_file():
    """A pipe, a device, nothing: said, with what to give instead."""
    inputs = [{"input": (data / "plain.png").read_bytes()}, {"stdin": open("/dev/zero", "rb")},
              {"stdin": os.open("/", os.O_RDONLY)}, {"stdin": subprocess.DEVNULL}]
    for one in inputs:
        done = subprocess.run([program], **one, capture_output=True, timeout=20)
        assert struct.unpack_from("<II", done.stdout)[1] == decoder.FAILED, done
        assert b"not a regular file (a pipe or a device): give it one" in done.stdout, done
    done = subprocess.run(["sh", "-c", f"{program} <&-"], capture_output=True, timeout=20)
    assert b"cannot be read" in done.stdout, done


for group in (encoders, turned, jpegs_within, damaged, lost_errors, nothing_is_left, budgets, no_pictures, no_file):
    group()
print(f"{cases} films and other files are answered as they should be")
