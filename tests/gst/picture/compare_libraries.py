#!/usr/bin/env python3
"""The pictures of pil_test.py, read by other libraries: how many they show as PIL does. For
docs/pictures.md; takes python3-pil, python3-gi, gir1.2-gdkpixbuf-2.0 and libvips-tools.

usage: compare_libraries.py PROGRAM DATA"""
import collections
import pathlib
import subprocess
import sys
import tempfile
import time

from PIL import Image

import decoder

here = pathlib.Path(__file__).parent
source = (here / "pil_test.py").read_text().rpartition("\nfor group in")[0]
pil_test = {"__name__": "pil_test"}
exec(compile(source, "pil_test.py", "exec"), pil_test)
work = pathlib.Path(tempfile.mkdtemp(prefix="ovii2v-compared-"))


def ours(path):
    answer = decoder.decode(sys.argv[1], path)
    if answer.outcome != decoder.PICTURE:
        raise ValueError(answer.text)
    return Image.frombytes("RGB", (answer.width, answer.height), answer.rgb)


def vips(path):
    done = subprocess.run(["vipsthumbnail", "-s", "100000x100000>", path, "-o", work / "a.png[compression=0]"],
                          capture_output=True, text=True, timeout=60)
    if done.returncode or done.stderr:
        raise ValueError(done.stderr)
    return Image.open(work / "a.png").convert("RGB")


def gdk_pixbuf(path):
    import gi
    gi.require_version("GdkPixbuf", "2.0")
    from gi.repository import GdkPixbuf, GLib
    try:
        pixbuf = GdkPixbuf.Pixbuf.new_from_file(str(path)).apply_embedded_orientation()
    except GLib.Error as error:
        raise ValueError(error.message) from error
    mode = "RGBA" if pixbuf.get_has_alpha() else "RGB"
    return Image.frombytes(mode, (pixbuf.get_width(), pixbuf.get_height()), pixbuf.get_pixels(), "raw", mode,
                           pixbuf.get_rowstride()).convert("RGB")


READERS = {"ovii2v-picture": ours, "libvips": vips, "gdk-pixbuf": gdk_pixbuf}
right, wrong, refused, seconds = (collections.Counter() for _ in range(4))
kinds = collections.defaultdict(collections.Counter)
count = 0


def check(name, path, wanted, least=pil_test["LEAST_DB"]):
    global count
    count += 1
    for reader, read in READERS.items():
        begin = time.monotonic()
        try:
            seen = read(path)
        except (ValueError, OSError):
            refused[reader] += 1
            kinds[reader][pathlib.Path(path).suffix + " refused"] += 1
            continue
        finally:
            seconds[reader] += time.monotonic() - begin
        if seen.size == wanted.size and pil_test["psnr"](seen, wanted) >= least:
            right[reader] += 1
        else:
            wrong[reader] += 1
            kinds[reader][pathlib.Path(path).suffix + " otherwise"] += 1


pil_test["check"] = check
for group in ("jpegs", "pngs", "webps_and_gifs", "bmps", "tiffs", "heifs", "orientations"):
    pil_test[group]()
print(f"{count} pictures")
for reader in READERS:
    print(f"{reader}: {right[reader]} as PIL, {wrong[reader]} otherwise, {refused[reader]} refused;",
          dict(kinds[reader].most_common()))
