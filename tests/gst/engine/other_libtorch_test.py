#!/usr/bin/python3
# Another LibTorch in the process is an error with a way out, the engine's own is shared.
# SPDX-License-Identifier: Apache-2.0
#
# other_libtorch_test.py FAKE_ENGINE_SOURCE INCLUDE: with made-up libraries, on a fake engine.
# other_libtorch_test.py: with LIBTORCH's own libraries on the engine of $OVII2V_ENGINE_PATH, and MODEL.
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

import opening


def build(target, source, *flags):
    target.parent.mkdir(parents=True, exist_ok=True)
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    subprocess.run(
        [*compiler, "-std=c++20", "-shared", "-fPIC", "-Wl,--build-id", "-o", target, *flags, source], check=True
    )
    return target


class Torch:
    """A folder like the wheel's, with libraries that hold one number each."""

    def __init__(self, folder, version=None, soname="libtorch_cpu.so", name="libtorch_cpu.so", value=1):
        source = folder.parent / f"{folder.name}.cpp"
        source.write_text(f'extern "C" {{ extern int made_up; int made_up = {value}; }}\n')
        self.cpu = build(folder / "lib" / name, source, f"-Wl,-soname,{soname}")
        if version:
            (folder / "version.py").write_text(f"debug = False\n__version__ = '{version}'\n")


def check_refused(error, *parts):
    assert error, f"opened: {parts}"
    assert error["domain"] == "gst-library-error-quark" and error["code"] == 3, error  # INIT
    for part in ("another LibTorch", "isolation=process", "LIBTORCH=", *map(str, parts)):
        assert part in error["text"], f"no {part} in: {error['text']}"
    assert error["text"].count("\n") == 0, error


def made_up(folder, engine_source, include):
    own = Torch(folder / "own", "2.11.0+cu130")
    engine = build(
        folder / "engine" / "libovii2v-engine.so", engine_source, f"-I{include}", f"-I{engine_source.parent}",
        "-fvisibility=hidden", "-Wl,--no-as-needed", own.cpu, f"-Wl,-rpath,{own.cpu.parent}",
    )  # fmt: skip
    plain = os.environ["OVII2V_ENGINE_PATH"]
    os.environ["OVII2V_ENGINE_PATH"] = str(engine)

    assert opening.run("ready", "clip") == [None, None]
    other = Torch(folder / "other", "1.13.1", value=2)
    for mode in ("global", "local"):
        (error,) = opening.run(f"{mode}:{other.cpu}", "ready")
        check_refused(error, other.cpu, "version 1.13.1", "version 2.11.0+cu130", own.cpu.parent)
        assert "libovii2v-engine.so: not opened" in error["debug"], error
        # In another process the engine has its own, whatever this one has.
        assert opening.run(f"{mode}:{other.cpu}", "isolated", "ready", "clip", "ready") == [None] * 3
        refused, fit = opening.run(f"{mode}:{other.cpu}", "ready", "isolated", "ready")
        check_refused(refused, other.cpu)
        assert fit is None, fit
    # The same element works when the other is gone.
    first, second = opening.run(f"local:{other.cpu}", "ready", f"close:{other.cpu}", "ready")
    check_refused(first, other.cpu)
    assert second is None, second

    nameless = Torch(folder / "nameless", None, "libc10.so", "libc10.so", value=3)
    check_refused(opening.run(f"global:{nameless.cpu}", "ready")[0], nameless.cpu, "unknown version")
    debian = Torch(folder / "debian", None, "libtorch_cpu.so.1.13", "libtorch_cpu.so.1.13", value=4)
    check_refused(opening.run(f"global:{debian.cpu}", "ready")[0], debian.cpu, "version 1.13)")
    repaired = Torch(folder / "repaired", None, "libc10-0f3a2b.so", "libc10-0f3a2b.so", value=5)
    check_refused(opening.run(f"global:{repaired.cpu}", "ready")[0], repaired.cpu)
    renamed = Torch(folder / "renamed", None, "libtorch_cpu.so", "plugin.so", value=6)
    check_refused(opening.run(f"global:{renamed.cpu}", "ready")[0], renamed.cpu)
    # What the folder says may be true of what came after what is loaded.
    for number, version in enumerate(("2.11.0+cu130", "2.10.0")):
        deleted = Torch(folder / f"deleted{number}", version, value=7 + number)
        (error,) = opening.run(f"global:{deleted.cpu}", f"rm:{deleted.cpu}", "ready")
        check_refused(error, deleted.cpu, "deleted since")

    # Its own: the same file, a copy, another build of the release.
    link = folder / "link"
    link.symlink_to(own.cpu.parent.parent)
    copy = folder / "copy" / "lib" / "libtorch_cpu.so"
    copy.parent.mkdir(parents=True)
    shutil.copy(own.cpu, copy)
    release = Torch(folder / "release", "2.11.0+cpu", value=9)
    for path in (own.cpu, link / "lib" / "libtorch_cpu.so", copy, release.cpu):
        for mode in ("global", "local"):
            assert opening.run(f"{mode}:{path}", "ready", "clip") == [None, None], path
    # Of other libraries none is taken for LibTorch.
    for number, name in enumerate(("libtorch_global_deps.so", "libtorchvision.so", "libc10d_tests.so", "libtorch.txt")):
        stranger = Torch(folder / f"stranger{number}", "1.0", name, name, value=20 + number)
        assert opening.run(f"global:{stranger.cpu}", "ready") == [None], name
    # An engine that needs none goes with any.
    assert opening.run(f"global:{other.cpu}", "ready", env={"OVII2V_ENGINE_PATH": plain}) == [None]


def real(folder):
    torch = pathlib.Path(os.environ["LIBTORCH"])
    cpu = torch / "lib" / "libtorch_cpu.so"
    # Loaded before and after the engine, as `import torch` does: by an extension that needs it. From
    # its own folder, a link to that, a copy of it.
    copy = folder / "copy" / "torch"
    (copy / "lib").mkdir(parents=True)
    (folder / "copy" / "nvidia").symlink_to(torch.resolve().parent / "nvidia")
    for library in (torch / "lib").glob("*.so*"):
        if library.name in ("libtorch_cpu.so", "libc10.so"):
            shutil.copy(library, copy / "lib")
        else:
            (copy / "lib" / library.name).symlink_to(library)
    link = folder / "link" / "torch"
    link.parent.mkdir()
    link.symlink_to(torch)
    source = folder / "extension.cpp"
    source.write_text('extern "C" int extension() { return 1; }\n')
    for number, path in enumerate((cpu, link / "lib" / "libtorch_cpu.so", copy / "lib" / "libtorch_cpu.so")):
        extension = build(
            folder / f"extension{number}.so", source, "-Wl,--no-as-needed", "-Wl,--unresolved-symbols=ignore-in-shared-libs",
            path, path.parent / "libc10.so", f"-Wl,--disable-new-dtags,-rpath,{path.parent}",
        )  # fmt: skip
        assert opening.run(f"global:{extension}", "clip") == [None], path
        assert opening.run("clip", f"global:{extension}", "clip") == [None, None], path
        assert opening.run(f"local:{path}", "clip") == [None], path
    for name in ("libtorch_cpu.so", "libc10.so"):
        other = Torch(folder / name, "1.13.1", name, name)
        check_refused(opening.run(f"global:{other.cpu}", "clip")[0], other.cpu, "version 1.13.1")
        assert opening.run(f"global:{other.cpu}", "isolated", "clip", "clip") == [None, None], name


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ovi-libtorch-") as work:
        if len(sys.argv) > 1:
            made_up(pathlib.Path(work), *map(pathlib.Path, sys.argv[1:]))
        else:
            real(pathlib.Path(work))
    print("all well")
