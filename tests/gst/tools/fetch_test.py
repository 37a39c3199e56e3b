# `ovi fetch` on a hub of this machine. OVI_TEST_HUB=real: with huggingface_hub itself, which pip then
# has to be able to fetch; else with one that stands in for it, installed by pip from a folder.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import tempfile
import threading
import zipfile

from fake_hub import MIB, Hub
from tool import CANCELLED, DONE, FAILED, USAGE, ovi, run_tests, start

REAL = os.environ.get("OVI_TEST_HUB") == "real"
HERE = pathlib.Path(__file__).parent
# huggingface_hub writes 10 MB at a time.
LARGE, PART = (36 * MIB, 12 * MIB) if REAL else (3 * MIB, MIB)
SHELF = tempfile.mkdtemp(prefix="ovi-shelf-")
COMMON = [
    "Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model", "Wan2.2-TI2V-5B/google/umt5-xxl/tokenizer.json",
    "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth", "Wan2.2-TI2V-5B/Wan2.2_VAE.pth",
    "MMAudio/ext_weights/best_netG.pt", "MMAudio/ext_weights/v1-16.pth",
]  # fmt: skip


def shelve():
    """The stand-in as a wheel in a folder that pip takes for its index."""
    name = "huggingface_hub-0.36.0"
    with zipfile.ZipFile(f"{SHELF}/{name}-py3-none-any.whl", "w") as wheel:
        wheel.write(HERE / "fake_huggingface_hub.py", "huggingface_hub.py")
        wheel.writestr(f"{name}.dist-info/METADATA",
                       "Metadata-Version: 2.1\nName: huggingface_hub\nVersion: 0.36.0\n")  # fmt: skip
        wheel.writestr(f"{name}.dist-info/WHEEL",
                       "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")  # fmt: skip
        wheel.writestr(f"{name}.dist-info/RECORD", "")


def environment(hub, cache=f"{SHELF}/cache", **more):
    """One cache for all: the environment is made once."""
    index = {} if REAL else {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": SHELF}
    return {"HF_ENDPOINT": hub.url, "XDG_CACHE_HOME": cache, "HF_HOME": f"{SHELF}/hf",
            "OVI_FETCH_PAUSE": "0", "HF_TOKEN": "", **index, **more}  # fmt: skip


def fetch(hub, *words, more={}, **options):
    return ovi("fetch", *words, environment=environment(hub, **more), **options)


def holds(hub, folder, *places):
    """These files and no others, byte for byte."""
    found = {
        str(path.relative_to(folder))
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }
    assert found == set(places), found ^ set(places)
    rooms = {"Ovi": "chetwinlow1/Ovi", "Wan2.2-TI2V-5B": "Wan-AI/Wan2.2-TI2V-5B",
             "MMAudio": "hkchengrex/MMAudio"}  # fmt: skip
    for place in places:
        room, _, name = place.partition("/")
        assert pathlib.Path(folder, place).read_bytes() == hub.files[rooms[room]][name], place


def test_everything_a_variant_needs():
    with Hub() as hub:
        cache = os.path.abspath("cache")
        run = fetch(hub, "ckpts", more={"cache": cache}).ends(
            DONE, "setting up huggingface_hub in", "hint: \"ovi check ckpts\"")
        assert "ckpts: 7 files, 7.0 MiB, as they were published" in run.out, run
        holds(hub, "ckpts", "Ovi/model.safetensors", *COMMON)
        # Once more: nothing is set up, nothing is fetched.
        asked = len(hub.asked)
        run = fetch(hub, "ckpts", more={"cache": cache}).ends(DONE)
        assert "setting up" not in run.err and len(hub.asked) == asked, run
        # A second variant beside the first.
        fetch(hub, "ckpts", "--variant", "960x960_10s").ends(DONE)
        assert {name for name, _ in hub.asked[asked:]} == {"model_960x960_10s.safetensors"}


def test_all_variants_and_what_is_said():
    with Hub() as hub:
        told = fetch(hub, "ckpts", "--variant=all", "--json").ends(DONE).json()
        assert told["ok"] and told["bytes"] == told["to_fetch"] and len(told["files"]) == 9, told
        assert not any(file["was_there"] for file in told["files"])
        again = fetch(hub, "ckpts", "--variant=all", "--json").ends(DONE).json()
        assert again["to_fetch"] == 0 and all(file["was_there"] for file in again["files"]), again
        assert fetch(hub, "ckpts", "--quiet").ends(DONE).err == ""


def test_only_say_what_there_is():
    with Hub() as hub:
        run = fetch(hub, "nowhere", "--dry-run", "--variant=960x960-5s").ends(DONE)
        assert not os.path.exists("nowhere") and not hub.asked
        assert "Ovi/model_960x960.safetensors: 1.0 MiB, huggingface.co/chetwinlow1/Ovi" in run.out
        assert "5.0 MiB of 5.0 MiB are to be fetched" in run.out, run


def test_a_connection_that_breaks_goes_on():
    with Hub(LARGE) as hub:
        hub.break_after = {"model.safetensors": [PART, PART]}
        fetch(hub, "ckpts").ends(DONE)
        firsts = [first for name, first in hub.asked if name == "model.safetensors" and first]
        assert firsts and max(firsts) > PART, hub.asked
        holds(hub, "ckpts", "Ovi/model.safetensors", *COMMON)


def test_what_was_stopped_goes_on():
    for how, status in ((signal.SIGINT, CANCELLED), (signal.SIGTERM, CANCELLED), (signal.SIGKILL, -9)):
        with Hub(LARGE) as hub:
            hub.hold = {"model.safetensors": (PART, threading.Event())}
            process = start("fetch", "ckpts", environment=environment(hub), stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)  # fmt: skip
            assert hub.reached.wait(60)
            waiting = pathlib.Path("ckpts/Ovi/.cache/huggingface/download")
            for _ in range(600):
                if sum(p.stat().st_size for p in waiting.glob("*.incomplete")) >= PART // 2:
                    break
                threading.Event().wait(0.1)
            (child,) = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            process.send_signal(how)
            said = process.communicate(timeout=60)[1]
            assert process.returncode == status, (process.returncode, said)
            # Whatever happens to ovi, what it started does not go on for long.
            for _ in range(600):
                if not os.path.exists(f"/proc/{child}"):
                    break
                threading.Event().wait(0.1)
            else:
                raise AssertionError(f"after {how} {child} is still running")
            assert how == signal.SIGKILL or "the same command goes on" in said, said
            hub.hold.popitem()[1][1].set()
            kept = sum(p.stat().st_size for p in waiting.glob("*.incomplete"))
            assert kept >= PART // 2 and not os.path.exists("ckpts/Ovi/model.safetensors"), kept
            hub.asked.clear()
            fetch(hub, "ckpts").ends(DONE)
            assert max(first for name, first in hub.asked if name == "model.safetensors") >= kept
            holds(hub, "ckpts", "Ovi/model.safetensors", *COMMON)
        shutil.rmtree("ckpts")


def test_a_terminal_has_a_bar():
    with Hub() as hub:
        hub.hold = {"model.safetensors": (MIB, threading.Event())}
        reader, terminal = pty.openpty()
        process = start("fetch", "ckpts", environment=environment(hub, TERM="xterm"),
                        stdout=subprocess.DEVNULL, stderr=terminal)  # fmt: skip
        os.close(terminal)
        said = b""
        while b"fetching Ovi/model" not in said:
            said += os.read(reader, 1000)
        hub.hold["model.safetensors"][1].set()
        while True:
            try:
                more = os.read(reader, 1000)
            except OSError:
                break
            if not more:
                break
            said += more
        assert process.wait(60) == DONE and b"[" in said and b"%" in said, said
        os.close(reader)


def test_damage_is_found():
    with Hub() as hub:
        hub.damaged = {"Wan2.2_VAE.pth"}
        fetch(hub, "ckpts").ends(FAILED, "Wan2.2-TI2V-5B/Wan2.2_VAE.pth does not have the digest", "hint: ")
        assert not os.path.exists("ckpts/Wan2.2-TI2V-5B/Wan2.2_VAE.pth")
        hub.damaged.clear()
        fetch(hub, "ckpts").ends(DONE)
        # Of a file that was there only --verify finds it.
        vae = pathlib.Path("ckpts/Wan2.2-TI2V-5B/Wan2.2_VAE.pth")
        vae.write_bytes(bytes(len(vae.read_bytes())))
        fetch(hub, "ckpts").ends(DONE)
        fetch(hub, "ckpts", "--verify").ends(FAILED, "does not have the digest")
        fetch(hub, "ckpts").ends(DONE)
        # One that was cut short is fetched anew.
        vae.write_bytes(b"short")
        fetch(hub, "ckpts", "--verify").ends(DONE)
        holds(hub, "ckpts", "Ovi/model.safetensors", *COMMON)


def test_a_hub_that_says_no():
    for status, said in ((401, "HF_TOKEN"), (403, "HF_TOKEN"), (404, "HF_ENDPOINT")):
        with Hub() as hub:
            hub.status = {"chetwinlow1/Ovi": status}
            run = fetch(hub, "ckpts").ends(FAILED, "error: ", "hint: ", said)
            assert "Traceback" not in run.err and not os.path.exists("ckpts"), run
    with Hub() as hub:
        if not REAL:  # which tries for minutes
            hub.status = {"ext_weights/v1-16.pth": 503}
            fetch(hub, "ckpts").ends(FAILED, "error: ", "hint: the same command goes on")
            hub.status.clear()
        fetch(hub, "ckpts").ends(DONE)
        del hub.files["Wan-AI/Wan2.2-TI2V-5B"]["Wan2.2_VAE.pth"]
        fetch(hub, "other").ends(FAILED, "Wan-AI/Wan2.2-TI2V-5B has no file Wan2.2_VAE.pth")
    nobody = Hub()
    nobody.server.server_close()
    run = fetch(nobody, "ckpts").ends(FAILED, "cannot be reached", "HTTPS_PROXY")
    assert "Traceback" not in run.err, run


def test_where_it_cannot_write():
    with Hub() as hub:
        pathlib.Path("file").touch()
        fetch(hub, "file").ends(FAILED, "error: ", "file", "hint: ")
        fetch(hub, "/proc/nowhere").ends(FAILED, "error: ", "hint: ")


def test_without_python_or_package():
    with Hub() as hub:
        cache = os.path.abspath("cache")
        os.mkdir("empty")
        fetch(hub, "ckpts", more={"cache": cache, "PATH": os.path.abspath("empty")}).ends(
            FAILED, "There is no python3", "hint: Debian, Ubuntu: apt install python3 python3-venv")
        # As Debian's is without python3-venv.
        python = pathlib.Path("empty/python3")
        python.write_text("#!/bin/sh\necho ensurepip is not available\nexit 1\n")
        python.chmod(0o755)
        fetch(hub, "ckpts", more={"cache": cache, "PATH": f"{os.path.abspath('empty')}:/usr/bin:/bin"}).ends(
            FAILED, "ensurepip is not available", "apt install python3-venv")
        fetch(hub, "ckpts", more={"cache": cache, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nonexistent"}).ends(
            FAILED, "pip cannot install huggingface_hub", "HTTPS_PROXY")
        # What is half there, or no longer works, is made anew.
        fetch(hub, "ckpts", more={"cache": cache}).ends(DONE, "setting up")
        for library in pathlib.Path(cache).rglob("site-packages/huggingface_hub*"):
            shutil.rmtree(library) if library.is_dir() else library.unlink()
        fetch(hub, "ckpts", more={"cache": cache}).ends(DONE, "setting up")
        fetch(hub, "ckpts", more={"cache": "/proc/nowhere"}).ends(FAILED, "XDG_CACHE_HOME")


def test_wrong_arguments():
    with Hub() as hub:
        fetch(hub).ends(USAGE, "One folder")
        fetch(hub, "one", "two").ends(USAGE, "One folder")
        fetch(hub, "ckpts", "--variant=1080p").ends(USAGE, "720x720-5s, 960x960-5s, 960x960-10s or all")
        fetch(hub, "ckpts", "--varaint=all").ends(USAGE, "is --variant meant?")
        assert not os.path.exists("ckpts") and not hub.asked


shelve()
try:
    run_tests(globals())
finally:
    shutil.rmtree(SHELF, ignore_errors=True)
