#!/usr/bin/python3
# What our libraries bring into a process has no name in common with LibTorch's, and shows nothing
# but its door.
# SPDX-License-Identifier: Apache-2.0
#
# symbols_test.py LIBTORCH ENGINE [LIBRARY...]: LIBTORCH is the folder with include/ and lib/; of the
# other libraries only what they show is looked at. What comes with GStreamer is the host's.
#
# The dynamic linker binds a name to the first library that has it, so that two definitions become
# one: a variable of another type is then written over its neighbours, a function does another's
# work. Of C++ the linker merges what every library may define (templates, inline functions, their
# types' data) on purpose; that is no clash as long as it is the same thing, which it is for the
# standard library's and for LibTorch's own headers, and not for a library of which each has a
# version (Protobuf, Abseil). Everything else with one name is a clash.
import collections
import functools
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

DOOR = {
    "libovii2v-engine.so.1": {
        "ovi_engine_abi_version", "ovi_engine_version", "ovi_engine_create", "ovi_engine_plan",
        "ovi_engine_generate", "ovi_engine_destroy", "ovi_engine_join", "ovi_cancel_new", "ovi_cancel_trigger",
        "ovi_cancel_reset", "ovi_cancel_free", "ovi_buffer_release",
        "ovi_engine_inspect", "ovi_engine_check_prompt", "ovi_engine_convert",
        "ovi_engine_verify", "ovi_engine_estimate",
        # The version of all of them.
        "OVII2V_ENGINE_1",
    },
    "libgstovii2v.so": {"gst_plugin_ovii2v_get_desc", "gst_plugin_ovii2v_register"},
    "libovii2v-cuda.so": {"ovii2v_cuda_table"},
    "libovii2v-nccl.so": {"ovii2v_nccl_backend_1"},
}  # fmt: skip
# Of the compiler and the C library: every process has one of each.
SYSTEM = re.compile(r"^(ld-linux.*|libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s|libatomic|linux-vdso)\.so")
TORCH = re.compile(r"^(libtorch|libc10)")
Symbol = collections.namedtuple("Symbol", "kind bind visibility defined")


def output(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def closure(library):
    """Name to path of everything that comes with a library, itself included."""
    found = {library.name: library}
    for line in output("ldd", library).splitlines():
        if (match := re.match(r"\s*(\S+) => (/\S+)", line)) is not None:
            found[match[1]] = pathlib.Path(match[2])
        assert "not found" not in line, line
    return found


@functools.cache
def symbols(library):
    """Dynamic symbols by name, without their versions."""
    found = {}
    for line in output("readelf", "--dyn-syms", "-W", library).splitlines():
        field = line.split()
        if len(field) >= 8 and field[0].rstrip(":").isdigit() and field[4] != "LOCAL":
            name = field[7].split("@")[0]
            entry = Symbol(field[3], field[4], field[5], field[6] != "UND")
            if name not in found or entry.defined:
                found[name] = entry
    return found


def is_weak(name, *both):
    """Vague linkage of C++: all who use it define it, weak or unique, with a mangled name."""
    return name.startswith("_Z") and all(symbol.bind in ("WEAK", "UNIQUE") for symbol in both if symbol.defined)


def is_one_thing(demangled):
    """Of the standard library's headers or LibTorch's alone."""
    return set(re.findall(r"(?<![\w:])(\w+)::", demangled)) <= {"std", "__gnu_cxx", "at", "c10", "torch", "caffe2"}


def clashes(ours, torch):
    """(name, ours, theirs) of definitions of ours that LibTorch would be bound to, or bind."""
    found = []
    for ours_path, defined in ours.items():
        for torch_path, theirs in torch.items():
            for name in defined.keys() & theirs.keys():
                if defined[name].defined:
                    found.append((name, ours_path, torch_path, is_weak(name, defined[name], theirs[name])))
    weak = sorted({name for name, _, _, weak in found if weak})
    readable = dict(zip(weak, output("c++filt", input="\n".join(weak)).splitlines()))
    return sorted((name, a, b) for name, a, b, weak in found if not weak or not is_one_thing(readable[name]))


def check(engine, folder):
    # What comes with our libraries and not with LibTorch's.
    torch_paths, brought = {}, {}
    for library in (folder / "lib").glob("*.so*"):
        if TORCH.match(library.name):
            torch_paths[library.name] = library
    torch_needs = {name for part in ("libtorch_cpu.so", "libc10.so") for name in closure(folder / "lib" / part)}
    for name, path in closure(engine).items():
        if not SYSTEM.match(name) and name not in torch_needs and name not in torch_paths:
            brought[name] = path
    assert engine.name in brought and len(torch_paths) >= 3, (brought, torch_paths)
    torch = {str(path): symbols(path) for path in torch_paths.values()}
    assert sum(map(len, torch.values())) > 10000, "no symbols of LibTorch"
    return brought, clashes({str(path): symbols(path) for path in brought.values()}, torch)


def check_finds(folder):
    """A library like the one that wrote over LibTorch's flags is found, however it defines the name."""
    with tempfile.TemporaryDirectory(prefix="ovi-symbols-") as work:
        work = pathlib.Path(work)
        for number, (text, clash) in enumerate((
            ("extern int FLAGS_minloglevel[8]; int FLAGS_minloglevel[8] = {1};", True),
            ("extern int FLAGS_minloglevel[8]; __attribute__((weak)) int FLAGS_minloglevel[8] = {1};", True),
            ("#include <vector>\ntemplate class std::vector<float>;", False),
            ("static int FLAGS_minloglevel = 1; int* ours(); int* ours() { return &FLAGS_minloglevel; }", False),
        )):  # fmt: skip
            source, brought, engine = work / f"{number}.cpp", work / f"libbrought{number}.so", work / f"libengine{number}.so"
            source.write_text(text)
            compiler = [*shlex.split(os.environ.get("CXX", "c++")), "-shared", "-fPIC", "-o"]
            output(*compiler, brought, source, f"-Wl,-soname,{brought.name}")
            source.write_text("")
            output(*compiler, engine, source, "-Wl,--no-as-needed", brought, f"-Wl,-rpath,{work}")
            found = check(engine, folder)[1]
            assert bool(found) == clash, (text, found)
            assert all(name == "FLAGS_minloglevel" for name, _, _ in found), found


def exported(library):
    # What the linker itself makes in some libraries is no door.
    linker = {"_init", "_fini", "_edata", "_end", "__bss_start"}
    return {name for name, symbol in symbols(library).items() if symbol.defined} - linker


if __name__ == "__main__":
    folder, engine, *others = map(pathlib.Path, sys.argv[1:])
    for library in (engine, *others):
        shown = exported(library)
        assert shown == DOOR[library.name], f"{library} shows {sorted(shown ^ DOOR[library.name])}"
    check_finds(folder)
    brought, found = check(engine, folder)
    print("brought along:", *sorted(brought))
    for name, ours, theirs in found:
        print(f"{name}: {ours} and {theirs}")
    sys.exit(f"{len(found)} names clash with LibTorch's" if found else 0)
