# Where clips lie until they are removed: a folder, or any place that fsspec knows.
# SPDX-License-Identifier: Apache-2.0
import asyncio
import datetime
import re

import fsspec
from fsspec.implementations.local import LocalFileSystem
from starlette.responses import FileResponse, StreamingResponse

from .problems import Problem

# The name is what opens a clip, as with the hosted API's addresses: 192 random bits.
NAME = re.compile(r"[A-Za-z0-9_-]{32}\.mp4")
PIECE = 256 << 10
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}


class Results:
    def __init__(self, settings):
        self.keep_seconds = settings.keep_seconds
        self.files, self.folder = fsspec.core.url_to_fs(settings.results)
        self.files.makedirs(self.folder, exist_ok=True)

    def _path(self, name):
        return f"{self.folder.rstrip('/')}/{name}"

    async def write(self, name, data):
        """Nobody knows the name before this returns, so that no half of a clip is ever sent."""
        await asyncio.to_thread(self.files.pipe_file, self._path(name), data)

    async def answer(self, name):
        """The clip as an HTTP answer; of a folder in pieces that a player asks for, too."""
        missing = Problem(404, "clip", "There is no such clip: its time may be over.")
        if not NAME.fullmatch(name):
            raise missing
        path = self._path(name)
        try:
            size = (await asyncio.to_thread(self.files.info, path))["size"]
        except FileNotFoundError:
            raise missing from None
        if isinstance(self.files, LocalFileSystem):
            return FileResponse(path, media_type="video/mp4", headers=HEADERS)
        return StreamingResponse(
            self._pieces(path), media_type="video/mp4",
            headers={**HEADERS, "Content-Length": str(size)},
        )  # fmt: skip

    async def _pieces(self, path):
        file = await asyncio.to_thread(self.files.open, path, "rb")
        try:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece
        finally:
            await asyncio.to_thread(file.close)

    def remove_old(self):
        """Also what a front before this one has left; how many."""
        now = datetime.datetime.now(datetime.timezone.utc)
        removed = 0
        for path in self.files.ls(self.folder, detail=False):
            if not NAME.fullmatch(path.rpartition("/")[2]):
                continue
            try:
                time = self.files.modified(path)
                if time.tzinfo is None:
                    time = time.replace(tzinfo=datetime.timezone.utc)
                if (now - time).total_seconds() > self.keep_seconds:
                    self.files.rm_file(path)
                    removed += 1
            except FileNotFoundError:
                pass
        return removed
