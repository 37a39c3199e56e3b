# API keys: a file of their digests, one a line: NAME SHA256 [withdrawn]
# SPDX-License-Identifier: Apache-2.0
"""python -m ovi_farm.keys FILE add NAME       makes a key, which is shown once
python -m ovi_farm.keys FILE withdraw NAME  its requests are answered with 403

Keys are 256 random bits, so one round of SHA-256 is enough; the file holds nothing that opens a door.
It is read again when it changes.
"""
import hashlib
import hmac
import os
import re
import secrets
import sys

from .problems import Problem

LONGEST = 512  # characters of a key; what is longer is none


def digest(key):
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    def __init__(self, path):
        self.path = path
        self.stamp = None
        self.entries = []  # (name, digest, withdrawn)
        self.read()

    def read(self):
        info = os.stat(self.path)
        stamp = (info.st_mtime_ns, info.st_size, info.st_ino)
        if stamp == self.stamp:
            return
        entries = []
        with open(self.path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                words = line.split("#")[0].split()
                if not words:
                    continue
                if len(words) not in (2, 3) or not re.fullmatch("[0-9a-f]{64}", words[1]):
                    raise ValueError(f"{self.path}, line {number}: not NAME SHA256 [withdrawn]")
                entries.append((words[0], words[1], words[2:] == ["withdrawn"]))
        self.stamp, self.entries = stamp, entries

    def owner(self, key):
        """The name that a key belongs to; Problem 401 or 403. Takes as long for any key."""
        try:
            self.read()
        except (OSError, ValueError):
            pass  # half-written: the keys of before count
        if not key or len(key) > LONGEST:
            raise Problem(401, "no_key", "The header x-api-key has no key.")
        sought = digest(key)
        found = None
        for entry in self.entries:
            if hmac.compare_digest(sought, entry[1]):
                found = entry
        if found is None:
            raise Problem(401, "unknown_key", "The key in the header x-api-key is not known.")
        if found[2]:
            raise Problem(403, "withdrawn_key", "The key in the header x-api-key was withdrawn.")
        return found[0]


def add(path, name):
    """A new key for `name`, and its line at the end of the file."""
    if not re.fullmatch(r"[\w.-]{1,64}", name):
        raise ValueError(f'"{name}" is no name: letters, digits, and ". - _", 64 at most')
    key = secrets.token_urlsafe(32)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "a", encoding="utf-8") as lines:
        lines.write(f"{name} {digest(key)}\n")
    return key


def withdraw(path, name):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    changed = [
        f"{line} withdrawn" if line.split()[:1] == [name] and "withdrawn" not in line else line
        for line in lines
    ]
    part = f"{path}.part"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join(changed) + "\n")
    os.replace(part, path)
    return changed != lines


def main(words):
    try:
        match words:
            case [path, "add", name]:
                print(add(path, name))
            case [path, "withdraw", name]:
                if not withdraw(path, name):
                    raise ValueError(f'no key of "{name}" counts')
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except (OSError, ValueError) as problem:
        print(f"Error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
