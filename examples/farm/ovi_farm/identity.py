# What a clip is made from, as one number: the same request to the same weights is the same clip.
# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os


def picture_digest(image):
    """Of a local picture its bytes count, of an address the address."""
    if not os.path.exists(image):
        return image
    with open(image, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def request_digest(settings, farm, files):
    """`settings` of the row, `farm`: what is set for all, `files`: `model-files`
    of the records that the model makes (docs/clip-record.md). The same on every
    machine, and tomorrow."""
    settings = dict(settings)
    if "image" in settings:
        settings["image"] = picture_digest(settings["image"])
    whole = {"version": 1, "settings": settings, "farm": farm, "model-files": files}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def seed_of(digest, number):
    """For a row that names none: another one for each row, the same at each run."""
    return int(hashlib.sha256(f"{digest} {number}".encode()).hexdigest()[:8], 16)
