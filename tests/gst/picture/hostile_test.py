#!/usr/bin/env python3
"""Pictures that are cut, damaged or made to do harm: ovii2v-picture answers within a second, in
bounded memory, and never dies.

usage: hostile_test.py PROGRAM DATA"""
import io
import os
import pathlib
import random
import resource
import struct
import sys
import tempfile
import zlib

from PIL import Image

import decoder

program, data = sys.argv[1], pathlib.Path(sys.argv[2])
SANITIZED = "OVI_SANITIZED" in os.environ
# Of processor time, whatever else the machine does.
MOST_SECONDS = 20 if SANITIZED else 1
MOST_MIB = 1500
folder = pathlib.Path(tempfile.mkdtemp(prefix="ovii2v-hostile-"))
plain = Image.open(data / "plain.png").convert("RGB")
REFUSED = {decoder.NOT_A_PICTURE, decoder.BROKEN, decoder.TOO_LARGE, decoder.NO_DECODER,
           decoder.NO_MEMORY}
count = 0


def answer(name, content, wanted=None):
    global count
    count += 1
    path = folder / "picture"
    path.write_bytes(content)
    try:
        said = decoder.decode(program, path)
    except Exception:
        keep = pathlib.Path(tempfile.gettempdir()) / f"ovii2v-hostile-{os.getpid()}"
        keep.write_bytes(content)
        print(f"{name}: kept as {keep}", file=sys.stderr)
        raise
    assert said.seconds < MOST_SECONDS, f"{name}: {said.seconds:.1f} s"
    assert wanted is None or said.outcome in wanted, f"{name}: {said.outcome} {said.text}"
    assert said.text.isprintable(), f"{name}: {said.text!r}"
    return said


def encoded(kind, image=plain, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, depth, color, rows, more=b""):
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", rows) +
            chunk(b"IEND", b""))


small = plain.resize((96, 64))
files = {
    "jpeg": encoded("JPEG", small), "progressive": encoded("JPEG", small, progressive=True),
    "png": encoded("PNG", small), "palette": encoded("PNG", small.quantize(9)),
    "gif": encoded("GIF", small.quantize(32)), "webp": encoded("WEBP", small),
    "lossless": encoded("WEBP", small, lossless=True),
    "film": encoded("WEBP", small, save_all=True, append_images=[small.convert("L").convert("RGB")]),
    "bmp": encoded("BMP", small), "tiff": encoded("TIFF", small),
    "lzw": encoded("TIFF", small, compression="tiff_lzw"),
    "deflate": encoded("TIFF", small, compression="tiff_adobe_deflate"),
    "tiff-jpeg": encoded("TIFF", small, compression="jpeg"),
    "arithmetic": (data / "jpeg-arithmetic.jpg").read_bytes(),
    "ycck": (data / "jpeg-cmyk-ycck.jpg").read_bytes(),
    "mp4": (data / "full-range.mp4").read_bytes(),
}
source = folder / "source.png"
small.save(source)
for kind, options in (("avif", ["-A"]), ("heic", [])):
    made = folder / f"a.{kind}"
    if os.spawnvp(os.P_WAIT, "heif-enc", ["heif-enc", *options, str(source), "-o", str(made)]) == 0:
        files[kind] = made.read_bytes()


def cut_and_damaged():
    rng = random.Random(1)
    for kind, whole in files.items():
        slow = kind == "mp4"  # starts GStreamer each time
        for i in range(1, 8 if slow else 40):
            part = whole[:len(whole) * i // (8 if slow else 40)]
            # A film's frame, and a TIFF's directory at its end, may be there all the same.
            said = answer(f"{kind} cut to {len(part)}", part,
                          None if slow else REFUSED | {decoder.PICTURE})
            if i * 2 <= (8 if slow else 40) and not slow:
                assert said.outcome in REFUSED, f"half of a {kind} was taken"
        for _ in range(10 if slow else 150):
            damaged = bytearray(whole)
            for _ in range(rng.randint(1, 8)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            answer(f"{kind} damaged", bytes(damaged))


def bombs():
    zeros = zlib.compress(bytes(1 + 30000 // 8) * 30000, 9)
    answer("png 30000", png(30000, 30000, 1, 0, zeros), {decoder.TOO_LARGE})
    answer("png 2^31", png(2**31 - 1, 1, 1, 0, zeros), {decoder.TOO_LARGE})
    answer("png 2^31 both", png(2**31 - 1, 2**31 - 1, 8, 6, zeros), {decoder.TOO_LARGE})
    answer("png 0", png(0, 0, 8, 2, zeros), {decoder.BROKEN})
    row = zlib.compress(bytes(4))
    text = zlib.compress(b"a" * 300_000_000, 9)
    for kind, key in ((b"zTXt", b"Comment\0\0"), (b"iCCP", b"p\0\0"),
                      (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"),
                      (b"zTXt", b"Raw profile type exif\0\0")):
        answer(f"png {kind} bomb", png(1, 1, 8, 2, row, chunk(kind, key + text)))
    # Each is small enough to be inflated; all of them are not.
    text = zlib.compress(bytes(4_000_000), 9)
    for kind, key in ((b"zTXt", b"a\0\0"), (b"zTXt", b"Raw profile type exif\0\0"),
                      (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0")):
        answer(f"png of {kind} after {kind}", png(1, 1, 8, 2, row, chunk(kind, key + text) * 190), {decoder.PICTURE})
    answer("png of many texts", png(1, 1, 8, 2, row, chunk(b"tEXt", b"a\0b") * 200_000))
    gif = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\0\x3b"
    answer("gif 65535", gif + frame, {decoder.TOO_LARGE})
    beyond = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + b"\x2c" + \
        struct.pack("<HHHHB", 65535, 65535, 1, 1, 0) + b"\x02\x02\x4c\x01\0\x3b"
    answer("gif beyond its screen", beyond, {decoder.TOO_LARGE})
    answer("gif 10000", b"GIF89a" + struct.pack("<HHBBB", 10000, 10000, 0x80, 0, 0) + bytes(6) +
           b"\x2c" + struct.pack("<HHHHB", 0, 0, 10000, 10000, 0) + b"\x02\x02\x4c\x01\0\x3b",
           {decoder.BROKEN})
    answer("gif of extensions", files["gif"][:13] + b"\x21\xfe\x01a\0" * 2_000_000, REFUSED)
    for width, height in ((30000, 30000), (2**31 - 1, 2**31 - 1), (-5, -5), (10000, -(2**31))):
        head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        answer(f"bmp {width}x{height}", b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54) + head +
               bytes(900), {decoder.TOO_LARGE, decoder.BROKEN})
    head = struct.pack("<IiiHHIIiiII", 40, 9000, 9000, 1, 8, 1, 0, 0, 0, 256, 0)
    answer("bmp of runs", b"BM" + struct.pack("<IHHI", 1100, 0, 0, 1078) + head + bytes(1024) +
           b"\xff\x01" * 100 + b"\0\1")
    for size in (30000, 2**31 - 1):
        tags = [(256, 4, 1, size), (257, 4, 1, size), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
                (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, size), (279, 4, 1, 1000)]
        answer(f"tiff {size}", b"II*\0" + struct.pack("<I", 1008) + bytes(1000) +
               struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) +
               bytes(4), {decoder.TOO_LARGE})
    answer("tiff loop", b"II*\0" + struct.pack("<IHHHIII", 8, 1, 256, 4, 1, 10, 8), REFUSED)
    jpeg = files["jpeg"]
    at = jpeg.index(b"\xff\xc0")
    answer("jpeg 65500", jpeg[:at + 5] + struct.pack(">HH", 65500, 65500) + jpeg[at + 9:],
           {decoder.TOO_LARGE})
    # Scan after scan over a large picture.
    big = encoded("JPEG", Image.new("RGB", (6000, 6000)), progressive=True, quality=10)
    last = big.rindex(b"\xff\xda")
    answer("jpeg of scans", big[:-2] + big[last:-2] * 3000 + big[-2:], {decoder.TOO_LARGE,
                                                                        decoder.BROKEN})
    webp = bytearray(files["webp"])
    at = webp.index(b"\x9d\x01\x2a")
    webp[at + 3:at + 7] = struct.pack("<HH", 16383, 16383)
    answer("webp 16383", bytes(webp), {decoder.TOO_LARGE})
    exif = b"II*\0" + struct.pack("<I", 0) + bytes(12)
    answer("exif loop", jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 8 + len(exif)) + b"Exif\0\0" + exif +
           jpeg[2:], {decoder.PICTURE})
    answer("nothing", b"", {decoder.NOT_A_PICTURE})
    answer("noise", random.Random(2).randbytes(100_000), REFUSED)


def references():
    """Nothing that a file names is opened: no playlist, no drawing, no list of parts."""
    secret = folder / "secret.jpg"
    plain.save(secret)
    uri = secret.as_uri()
    for name, content in {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{uri}\n#EXT-X-ENDLIST\n",
        "m3u": f"#EXTM3U\n#EXTINF:1,a\n{uri}\n", "pls": f"[playlist]\nFile1={uri}\n",
        "smil": f'<smil><body><img src="{uri}"/></body></smil>',
        "dash": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{uri}'
                "</BaseURL><Period/></MPD>",
        "concat": f"ffconcat version 1.0\nfile {secret}\n", "uri list": f"{uri}\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg" width="96" height="64"><image href="{uri}"/></svg>',
        "svgz": None, "html": f"<html><img src='{uri}'></html>",
        "xspf": f'<playlist><trackList><track><location>{uri}</location></track></trackList></playlist>',
    }.items():
        if content is None:
            import gzip
            content = gzip.compress(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
        content = content if isinstance(content, bytes) else content.encode()
        answer(name, content, {decoder.NOT_A_PICTURE, decoder.NO_DECODER, decoder.BROKEN})
    for name in ("m3u8-reads-local-jpg.png", "svg-30000.svg", "svg-filter.svg"):
        answer(name, (data / name).read_bytes(), {decoder.NOT_A_PICTURE})
    for name in ("half.gif", "half.tif", "gif-spins-60s.gif"):
        answer(name, (data / name).read_bytes(), {decoder.BROKEN})


for group in (references, bombs, cut_and_damaged):
    group()
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
assert peak < MOST_MIB or SANITIZED, f"{peak} MiB"
print(f"{count} files, at most {peak} MiB")
