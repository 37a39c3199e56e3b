# The clips of a batch: each with a note beside it of what it was made from.
# SPDX-License-Identifier: Apache-2.0
import json

import fsspec

MADE, OTHER, MISSING = "made", "other", "missing"


class ClipFiles:
    """Below a folder or an fsspec URL. The note (NAME.json) is written before the clip, so that one
    which does not fit its clip tells of a run that was stopped between the two."""

    def __init__(self, place):
        self.files, self.folder = fsspec.core.url_to_fs(place)
        self.files.makedirs(self.folder, exist_ok=True)

    def path(self, name):
        return f"{self.folder.rstrip('/')}/{name}"

    def state(self, name, digest):
        """MADE: from this request; OTHER: from another one, or nobody knows; MISSING."""
        path = self.path(name)
        try:
            note = json.loads(self.files.cat_file(path + ".json"))
            ours, size = note["request"] == digest, note["bytes"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            ours, size = False, None
        try:
            there = self.files.info(path)["size"]
        except FileNotFoundError:
            return MISSING
        if not ours:
            return OTHER
        return MADE if there == size else MISSING

    def write(self, name, clip, note):
        path = self.path(name)
        if "/" in name:
            self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
        note = {**note, "bytes": len(clip)}
        self.files.pipe_file(path + ".json", json.dumps(note, indent=1).encode())
        # Whole or not at all, also for who looks meanwhile.
        self.files.pipe_file(path + ".part", clip)
        self.files.mv(path + ".part", path)
