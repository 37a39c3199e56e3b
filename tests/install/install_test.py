#!/usr/bin/python3
# Installed, and the source tree, the build and LibTorch out of sight: the command, clips, programs built by
# pkg-config alone, one of them with the first header of this interface; and the plugin says whose it is.
# SPDX-License-Identifier: Apache-2.0
#
# Environment: MESON, CC, BUILD (what is installed), SOURCE, PREFIX, LIBDIR, LIBTORCH, VERSION, RELEASED. The tree is
# hidden by a file system mounted over it, seen by this test alone: takes root, or user namespaces; without either the
# test is skipped.
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

HIDER = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
BEGAN = time.monotonic()
PROMPT = "She says, <S>Hello.<E> <AUDCAP>A soft chord.<ENDAUDCAP>"


def output(*command, **more):
    done = subprocess.run([str(one) for one in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    assert done.returncode == 0, f"{shlex.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def elf_files(folder):
    return [one for one in sorted(folder.rglob("*")) if one.is_file() and not one.is_symlink() and one.open("rb").read(4) == b"\x7fELF"]


# --- before it is hidden --------------------------------------------------------------------------------


def check_files(prefix, libdir):
    engine = prefix / libdir / "ovii2v"
    for file in (
        "bin/ovi", f"{libdir}/gstreamer-1.0/libgstovii2v.so", f"{libdir}/ovii2v/libovii2v-engine.so",
        f"{libdir}/ovii2v/ovii2v-worker", f"{libdir}/ovii2v/ovii2v-picture", f"{libdir}/pkgconfig/ovii2v-engine.pc",
        "include/ovi/engine.h", "include/ovi/inspect.h", "include/ovi/convert.h", "share/man/man1/ovi.1",
        "share/bash-completion/completions/ovi", "share/zsh/site-functions/_ovi", "share/doc/ovii2v/LICENSE",
        "share/doc/ovii2v/README.md", "share/ovii2v/examples/graphs/mkv.sh", "share/ovii2v/examples/astronaut.png",
        "share/ovii2v/examples/demo-model/ovi.json", "share/ovii2v/examples/channel.conf",
        "lib/systemd/system/ovii2v-channel@.service",
    ):  # fmt: skip
        assert (prefix / file).exists(), f"{file} was not installed"
    cuda = pathlib.Path(os.environ["BUILD"], "engine/kernels/libovii2v-cuda.so")
    assert (engine / cuda.name).exists() == cuda.exists(), "libovii2v-cuda.so"

    # The interface's number is in the library's name and in every symbol's version.
    abi = re.search(r"#define OVI_ENGINE_ABI (\d+)u", (prefix / "include/ovi/engine.h").read_text())[1]
    library = (engine / "libovii2v-engine.so").resolve()
    assert f"[libovii2v-engine.so.{abi}]" in output("readelf", "-d", library)
    names = re.findall(r" (ovi_\w+)(\S*)$", output("readelf", "--dyn-syms", "-W", library), re.MULTILINE)
    assert len(names) >= 11 and {version for _, version in names} == {f"@@OVII2V_ENGINE_{abi}"}, names

    # No file knows where it was made, but those that link LibTorch where that lies: in messages of its headers, and
    # to find it.
    torch = os.environ["LIBTORCH"]
    linked = {library: "$ORIGIN:"}
    if (engine / "libovii2v-nccl.so").exists():
        linked[engine / "libovii2v-nccl.so"] = ""
    for one, first in linked.items():
        runpath = re.search(r"RUNPATH.*\[(.*)\]", output("readelf", "-d", one))[1]
        assert runpath in (f"{first}$ORIGIN/torch/lib:{torch}/lib", f"{first}$ORIGIN/torch/lib"), (one, runpath)
    for file in (one for one in prefix.rglob("*") if one.is_file()):
        content = file.read_bytes()
        if file.resolve() in linked:
            content = content.replace(torch.encode(), b"")
        for folder in (os.environ["BUILD"], os.environ["SOURCE"], torch):
            assert folder.encode() not in content, f"{file} names {folder}"


def main():
    if subprocess.run([*HIDER, "true"], capture_output=True).returncode != 0:
        print("Neither root nor user namespaces: nothing can be hidden.")
        return 77
    prefix, libdir = (os.environ[name] for name in ("PREFIX", "LIBDIR"))
    with tempfile.TemporaryDirectory(prefix="ovi-install-") as work:
        work = pathlib.Path(work).resolve()
        output(os.environ["MESON"], "install", "-C", os.environ["BUILD"], "--no-rebuild", "--destdir", work / "root")
        # Elsewhere than it was made for: all of it finds the rest from where it lies.
        moved = work / "moved"
        (work / "root" / prefix.lstrip("/")).rename(moved)
        check_files(moved, libdir)

        # With LibTorch beside it, as -Dbundle_libtorch=true installs it.
        source = pathlib.Path(os.environ["SOURCE"])
        output(source / "packaging/libtorch.py", "copy", os.environ["LIBTORCH"], moved / libdir / "ovii2v",
               "--licences", moved / "share/doc/ovii2v/licences")  # fmt: skip
        assert list((moved / "share/doc/ovii2v/licences").glob("torch-*/LICENSE"))

        for name in ("clip.c", "first_header"):
            copy = shutil.copytree if (source / "tests/install" / name).is_dir() else shutil.copy
            copy(source / "tests/install" / name, work / name)
        shutil.copy(__file__, work / "install_test.py")
        clean = {name: os.environ[name] for name in ("BUILD", "SOURCE", "LIBTORCH", "LIBDIR", "VERSION", "RELEASED", "CC")}
        clean |= {"PATH": "/usr/bin:/bin", "HOME": str(work), "TMPDIR": str(work), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1",
                  "CUDA_VISIBLE_DEVICES": "", "GST_REGISTRY": str(work / "registry"), "G_DEBUG": "fatal-criticals"}  # fmt: skip
        done = subprocess.run([*HIDER, sys.executable, work / "install_test.py", "hidden", work], env=clean, cwd="/")
        return done.returncode


# --- while it is hidden -------------------------------------------------------------------------------------


def hide():
    for name in ("SOURCE", "BUILD", "LIBTORCH"):
        folder = os.environ[name]
        if os.path.isdir(folder):
            output("mount", "-t", "tmpfs", "-o", "size=1m", "hidden", folder)
        assert not os.path.isdir(folder) or not os.listdir(folder), f"{folder} can still be seen"


def step(text):
    print(f"[{time.monotonic() - BEGAN:.0f} s] {text}", flush=True)


def check_command(prefix, libdir, work):
    ovi, model = prefix / "bin/ovi", prefix / "share/ovii2v/examples/demo-model"
    version = os.environ["VERSION"]
    told = output(ovi, "--version")
    step(told.strip())
    for line in (f"ovi {version}", f"plug-in ovii2v {version} ({prefix}/{libdir}/gstreamer-1.0/libgstovii2v.so)",
                 f"engine {version} ({prefix}/{libdir}/ovii2v/libovii2v-engine.so.1)"):  # fmt: skip
        assert line in told, f"no {line!r} in: {told}"
    output(ovi, "check", "-m", model, "--device", "cpu", "--no-probe")
    step("checked")
    for isolation in ("none", "process"):
        clip = work / f"{isolation}.wav"
        output(ovi, "make", prefix / "share/ovii2v/examples/astronaut.png", PROMPT, "-m", model, "-s", "1", "--steps", "1",
               "-p", "slg-layer=1", "-p", f"isolation={isolation}", "-o", clip)  # fmt: skip
        assert clip.stat().st_size > 32768, clip
        step(f"made with isolation={isolation}")
    assert (work / "none.wav").read_bytes()[-30000:] == (work / "process.wav").read_bytes()[-30000:]
    completed = output("bash", "-c", f"source {prefix}/share/bash-completion/completions/ovi; COMP_WORDS=(ovi ma) COMP_CWORD=1; "
                       "_ovi; echo ${COMPREPLY[@]}")  # fmt: skip
    assert completed.split() == ["make"], completed


def check_plugin(prefix, libdir, work):
    os.environ["GST_PLUGIN_PATH"] = str(prefix / libdir / "gstreamer-1.0")
    told = output("gst-inspect-1.0", "ovii2v")
    step("inspected")
    for name, value in (("Version", os.environ["VERSION"]), ("Source release date", os.environ["RELEASED"]), ("Origin URL", r"\S.*"),
                        ("Binary package", r"\S.*"), ("License", "Apache 2.0")):  # fmt: skip
        assert re.search(rf"{name} +{value}", told), f"{name} is not {value} in: {told}"
    assert "Unknown" not in told, told
    # The graphs take the installed plugin, and the model and the picture beside them.
    clip = work / "clip.mkv"
    output(prefix / "share/ovii2v/examples/graphs/mkv.sh", clip, env={**os.environ, "SETTINGS": "steps=1 slg-layer=1"})
    step("made by a graph")
    record = output(prefix / "bin/ovi", "again", "--show", clip)
    assert "astronaut" in record, record


def check_programs(prefix, libdir, work):
    os.environ["PKG_CONFIG_PATH"] = str(prefix / libdir / "pkgconfig")
    flags = shlex.split(output("pkg-config", "--cflags", "--libs", "ovii2v-engine"))
    assert output("pkg-config", "--modversion", "ovii2v-engine").strip() == os.environ["VERSION"]
    strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    compiler = [one for one in shlex.split(os.environ["CC"]) if "ccache" not in one]
    told = []
    for name, first in (("new", []), ("first", [f"-I{work}/first_header"])):
        program = work / f"clip-{name}"
        output(*compiler, *strict, *first, work / "clip.c", "-o", program, *flags)
        told.append(output(program, prefix / "share/ovii2v/examples/demo-model"))
        step(f"built with the {name} header: {told[-1].strip()}")
    assert told[0] == told[1] and f"engine {os.environ['VERSION']}, interface 1," in told[0], told
    # Every header is whole by itself, in C and in C++.
    for header in sorted((prefix / "include/ovi").iterdir()):
        for language in ("c", "c++"):
            output(*compiler, *flags[:1], "-Wall", "-Werror", "-x", language, "-fsyntax-only", "-", input=f"#include <ovi/{header.name}>\n")


def hidden(work):
    hide()
    prefix, libdir = work / "moved", os.environ["LIBDIR"]
    check_command(prefix, libdir, work)
    check_programs(prefix, libdir, work)
    check_plugin(prefix, libdir, work)
    print("all well")


if __name__ == "__main__":
    if sys.argv[1:2] == ["hidden"]:
        hidden(pathlib.Path(sys.argv[2]))
    else:
        sys.exit(main())
