# ovi convert, on the engine itself and the tiny model.
# SPDX-License-Identifier: Apache-2.0
import fcntl
import json
import os
import pathlib
import resource
import signal
import struct
import subprocess

from tool import (
    CANCELLED, DONE, FAILED, LIMIT, MODEL, OVI, PICTURE, USAGE, digest, files, lora, ovi, run_tests, start,
)  # fmt: skip

WEIGHTS = [
    "MMAudio/ext_weights/best_netG.safetensors", "MMAudio/ext_weights/v1-16.safetensors",
    "Ovi/model.safetensors", "Wan2.2-TI2V-5B/Wan2.2_VAE.safetensors",
    "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc.safetensors",
]  # fmt: skip


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*") if path.is_file())


def header(path):
    with open(path, "rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))


def clip(model, precision, name, *more):
    ovi("make", PICTURE, "<S>Hi.<E> Audio: Wind.", "-m", model, "--steps", "2", "-s", "3", "-o", name, "-p",
        "device=cpu", "-p", f"precision={precision}", "-q", *more).ends(DONE)  # fmt: skip
    return digest(name)


def test_a_converted_model_makes_the_same_clip():
    run = ovi("convert", MODEL, "new", "--verify").ends(DONE, "ovi: new: 0 %: converting ", "verifying ")
    assert "new: verified, " in run.out and "Ovi/model.safetensors: 1.1 MiB, bf16" in run.out, run
    assert [name for name in everything("new") if name.endswith(".safetensors")] == WEIGHTS
    assert "Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model" in everything("new")
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd="new", check=True)
    assert clip("new", "bf16", "new.mkv") == clip(MODEL, "bf16", "old.mkv")
    told = ovi("check", "new", "--device", "cpu", "--json").ends(DONE).json()
    assert told["model"]["components"][0]["dtype"] == "bf16", told
    about = header("new/Ovi/model.safetensors")["__metadata__"]
    assert about["format"] == "pt" and about["ovi.source"] == "model.safetensors", about
    assert about["ovi.program"] == "ovii2vsrc 0.2.0" and about["ovi.weights"] == "bf16", about


def test_loras_are_merged():
    lora("a,b.safetensors", 0.5)
    ovi("convert", MODEL, "new", "--lora", "a\\,b.safetensors:-2", "-q").ends(DONE)
    assert header("new/Ovi/model.safetensors")["__metadata__"]["ovi.source"] == "model.safetensors, a,b.safetensors:-2"
    merged = clip("new", "bf16", "new.mkv")
    assert merged == clip(MODEL, "bf16", "property.mkv", "-p", "lora=a\\,b.safetensors:-2")
    assert merged != clip(MODEL, "bf16", "plain.mkv")
    ovi("convert", MODEL, "no", "--lora", "none.safetensors").ends(FAILED, "none.safetensors")
    ovi("convert", MODEL, "no", "--lora", "a\\,b.safetensors:99").ends(USAGE, "-10")
    assert not os.path.exists("no")


def test_in_eight_bits():
    told = ovi("convert", MODEL, "new", "-w", "fp8", "--json").ends(DONE).json()
    assert told["ok"] and [file["dtype"] for file in told["files"] if "dtype" in file][0] == "bf16, fp8 (e4m3), fp32"
    assert all(len(file["sha256"]) == 64 for file in told["files"])
    tensors = header("new/Ovi/model.safetensors")
    assert tensors["video_model.blocks.0.ffn.0.weight"]["dtype"] == "F8_E4M3"
    rows = tensors["video_model.blocks.0.ffn.0.weight"]["shape"][0]
    assert tensors["video_model.blocks.0.ffn.0.scale_weight"]["shape"] == [rows, 1]
    assert tensors["video_model.blocks.0.norm3.weight"]["dtype"] == "BF16"
    ovi("convert", MODEL, "new", "-w", "fp8", "--scales=tensor", "-f").ends(DONE)
    assert header("new/Ovi/model.safetensors")["video_model.blocks.0.ffn.0.scale_weight"]["shape"] == [1]


def test_wrong_arguments():
    for words in [], ["one"], ["a", "b", "c"], [MODEL, "x", "-w", "int4"], [MODEL, "x", "--scales", "row"]:
        ovi("convert", *words).ends(USAGE)
    ovi("convert", MODEL, "x", "-w", "int4").ends(USAGE, "bf16, fp8, fp32, stored")
    ovi("convert", MODEL, "x", "--variant", "4k").ends(USAGE, "960x960-10s")
    assert files() == []


def test_what_is_there_stays_without_force():
    ovi("convert", "no-such", "new").ends(FAILED, "no-such")
    os.makedirs("new/Ovi")
    pathlib.Path("new/Ovi/model.safetensors").write_text("mine")
    ovi("convert", MODEL, "new").ends(FAILED, "not empty", "--force")
    assert pathlib.Path("new/Ovi/model.safetensors").read_text() == "mine"
    ovi("convert", MODEL, "new", "--force").ends(DONE)
    ovi("convert", "new", "new", "--force").ends(FAILED, "is a file of the model")
    ovi("convert", "--verify", "new").ends(DONE)


def test_damage_is_found():
    ovi("convert", MODEL, "new").ends(DONE)
    path = pathlib.Path("new", WEIGHTS[0])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    ovi("convert", "--verify", "new").ends(FAILED, "not as they were written: " + WEIGHTS[0])
    os.remove("new/" + WEIGHTS[1])
    run = ovi("convert", "--verify", "new", "--json").ends(FAILED)
    assert WEIGHTS[1] in run.json()["problem"]
    ovi("convert", "--verify", MODEL).ends(FAILED, "SHA256SUMS")


def stopped_midway(target, *words):
    """Stands at its second line of progress: there is no room for it in the pipe."""
    line = f"ovi: {target}: 0 %: converting {MODEL}/Ovi/model.safetensors\n"
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * (size - len(line.encode()) - 8))
    process = start("convert", MODEL, target, *words, stderr=writer, stdout=subprocess.DEVNULL)
    os.close(writer)
    while not any(name.endswith(".part") for name in everything(".")):
        assert process.poll() is None, os.read(reader, 8192)
        os.sched_yield()
    return process, reader


def drain(reader):
    with open(reader, "rb") as pipe:
        return pipe.read()


def test_cancelled_by_a_signal():
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        process, reader = stopped_midway("new")
        process.send_signal(number)
        said = drain(reader)
        assert process.wait(LIMIT) == CANCELLED and b"cancelled" in said, said
        assert files() == [], files()
    ovi("convert", MODEL, "old").ends(DONE)
    before = pathlib.Path("old/SHA256SUMS").read_text()
    process, reader = stopped_midway("old", "-f", "-w", "fp8")
    process.send_signal(signal.SIGINT)
    drain(reader)
    assert process.wait(LIMIT) == CANCELLED
    assert pathlib.Path("old/SHA256SUMS").read_text() == before
    ovi("convert", "--verify", "old").ends(DONE)


def test_killed_midway():
    process, reader = stopped_midway("new")
    process.kill()
    assert process.wait(LIMIT) == -signal.SIGKILL
    os.close(reader)
    # Nothing that could be taken for a file of a model, and the next one sweeps it away.
    assert [name for name in everything("new") if not name.endswith(".part")] == []
    ovi("check", "new", "--device", "cpu").ends(FAILED, "lacks")
    ovi("convert", MODEL, "new", "--verify").ends(DONE)
    assert not [name for name in everything("new") if name.endswith(".part")]


def test_what_another_conversion_writes_is_left_alone():
    process, reader = stopped_midway("new", "-f")
    held = everything("new")
    ovi("convert", MODEL, "new").ends(FAILED, "Another conversion is writing to 'new'", "choose another folder")
    assert everything("new") == held
    drain(reader)
    assert process.wait(LIMIT) == DONE
    ovi("convert", "--verify", "new").ends(DONE)


def test_files_that_may_not_grow():
    run = ovi("convert", MODEL, "new",
              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))  # fmt: skip
    run.ends(FAILED, "ulimit -f")
    assert files() == []


def test_a_disk_that_is_too_small():
    """In a namespace of mounts of its own, where the system lets one be made."""
    os.mkdir("disk")
    script = 'mount -t tmpfs -o size=3m none disk && "$@"; status=$?; ls -A disk; exit $status'
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        words = ["unshare", "--mount", "sh", "-c", script, "sh"]
        if subprocess.run([*words, "true"], capture_output=True).returncode != 0:
            print("no file system may be mounted here")
            return
    run = subprocess.run([*words, OVI, "convert", MODEL, "disk/new"], capture_output=True, text=True, timeout=LIMIT)
    assert run.returncode == FAILED and "free" in run.stderr and "needs 6.9 MiB" in run.stderr, run
    assert run.stdout == "", run


def test_an_older_engine():
    older = {"OVII2V_ENGINE_PATH": os.environ["FAKE_ENGINE"]}
    ovi("convert", MODEL, "new", environment=older).ends(FAILED, "is older than this program")


run_tests(globals())
