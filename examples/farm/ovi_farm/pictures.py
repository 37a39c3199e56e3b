# The picture of a request: by which ways it may come, and whether it can be one.
# SPDX-License-Identifier: Apache-2.0
import base64
import binascii
import re
import urllib.parse

from .problems import Problem

# Still pictures alone: films are opened by demuxers, which is more than a stranger needs.
SIGNATURES = {
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "gif": re.compile(rb"GIF8[79]a"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "tiff": re.compile(rb"II\*\0|MM\0\*"),
    "bmp": re.compile(rb"BM"),
    "avif": re.compile(rb"....ftypavi[fs]", re.DOTALL),
    "heic": re.compile(rb"....ftyp(hei[cxms]|hevc|mif1|msf1)", re.DOTALL),
}


def kind_of(data):
    """By its first bytes; the decoder, a process of its own, has the last word. None: no picture."""
    return next((kind for kind, begin in SIGNATURES.items() if begin.match(data)), None)


def unpack(uri):
    """The bytes of a data: URI (RFC 2397); ValueError."""
    head, comma, text = uri.partition(",")
    if not comma:
        raise ValueError("there is no comma in it")
    if head.lower().endswith(";base64"):
        text = urllib.parse.unquote(text) if "%" in text else text
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("its base64 is broken") from None
    return urllib.parse.unquote_to_bytes(text)


class Pictures:
    def __init__(self, settings, fetcher):
        self.settings, self.fetcher = settings, fetcher

    async def take(self, uri):
        """A data: URI for the element of the picture that `uri` names; Problem 400."""
        scheme = uri[:16].partition(":")[0].lower()
        allowed = self.settings.image_schemes
        if ":" not in uri[:16] or scheme not in allowed:
            ways = ", ".join(f"{name}:" for name in sorted(allowed))
            raise Problem(400, "image", f"The image is no address by a scheme of: {ways}")
        if scheme == "data":
            try:
                data = unpack(uri)
            except ValueError as wrong:
                raise Problem(400, "image", f"The image is no good data: URI: {wrong}.") from None
        else:
            data = await self.fetcher.fetch(uri)
        if len(data) > self.settings.image_bytes:
            most = self.settings.image_bytes
            raise Problem(400, "image", f"The image is larger than {most} bytes.")
        kind = kind_of(data)
        if kind is None:
            raise Problem(400, "image", "The image is not a picture of a kind that is known: "
                          "send a JPEG or PNG file.")  # fmt: skip
        return f"data:image/{kind};base64," + base64.b64encode(data).decode()
