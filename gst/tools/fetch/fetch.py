# Fetches the files of a model with huggingface_hub: what `ovi fetch` runs in a Python of its own.
# SPDX-License-Identifier: Apache-2.0
"""fetch.py MODE TARGET (FOLDER REPOSITORY PATTERN)...

MODE is plan (only say what there is to fetch), fetch, or verify (fetch, and read what was there
already, too). Files of REPOSITORY that PATTERN fits go to TARGET/FOLDER. What was fetched in part
goes on where it was stopped. Everything is told on stdout, a JSON object a line.
"""

import fnmatch
import hashlib
import json
import os
import pathlib
import shutil
import sys
import threading
import time

TELL = 0.5  # seconds between two words on how far it is
ROOM = 256 << 20  # bytes that stay free
TRIES = 3  # in a row that bring nothing
PAUSE = float(os.environ.get("OVI_FETCH_PAUSE", "5"))  # seconds before the next try


class Problem(Exception):
    def __init__(self, text, hint=""):
        super().__init__(text)
        self.hint = hint


def tell(**what):
    print(json.dumps(what), flush=True)


class File:
    """One file of a repository."""

    def __init__(self, target, folder, repository, revision, sibling):
        self.folder = target / folder
        self.repository, self.revision, self.name = repository, revision, sibling.rfilename
        self.bytes = sibling.size
        self.sha256 = sibling.lfs.sha256 if sibling.lfs else ""
        self.place = f"{folder}/{self.name}"
        self.path = self.folder / self.name

    def is_there(self):
        return self.path.is_file() and self.path.stat().st_size == self.bytes

    def begun(self):
        """Bytes that an earlier try, or this one, has fetched; huggingface_hub names them so."""
        if not self.sha256:
            return 0
        waiting = self.folder / ".cache" / "huggingface" / "download"
        parts = waiting.rglob(f"*{self.sha256}.incomplete")
        return min(self.bytes, max((part.stat().st_size for part in parts), default=0))


def files_of(api, target, folder, repository, pattern):
    info = api.model_info(repository, files_metadata=True)
    found = [
        File(target, folder, repository, info.sha, sibling)
        for sibling in info.siblings
        if fnmatch.fnmatchcase(sibling.rfilename, pattern)
    ]
    if not found:
        raise Problem(f"{repository} has no file {pattern}", "a later ovii2vsrc may know its name")
    return found


class Meter:
    """Tells how far the file is that is being fetched, until it is stopped."""

    def __init__(self, file, before):
        self.file, self.before = file, before
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        while not self.over.wait(TELL):
            try:
                tell(done=self.before + self.file.begun(), file=self.file.place)
            except BrokenPipeError:
                os._exit(1)  # nobody is there any more
            except OSError:
                pass  # it was moved to its place just now


def answered(error):
    """The hub's status that an error comes from, and that error: one may stand in the place of
    another. None where the hub has not answered."""
    cause = error
    while cause:
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if status:
            return status, cause
        cause = cause.__cause__ or cause.__context__
    return None, error


def fetch(file, download):
    """Tries again as long as something comes."""
    tries = 0
    while True:
        begun = file.begun()
        try:
            download(
                file.repository, file.name, revision=file.revision, local_dir=str(file.folder)
            )
            return
        except Exception as error:
            lasting, _ = answered(error)
            # Of a server that answers, 408, 429 and 500 on may be other the next time.
            if lasting and lasting < 500 and lasting not in (408, 429):
                raise
            if isinstance(error, OSError) and error.errno == 28:  # ENOSPC
                raise
            tries = 0 if file.begun() > begun else tries + 1
            if tries == TRIES:
                raise
            tell(note=f"{file.place}: {first_line(error)}; going on in {PAUSE:g} s")
            time.sleep(PAUSE)


def verify(file, before):
    if not file.sha256:
        return
    digest = hashlib.sha256()
    told = time.monotonic()
    with open(file.path, "rb") as data:
        while block := data.read(8 << 20):
            digest.update(block)
            if time.monotonic() > told + TELL:
                told = time.monotonic()
                tell(done=before, file=file.place, verifying=data.tell())
    if digest.hexdigest() != file.sha256:
        file.path.unlink()
        raise Problem(
            f"{file.place} does not have the digest that {file.repository} gives, and was removed",
            "the same command fetches it again; if that does not help, a proxy or the disk spoils it",
        )


def first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def run(mode, target, wishes):
    import huggingface_hub

    api = huggingface_hub.HfApi()
    target = pathlib.Path(target)
    files = [file for wish in wishes for file in files_of(api, target, *wish)]
    missing = [file for file in files if not file.is_there()]
    total = sum(file.bytes for file in files)
    need = sum(file.bytes - file.begun() for file in missing)
    for file in files:
        tell(place=file.place, bytes=file.bytes, repository=file.repository,
             there=file not in missing, sha256=file.sha256)  # fmt: skip
    tell(total=total, need=need)
    if mode == "plan":
        return
    target.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target).free
    if need and free < need + ROOM:
        raise Problem(
            f"{target} has room for {free / 1e9:.1f} GB, and {need / 1e9:.1f} GB are to be fetched",
            "name a folder on a larger disk",
        )
    done = total - sum(file.bytes for file in missing)
    for file in files:
        new = file in missing
        if new:
            with Meter(file, done):
                fetch(file, huggingface_hub.hf_hub_download)
            if not file.is_there():
                raise Problem(f"{file.place} came with another size than {file.bytes} bytes")
            done += file.bytes
            tell(done=done, file=file.place)
        if new or mode == "verify":
            verify(file, done)


def reason(error):
    """What went wrong, and the way out."""
    status, error = answered(error)
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if isinstance(error, Problem):
        return str(error), error.hint
    if status in (401, 403):
        return f"{hub} lets nobody in without a token: {first_line(error)}", (
            "accept the model's terms on its page, make a token, and set HF_TOKEN to it")
    if status == 404:
        return f"{hub} does not have it: {first_line(error)}", (
            "HF_ENDPOINT may name another hub")
    if status:
        return f"{hub} answers {status}: {first_line(error)}", "the same command goes on later"
    if isinstance(error, OSError) and error.errno is not None and error.filename:
        return f"{error.filename}: {error.strerror}", "name a folder that can be written to"
    if isinstance(error, OSError) and error.errno == 28:
        return "the disk is full", "make room: the same command goes on where it stopped"
    return f"{hub} cannot be reached: {first_line(error)}", (
        "behind a proxy set HTTPS_PROXY, HF_ENDPOINT names a mirror; "
        "the same command goes on where it stopped")


def main():
    mode, target, *words = sys.argv[1:]
    wishes = [words[at : at + 3] for at in range(0, len(words), 3)]
    try:
        run(mode, target, wishes)
    except BrokenPipeError:
        os._exit(1)
    except Exception as error:
        text, hint = reason(error)
        tell(error=text, hint=hint)
        sys.exit(1)


main()
