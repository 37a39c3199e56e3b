# A hub on this machine with the repositories of the model, and what goes wrong with one.
# SPDX-License-Identifier: Apache-2.0
"""Answers as huggingface.co does, as far as huggingface_hub 0.34 to 0.36 asks."""
import hashlib
import http.server
import json
import random
import re
import threading

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MIB = 1 << 20


def data(name, size):
    return random.Random(name).randbytes(size)


def repositories():
    """{repository: {file: bytes}}, with files that nobody asked for, too."""
    names = {
        "chetwinlow1/Ovi": {
            "model_960x960.safetensors": MIB,
            "model_960x960_10s.safetensors": MIB, "README.md": 100,
        },
        "Wan-AI/Wan2.2-TI2V-5B": {
            "google/umt5-xxl/spiece.model": 5000, "google/umt5-xxl/tokenizer.json": 7000,
            "models_t5_umt5-xxl-enc-bf16.pth": MIB, "Wan2.2_VAE.pth": MIB,
            "diffusion_pytorch_model.safetensors": 2 * MIB,
        },
        "hkchengrex/MMAudio": {
            "ext_weights/best_netG.pt": MIB, "ext_weights/v1-16.pth": MIB, "weights/other.pth": MIB,
        },
    }  # fmt: skip
    return {
        repository: {name: data(name, size) for name, size in files.items()}
        for repository, files in names.items()
    }


class Hub:
    """`with Hub() as hub:`; `hub.url` is for HF_ENDPOINT. The members below make trouble."""

    def __init__(self, large=3 * MIB):
        """`large`: bytes of model.safetensors."""
        self.files = repositories()
        self.files["chetwinlow1/Ovi"]["model.safetensors"] = data("model.safetensors", large)
        self.break_after = {}  # {file: [bytes of the first answer, of the second, ...]}
        self.damaged = set()  # files that come with other bytes
        self.status = {}  # {file or repository: status}
        self.hold = {}  # {file: (bytes, Event)}: after that many the rest waits for it
        self.reached = threading.Event()  # something waits there
        self.asked = []  # (file, first byte) of each GET
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), str(value))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                path = self.path.partition("?")[0]
                if found := re.fullmatch("/api/models/([^/]+/[^/]+)(/revision/.*)?", path):
                    return self.tell(found[1])
                if found := re.fullmatch("/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                    return self.give(found[1], found[3])
                return self.answer(404)

            def tell(self, repository):
                if repository in hub.status or repository not in hub.files:
                    return self.answer(hub.status.get(repository, 404), X_Error_Message="No.")
                siblings = []
                for name, content in hub.files[repository].items():
                    one = {"rfilename": name, "size": len(content),
                           "blobId": hashlib.sha1(content).hexdigest()}  # fmt: skip
                    if len(content) >= MIB:
                        one["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(),
                                      "size": len(content), "pointerSize": 134}  # fmt: skip
                    siblings.append(one)
                body = {"id": repository, "modelId": repository, "sha": COMMIT,
                        "private": False, "tags": [], "downloads": 0,
                        "siblings": siblings}  # fmt: skip
                return self.answer(200, json.dumps(body).encode(), Content_Type="application/json")

            def give(self, repository, name):
                content = hub.files.get(repository, {}).get(name)
                if content is None or name in hub.status:
                    return self.answer(hub.status.get(name, 404), X_Error_Message="No.")
                large = len(content) >= MIB
                etag = (hashlib.sha256 if large else hashlib.sha1)(content).hexdigest()
                first = int(re.match(r"bytes=(\d+)-|", self.headers.get("Range", ""))[1] or 0)
                if name in hub.damaged:
                    content = bytes(byte ^ 1 for byte in content)
                self.send_response(206 if first else 200)
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{etag}"')
                self.send_header("Content-Length", str(len(content) - first))
                if first:
                    last = len(content) - 1
                    self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
                self.end_headers()
                if self.command == "HEAD":
                    return None
                hub.asked.append((name, first))
                if hub.break_after.get(name):
                    self.wfile.write(content[first : first + hub.break_after[name].pop(0)])
                    self.close_connection = True
                    return None
                if name in hub.hold:
                    most, event = hub.hold[name]
                    self.wfile.write(content[first : first + most])
                    self.wfile.flush()
                    first += most
                    hub.reached.set()
                    event.wait(60)
                self.wfile.write(content[first:])
                return None

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    pass  # who asked is gone

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        for _, event in self.hold.values():
            event.set()
        self.server.shutdown()
        self.server.server_close()
