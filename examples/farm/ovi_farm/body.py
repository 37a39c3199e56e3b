# Reads the bodies of requests: bounded each, and all together.
# SPDX-License-Identifier: Apache-2.0
import asyncio

from .problems import Problem


class Bodies:
    def __init__(self, settings):
        self.settings = settings
        self.held = 0  # bytes of bodies that are being read or looked at

    async def read(self, request):
        """All of it; Problem 400, 408, 413 or 429. `release` gives the bytes back."""
        most = self.settings.body_bytes
        too_large = Problem(413, "body", f"The body is larger than {most} bytes.")
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > most:
            raise too_large
        data = bytearray()
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                async for piece in request.stream():
                    if len(data) + len(piece) > most:
                        raise too_large
                    if self.held + len(piece) > self.settings.bodies_bytes:
                        raise Problem(429, "busy", "Too many requests are being sent.", 5)
                    data += piece
                    self.held += len(piece)
        except BaseException as ended:
            self.held -= len(data)
            if isinstance(ended, TimeoutError):
                seconds = self.settings.body_seconds
                raise Problem(408, "body", f"The body took longer than {seconds:g} s.") from None
            raise
        return bytes(data)

    def release(self, data):
        self.held -= len(data)
