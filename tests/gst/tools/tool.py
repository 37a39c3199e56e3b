# What the tests of `ovi` share: running it in a folder of its own, and looking at what it made.
# SPDX-License-Identifier: Apache-2.0
import contextlib
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import traceback

OVI = os.environ["OVI"]
PICTURE = os.environ["PICTURE"]
MODEL = os.environ["MODEL"]
LIMIT = 120  # seconds; one run takes less than one

DONE, FAILED, USAGE, CANCELLED = 0, 1, 2, 3


class Run:
    def __init__(self, process):
        self.status, self.out, self.err = process.returncode, process.stdout, process.stderr

    def ends(self, status, *parts):
        """With that status, and these texts on stderr."""
        assert self.status == status, f"ended with {self.status}, not {status}:\n{self}"
        for part in parts:
            assert part in self.err, f"stderr lacks {part!r}:\n{self}"
        return self

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"stdout: {self.out}\nstderr: {self.err}"


def ovi(*words, environment=None, **options):
    """Runs `ovi` to its end; a variable that is None is unset."""
    variables = {**os.environ, **(environment or {})}
    variables = {name: value for name, value in variables.items() if value is not None}
    text = {} if "text" in options else {"text": True, "errors": "surrogateescape"}
    return Run(
        subprocess.run(
            [OVI, *words], capture_output="stdout" not in options, env=variables, timeout=LIMIT,
            stdin=options.pop("stdin", None if "input" in options else subprocess.DEVNULL),
            **text, **options,
        )
    )  # fmt: skip


def make(*words, **options):
    return ovi("make", "-m", MODEL, *words, **options)


def start(*words, environment=None, **options):
    variables = {**os.environ, **(environment or {})}
    return subprocess.Popen([OVI, *words], env=variables, stdin=subprocess.DEVNULL, **options)


def streams(path):
    """[codec, ...] as ffprobe sees them; fails where the file is broken."""
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "json", path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not told.stderr, told.stderr
    return sorted(stream["codec_name"] for stream in json.loads(told.stdout)["streams"])


def digest(path):
    """MD5 of every decoded frame and sample."""
    return subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-f", "framemd5", "-"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def frames(path):
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries",
         "stream=nb_read_frames", "-of", "csv=p=0", path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(told.stdout.strip().rstrip(","))


def tags(path):
    return subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format_tags", path],
        capture_output=True, text=True, check=True,
    ).stdout.replace("TAG:", "")  # fmt: skip


def files(folder="."):
    return sorted(os.listdir(folder))


def lora(path, value):
    """A LoRA of rank 2 for one layer of the tiny model."""
    layer = "diffusion_model.blocks.1.self_attn.q.lora_"
    data, header = b"", {}
    for name, shape in ("A.weight", [2, 48]), ("B.weight", [48, 2]):
        part = struct.pack("<96f", *[value * (i % 7 - 3) for i in range(96)])
        header[layer + name] = {"dtype": "F32", "shape": shape,
                                "data_offsets": [len(data), len(data) + len(part)]}  # fmt: skip
        data += part
    text = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def run_tests(names):
    """Every function test_... of a module, each in an empty folder."""
    failed = []
    tests = [(name, test) for name, test in names.items() if name.startswith("test_")]
    assert tests
    for name, test in tests:
        folder = tempfile.mkdtemp(prefix="ovi-tool-")
        before = os.getcwd()
        os.chdir(folder)
        try:
            test()
            print("ok", name, flush=True)
        except Exception:
            traceback.print_exc()
            print("FAILED", name, flush=True)
            failed.append(name)
        finally:
            os.chdir(before)
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(tests) - len(failed)} of {len(tests)} are well")
    sys.exit(1 if failed else 0)
