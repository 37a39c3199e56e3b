# In the place of huggingface_hub, where tests have no network to install it from: the two calls that
# `ovi fetch` makes, with the file of a download in progress named as 0.34 to 0.36 name it.
# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os
import pathlib
import types
import urllib.error
import urllib.request

HUB = os.environ["HF_ENDPOINT"]


class HfHubHTTPError(OSError):
    def __init__(self, error):
        super().__init__(f"{error.code} for url {error.url}")
        self.response = types.SimpleNamespace(status_code=error.code)


def ask(path, first=0, method="GET"):
    request = urllib.request.Request(
        f"{HUB}/{path}", headers={"Range": f"bytes={first}-"} if first else {}, method=method
    )
    try:
        return urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        raise HfHubHTTPError(error) from None


class HfApi:
    def model_info(self, repository, files_metadata):
        assert files_metadata
        told = json.load(ask(f"api/models/{repository}?blobs=true"))
        siblings = [
            types.SimpleNamespace(
                rfilename=one["rfilename"],
                size=one["size"],
                lfs=types.SimpleNamespace(**one["lfs"]) if "lfs" in one else None,
            )
            for one in told["siblings"]
        ]
        return types.SimpleNamespace(sha=told["sha"], siblings=siblings)


def hf_hub_download(repository, name, revision, local_dir):
    assert os.environ["HF_HUB_DISABLE_XET"] == "1"
    path = pathlib.Path(local_dir, name)
    waiting = pathlib.Path(local_dir, ".cache", "huggingface", "download", name).parent
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting.mkdir(parents=True, exist_ok=True)
    with ask(f"{repository}/resolve/{revision}/{name}", method="HEAD") as head:
        etag, size = head.headers["ETag"].strip('"'), int(head.headers["Content-Length"])
    part = waiting / f"{hashlib.sha1(name.encode()).hexdigest()[:8]}.{etag}.incomplete"
    with open(part, "ab") as to:
        first = to.tell()
        with ask(f"{repository}/resolve/{revision}/{name}", first) as data:
            while block := data.read(64 << 10):
                to.write(block)
                to.flush()
        if to.tell() != size:
            raise ConnectionError(f"{name} ended at byte {to.tell()} of {size}")
    part.rename(path)
    return str(path)
