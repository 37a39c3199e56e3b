# What a clip is made from, as one number: the same request to the same weights is the same clip.
# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os

ENDS = (".safetensors", ".pth", ".pt", ".model", ".json")
DEPTH = 4


def model_files(folder):
    """As `model-files` in a clip's record: names and bytes of weights and tokenizer files."""
    found = []

    def look(path, below, depth):
        for name in os.listdir(path):
            here = os.path.join(path, name)
            if name.startswith(".") or not os.path.exists(here):
                continue
            if os.path.isdir(here) and depth < DEPTH:
                look(here, f"{below}{name}/", depth + 1)
            elif os.path.isfile(here) and name.endswith(ENDS):
                found.append(f"{below}{name} {os.path.getsize(here)}")

    look(folder, "", 0)
    return ", ".join(sorted(found))


def picture_digest(image):
    """Of a local picture its bytes count, of an address the address."""
    if not os.path.exists(image):
        return image
    with open(image, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def request_digest(settings, farm, files):
    """`settings` of the row, `farm`: what is set for all, `files`: of the model. The same on every
    machine, and tomorrow."""
    settings = dict(settings)
    if "image" in settings:
        settings["image"] = picture_digest(settings["image"])
    whole = {"version": 1, "settings": settings, "farm": farm, "model-files": files}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def seed_of(digest, number):
    """For a row that names none: another one for each row, the same at each run."""
    return int(hashlib.sha256(f"{digest} {number}".encode()).hexdigest()[:8], 16)
