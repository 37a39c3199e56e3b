# A replica that makes clips: one GPU, one process, one model that stays loaded.
# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import tempfile

import ray
from ray import serve

from .clip_link import ClipLink, ProcessDied

# What a stranger's request may reach, whatever the operator sets besides.
FIXED = {"image-schemes": "data", "num-clips": 1, "is-live": False, "continuity": "none"}
WARM = {"prompt": "A lamp. <S>On.<E> <AUDCAP>A click.<ENDAUDCAP>", "steps": 1, "seed": 1}


def start_line(settings, folder):
    """What clip_process.py reads first."""
    properties = {"model-path": settings.model, **settings.properties, **FIXED}
    return {
        "settings": {
            name.replace("_", "-"): str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in properties.items()
        },
        "video": settings.video_encoder, "audio": settings.audio_encoder, "folder": folder,
    }  # fmt: skip


async def warm_up(link):
    """Loads the model; RuntimeError says why it cannot be. Returns the names and sizes of its files, as
    the records of its clips have them."""
    async for event in link.orders("try", WARM):
        if event["event"] == "failed":
            raise RuntimeError(event["message"])
    return event["record"]["model-files"]


@serve.deployment
class Maker:
    async def __init__(self, settings):
        self.folder = tempfile.TemporaryDirectory(
            prefix="ovi-maker-", ignore_cleanup_errors=True
        )
        self.link = ClipLink(start_line(settings, self.folder.name), settings.plugins)
        await self.link.open()
        if settings.warm_up:
            await warm_up(self.link)
        self.node = ray.get_runtime_context().get_node_id()

    async def make(self, order):
        """Events of one clip; the last is "made" with `clip`, the bytes of the MP4, "failed", or
        "died". Who stops listening cancels the clip."""
        yield {"event": "started"}
        try:
            async for event in self.link.orders("make", order):
                if event["event"] == "made":
                    path = event.pop("path")
                    event["clip"] = await asyncio.to_thread(take_file, path)
                yield event
        except ProcessDied as died:
            yield {"event": "died", "message": str(died)}

    async def check_health(self):
        """A process that ended is started again here or by the next clip."""
        await self.link.open()

    def where(self):
        """For tests: node, process of this replica, process of the element."""
        return {"node": self.node, "replica": os.getpid(), "process": self.link.pid}


def take_file(path):
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    return data
