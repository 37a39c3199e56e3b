#!/usr/bin/env python3
"""TIFFs of every depth, sign and order of samples: decoded as PIL has them, or as the samples'
own scale says, or refused with a word on what they are.

usage: tiff_test.py PROGRAM DATA"""
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

from PIL import Image, ImageChops, ImageCms, ImageStat

import decoder

program, data = sys.argv[1], pathlib.Path(sys.argv[2])
folder = pathlib.Path(tempfile.mkdtemp(prefix="ovii2v-tiffs-"))
plain = Image.open(data / "plain.png").convert("RGB").resize((53, 37))
grey = plain.convert("L")
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
WHITE_IS_0, BLACK_IS_0, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
cases = 0


def tiff(samples, bits, kind=UNSIGNED, colors=BLACK_IS_0, extra=(), planar=False, order="<",
         tags=None, compression=1, tile=None):
    """A file of `samples`: a list of planes (lists of numbers), one for each sample of a pixel."""
    width, height = plain.size
    count = len(samples)

    def packed(rows):
        if bits in (8, 16, 32, 64):
            letter = {8: "b" if kind == SIGNED else "B", 16: {1: "H", 2: "h", 3: "e"}[kind],
                      32: {1: "I", 2: "i", 3: "f"}[kind], 64: {1: "Q", 2: "q", 3: "d"}[kind]}[bits]
            return b"".join(struct.pack(f"{order}{len(row)}{letter}", *row) for row in rows)
        out = b""
        for row in rows:
            value = 0
            for one in row:
                value = value << bits | one
            pad = -len(row) * bits % 8
            out += (value << pad).to_bytes((len(row) * bits + pad) // 8, "big")
        return out

    rows = [[plane[y * width:(y + 1) * width] for y in range(height)] for plane in samples]
    planes_of_rows = rows if planar else [
        [[v for pixel in zip(*(plane[y] for plane in rows)) for v in pixel] for y in range(height)]]
    if tile:
        step, (wide, high) = 1 if planar else count, tile
        none = [0] * wide * step
        strips = [packed([(plane[y][x * step:(x + wide) * step] if y < height else none + none)[:len(none)] +
                          none[:max(0, x + wide - width) * step if y < height else 0]
                          for y in range(top, top + high)])
                  for plane in planes_of_rows for top in range(0, height, high)
                  for x in range(0, width, wide)]
    else:
        strips = [packed(plane) for plane in planes_of_rows]
    fields = {256: ("I", [width]), 257: ("I", [height]), 258: ("H", [bits] * count),
              259: ("H", [compression]), 262: ("H", [colors]), 277: ("H", [count]),
              278: ("I", [height]), 284: ("H", [2 if planar else 1])}
    if kind != UNSIGNED:
        fields[339] = ("H", [kind] * count)
    if extra:
        fields[338] = ("H", list(extra))
    body = bytearray(8)
    offsets = []
    for strip in strips:
        offsets.append(len(body))
        body += strip + bytes(len(strip) % 2)
    fields[324 if tile else 273] = ("I", offsets)
    fields[325 if tile else 279] = ("I", [len(strip) for strip in strips])
    if tile:
        del fields[278]
        fields.update({322: ("I", [tile[0]]), 323: ("I", [tile[1]])})
    fields.update(tags or {})
    entries = b""
    for tag in sorted(fields):
        letter, values = fields[tag]
        raw = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(raw) > 4:
            at = len(body)
            body += raw
            raw = struct.pack(order + "I", at)
        entries += struct.pack(order + "HHI", tag, {"H": 3, "I": 4}[letter], len(values)) + raw.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", len(body))
    return head + body[8:] + struct.pack(order + "H", len(fields)) + entries + bytes(4)


def psnr(a, b):
    sums = ImageStat.Stat(ImageChops.difference(a, b)).sum2
    error = sum(sums) / (3 * a.width * a.height)
    return 10 * math.log10(255 * 255 / error) if error else 99


def said(content):
    path = folder / "a.tif"
    path.write_bytes(content)
    return decoder.decode(program, path), path


def check(name, content, wanted=None, least=48):
    """Against PIL's own reading where nothing is `wanted`."""
    global cases
    cases += 1
    answer, path = said(content)
    wanted = wanted or Image.open(path).convert("RGB")
    assert answer.outcome == decoder.PICTURE, f"{name}: {answer.text}"
    assert (answer.width, answer.height) == wanted.size, name
    got = Image.frombytes("RGB", wanted.size, answer.rgb)
    assert psnr(got, wanted) >= least, f"{name}: {psnr(got, wanted):.1f} dB"


def refused(name, content, *parts):
    global cases
    cases += 1
    answer, _ = said(content)
    assert answer.outcome == decoder.NO_DECODER, f"{name}: {answer.outcome} {answer.text}"
    for part in (*parts, "save it with"):
        assert part in answer.text, f"{name}: {answer.text}"


def planes(image, scale=lambda v: v):
    return [[scale(v) for v in band.tobytes()] for band in image.split()]


def deepened(image, bits):
    """Samples of `bits` whose upper 8 are the picture's."""
    return planes(image, lambda v: v << (bits - 8) | 77 & ((1 << (bits - 8)) - 1))


def dim(image, bits):
    return image.point([(v >> (8 - bits)) * 255 // ((1 << bits) - 1) for v in range(256)] *
                       len(image.getbands()))


def depths():
    alpha = Image.linear_gradient("L").resize(plain.size)
    for order in "<>":
        for planar in (False, True):
            for bits in (1, 2, 3, 4, 5, 6, 7):
                few = planes(plain, lambda v: v >> (8 - bits))
                check(f"{bits} RGB", tiff(few, bits, colors=RGB, planar=planar, order=order),
                      dim(plain, bits))
                few = planes(grey, lambda v: v >> (8 - bits))
                check(f"{bits} grey", tiff(few, bits, order=order), dim(grey, bits).convert("RGB"))
                check(f"{bits} grey, alpha", tiff(few * 2, bits, extra=[2], planar=planar, order=order),
                      dim(grey, bits).convert("RGB"))
            for bits in (8, 9, 10, 12, 14, 16):
                check(f"{bits} RGB", tiff(deepened(plain, bits), bits, colors=RGB, planar=planar,
                                          order=order), plain)
                check(f"{bits} RGBA", tiff(deepened(plain, bits) + deepened(alpha, bits), bits, colors=RGB,
                                           extra=[2], planar=planar, order=order), plain)
                check(f"{bits} CMYK", tiff(deepened(plain.convert("CMYK"), bits), bits, colors=CMYK,
                                           planar=planar, order=order), plain)
                deep = deepened(grey, bits)
                check(f"{bits} grey", tiff(deep, bits, order=order), grey.convert("RGB"))
                white = [[(1 << bits) - 1 - v for v in deep[0]]]
                check(f"{bits} white is 0", tiff(white, bits, colors=WHITE_IS_0, order=order),
                      grey.convert("RGB"))
                check(f"{bits} grey, alpha", tiff(deep + deepened(alpha, bits), bits, extra=[2],
                                                  planar=planar, order=order), grey.convert("RGB"))
    palette = {320: ("H", [257 * (i * 7 % 256) for i in range(768)])}
    check("palette", tiff(planes(grey), 8, colors=PALETTE, tags=palette))
    check("palette with alpha", tiff(planes(grey) * 2, 8, colors=PALETTE, extra=[2], tags=palette))


def as_they_are():
    """No tag says what white is: PIL's values, where they are any."""
    for order in "<>":
        for kind, bits in ((UNSIGNED, 32), (SIGNED, 16), (SIGNED, 32), (FLOAT, 16), (FLOAT, 32),
                           (FLOAT, 64)):
            # What PIL does not read of that is the same file as one that it reads.
            known = order == "<" and bits == 32
            for planar in (False, True):
                check(f"{bits} {kind} RGB", tiff(planes(plain), bits, kind, RGB, planar=planar, order=order),
                      plain)
            check(f"{bits} {kind}", tiff(planes(grey), bits, kind, order=order),
                  None if known else grey.convert("RGB"))
    fractions = [[v + 0.7 if v < 255 else 255.4 for v in grey.tobytes()]]
    check("fractions", tiff(fractions, 32, FLOAT))
    check("a little below 0", tiff([[v - 0.5 for v in grey.tobytes()]], 32, FLOAT))
    check("black", tiff([[0] * len(grey.tobytes())], 32, FLOAT))


def refusals():
    middle = [[v / 255 for v in grey.tobytes()]]
    for bits in (16, 32, 64):
        refused("0 to 1", tiff(middle, bits, FLOAT), f"{bits}-bit floating-point samples, 1 a pixel (grey)",
                "none above 0.94", "0 to 255")
    refused("no number", tiff([[math.nan] * 2000], 32, FLOAT), "one of them nan")
    refused("endless", tiff([[math.inf] * 2000], 16, FLOAT), "one of them inf")
    refused("beyond", tiff([[70000] * 2000], 32), "32-bit samples", "one of them 70000")
    refused("below", tiff([[-300] * 2000], 16, SIGNED), "16-bit signed samples", "one of them -300")
    refused("8 signed", tiff([[-3] * 2000], 8, SIGNED), "8-bit signed samples, 1 a pixel (grey)")
    refused("64", tiff([[3] * 2000], 64), "64-bit samples")
    refused("24", tiff([[3] * 2000], 24), "24-bit samples")
    refused("complex", tiff([[3] * 2000], 32, tags={339: ("H", [5])}), "32-bit complex samples")
    refused("palette of 16", tiff(planes(grey), 16, colors=PALETTE,
                                  tags={320: ("H", [7] * 3 * 65536)}), "(palette)")
    refused("ITU Lab", tiff(planes(plain), 8, colors=10), "(Lab)")
    refused("RGB of 2", tiff(planes(plain)[:2], 8, colors=RGB), "2 a pixel (RGB)")
    for number, name in ((50002, "50002"), (34712, "34712"), (7777, "7777")):
        refused(name, tiff(planes(plain), 8, colors=RGB, compression=number), "compression", name)


def others():
    lab = ImageCms.profileToProfile(plain, ImageCms.createProfile("sRGB"),
                                    ImageCms.createProfile("LAB"), outputMode="LAB")
    raw = lab.tobytes()
    channels = [list(raw[i::3]) for i in range(3)]
    check("Lab", tiff(channels, 8, colors=LAB), least=42)
    check("Lab", tiff(channels, 8, colors=LAB), plain, 42)
    check("Lab apart", tiff(channels, 8, colors=LAB, planar=True), plain, 42)
    wide = [[v << 8 for v in plane] for plane in channels]
    check("Lab of 16 bits", tiff(wide, 16, colors=LAB), plain, 42)
    icc = [channels[0], *([v ^ 128 for v in plane] for plane in channels[1:])]
    check("ICC Lab", tiff(icc, 8, colors=9), plain, 42)
    vivid = [[150] * 1961, [100] * 1961, [200] * 1961]  # outside of sRGB
    assert said(tiff(vivid, 8, colors=LAB))[0].outcome == decoder.PICTURE
    ycc = planes(plain.convert("YCbCr"))
    check("YCbCr", tiff(ycc, 8, colors=YCBCR, tags={530: ("H", [1, 1])}), plain, 40)
    # Colours that were multiplied with their alpha: what they were before, as PIL has them.
    alpha = Image.linear_gradient("L").resize(plain.size).point(lambda v: v // 2 + 128)
    multiplied = [[c * a // 255 for c, a in zip(plane, alpha.tobytes())] for plane in planes(plain)]
    content = tiff(multiplied + planes(alpha), 8, colors=RGB, extra=[1])
    check("multiplied", content)
    check("multiplied", content, plain, 40)
    check("multiplied, 16", tiff([[v * 257 for v in plane] for plane in multiplied + planes(alpha)], 16,
                                 colors=RGB, extra=[1]), plain, 40)
    nothing = tiff(planes(plain) + [[0] * 2000], 8, colors=RGB, extra=[1])
    check("multiplied with nothing", nothing)
    # Of several pages the first.
    plain.save(folder / "pages.tif", save_all=True, append_images=[grey, plain.rotate(180)])
    check("pages", (folder / "pages.tif").read_bytes(), plain)
    # Tiles and strips of samples that are read here; the tool makes no tiles of such.
    for planar in (False, True):
        for tile in ((16, 16), (32, 16), (16, 48), (64, 64)):
            for bits, kind in ((12, UNSIGNED), (4, UNSIGNED), (32, FLOAT), (16, SIGNED), (32, UNSIGNED)):
                few = planes(plain, lambda v: v >> 4) if bits == 4 else \
                    deepened(plain, bits) if bits == 12 else planes(plain)
                check(f"tiles {tile} of {bits}", tiff(few, bits, kind, RGB, planar=planar, tile=tile),
                      dim(plain, 4) if bits == 4 else plain)
        for bits in (12, 32):
            content = tiff(deepened(plain, 12) if bits == 12 else planes(plain), bits,
                           FLOAT if bits == 32 else UNSIGNED, RGB, planar=planar)
            (folder / "from.tif").write_bytes(content)
            for options in (["-r", "5"], ["-c", "lzw"], ["-c", "zip", "-r", "7"], ["-B"], ["-8"]):
                subprocess.run(["tiffcp", *options, folder / "from.tif", folder / "to.tif"], check=True)
                check(f"{bits} {options}", (folder / "to.tif").read_bytes(), plain)
    # JPEG within: of a few strips, of tiles, and the old way that libtiff reads as well.
    (folder / "from.tif").write_bytes(tiff(planes(plain), 8, colors=RGB))
    for options in (["-c", "jpeg:95"], ["-c", "jpeg:r:95"], ["-c", "jpeg:95", "-r", "16"],
                    ["-c", "jpeg:95", "-t", "-w", "32", "-l", "32"]):
        subprocess.run(["tiffcp", *options, folder / "from.tif", folder / "to.tif"], check=True)
        check(f"JPEG {options}", (folder / "to.tif").read_bytes(), least=45)
    old_jpeg()


def old_jpeg():
    jpeg = folder / "old.jpg"
    plain.save(jpeg, quality=95, subsampling=0)
    stream = jpeg.read_bytes()
    fields = [(256, 4, plain.width), (257, 4, plain.height), (258, 3, 8), (259, 3, 6), (262, 3, YCBCR),
              (273, 4, 0), (277, 3, 3), (278, 4, plain.height), (279, 4, len(stream)), (512, 3, 1),
              (513, 4, 0), (514, 4, len(stream)), (530, 3, 1 | 1 << 16)]
    at = 8 + 2 + 12 * len(fields) + 4 + 6
    entries = b""
    for tag, kind, value in fields:
        if tag == 258:
            entries += struct.pack("<HHII", tag, 3, 3, at - 6)
            continue
        value = at if tag in (273, 513) else value
        entries += struct.pack("<HHII", tag, kind, 2 if tag == 530 else 1, value)
    check("old JPEG", b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4) +
          struct.pack("<HHH", 8, 8, 8) + stream, Image.open(jpeg).convert("RGB"), 40)


def damaged():
    """Cut short, or with sizes that lie: no picture, and no memory for what is not there."""
    whole = tiff(planes(plain), 32, FLOAT, RGB)
    # The directory stays, the strip begins where not all of it can follow.
    (at,) = struct.unpack_from("<I", whole, 4)
    cut = bytearray(whole)
    for entry in range(struct.unpack_from("<H", whole, at)[0]):
        place = at + 2 + 12 * entry
        if struct.unpack_from("<H", whole, place)[0] == 273:
            struct.pack_into("<I", cut, place + 8, len(whole) - 1000)
    answer, _ = said(bytes(cut))
    assert answer.outcome == decoder.BROKEN, answer.outcome
    for tags, outcomes in (({256: ("I", [10000]), 257: ("I", [9000]), 278: ("I", [9000])},
                            {decoder.BROKEN, decoder.NO_MEMORY}),
                           ({322: ("I", [2**31]), 323: ("I", [2**31]), 324: ("I", [8]), 325: ("I", [8])},
                            {decoder.BROKEN, decoder.NO_MEMORY, decoder.NO_DECODER}),
                           ({256: ("I", [60000]), 257: ("I", [60000])}, {decoder.TOO_LARGE})):
        answer, _ = said(tiff(planes(plain), 32, FLOAT, RGB, tags=tags))
        assert answer.outcome in outcomes and answer.seconds < 5, (tags, answer.outcome, answer.text)


for group in (depths, as_they_are, refusals, others, damaged):
    group()
print(f"{cases} TIFFs are as they should be")
