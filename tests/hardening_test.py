#!/usr/bin/python3
# Every library and program that is installed has what makes a fault in it harder to use.
# SPDX-License-Identifier: Apache-2.0
#
# hardening_test.py [--fortified COMMANDS] [--installed LIBTORCH] FILE...: --fortified where calls of the
# C library are checked (a build with optimisation, no sanitizer): the compiler finds few that need it, so
# the build's compile_commands.json is what is looked at, for all of gst/ and engine/; --installed looks at RUNPATH too, in
# which $ORIGIN, $ORIGIN/torch/lib and LIBTORCH/lib may stand. A folder means all ELF files in it.
import argparse
import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def is_elf(path):
    return path.is_file() and not path.is_symlink() and path.open("rb").read(4) == b"\x7fELF"


def has_landing_places(path, segments, symbols):
    """Whether ENDBR64 stands where what is shown begins, or in many places of a program that shows nothing.

    The note that says so is lost where the C library's own objects have none, as in Debian.
    """
    content, mark = path.read_bytes(), b"\xf3\x0f\x1e\xfa"
    loads = [tuple(int(x, 16) for x in row) for row in re.findall(r"LOAD +(\S+) +(\S+) +\S+ +(\S+)", segments)]
    # Those of the linker's own are no functions of ours.
    begins = [int(at, 16) for at, name in re.findall(r": ([0-9a-f]{16}) +\d+ FUNC +GLOBAL +DEFAULT +\d+ (\w+)", symbols)
              if name not in ("_init", "_fini", "_start")]  # fmt: skip
    if not begins:
        return content.count(mark) > 8
    return all(
        any(at <= begin < at + size and content[offset + begin - at :][:4] == mark for offset, at, size in loads)
        for begin in begins
    )


def faults(path, libtorch=None, cuda=False):
    """What is missing."""
    segments, dynamic = output("readelf", "-lW", path), output("readelf", "-dW", path)
    symbols = output("readelf", "--dyn-syms", "-W", path)
    missing = []

    def expect(holds, name):
        if not holds:
            missing.append(name)

    expect("Elf file type is DYN" in segments, "position-independent code")
    expect("GNU_RELRO" in segments, "GNU_RELRO")
    expect(re.search(r"\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*\bNOW\b|\(BIND_NOW\)", dynamic), "BIND_NOW")
    stack = re.search(r"GNU_STACK +\S+ +\S+ +\S+ +\S+ +\S+ +([RWE ]+)", segments)
    expect(stack and "E" not in stack[1], "GNU_STACK without E")
    loads = re.findall(r"LOAD +\S+ +\S+ +\S+ +\S+ +\S+ +([RWE ]+?) +0x", segments)
    expect(loads and not any("W" in flags and "E" in flags for flags in loads), "no writable code")
    expect("TEXTREL" not in dynamic, "no TEXTREL")
    if not cuda:  # nvcc's runtime is NVIDIA's, and the rest calls nothing
        expect("__stack_chk_fail" in symbols, "__stack_chk_fail")
        if "X86-64" in output("readelf", "-hW", path):
            expect(has_landing_places(path, segments, symbols), "landing places (-fcf-protection)")
    if libtorch is not None:
        for folder in re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic):
            for place in folder.split(":"):
                expect(place in ("$ORIGIN", "$ORIGIN/torch/lib", f"{libtorch}/lib"), f"a RUNPATH without {place!r}")
    return missing


def unchecked(commands):
    """The sources of what is installed that were compiled without a flag."""
    wanted = ("-D_FORTIFY_SOURCE=", "-fstack-protector-strong", "-fstack-clash-protection")
    ours = [one for one in json.loads(commands.read_text()) if re.search(r"/(gst|engine)/.*\.(c|cpp)$", one["file"]) and "/tests/" not in one["file"]]
    assert len(ours) > 20, f"{commands} names {len(ours)} sources"
    lacking = [one["file"] for one in ours if not all(flag in one["command"] for flag in wanted)]
    for file in lacking:
        print(f"{file}: compiled without one of {wanted}")
    return lacking


def check_finds():
    """A library made without each is found."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    whole = ["-O2", "-fPIC", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-fcf-protection",
             "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]  # fmt: skip
    cases = [
        ([], []),
        (["-fno-stack-protector"], ["__stack_chk_fail"]),
        (["-fcf-protection=none"], ["landing places (-fcf-protection)"]),
        (["-Wl,-z,norelro"], ["GNU_RELRO"]),
        (["-Wl,-z,lazy"], ["BIND_NOW"]),
        (["-Wl,-z,execstack"], ["GNU_STACK without E"]),
        (["-Wl,-rpath,/home/me/build"], ["a RUNPATH without '/home/me/build'"]),
        (["-Wl,-rpath,$ORIGIN:$ORIGIN/torch/lib:/opt/torch/lib"], []),
    ]
    if os.uname().machine != "x86_64":
        whole.remove("-fcf-protection")
        del cases[2]
    with tempfile.TemporaryDirectory(prefix="ovi-hardening-") as work:
        source, library = pathlib.Path(work) / "part.c", pathlib.Path(work) / "part.so"
        source.write_text(
            "#include <string.h>\nint part(const char *text);\nint part(const char *text) {\n"
            "  char copy[16];\n  strcpy(copy, text);\n  return copy[3];\n}\n"
        )
        for flags, expected in cases:
            output(*compiler, "-shared", "-o", library, source, *whole, *flags)
            found = faults(library, "/opt/torch")
            assert found == expected, (flags, found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fortified", metavar="COMMANDS", type=pathlib.Path)
    parser.add_argument("--installed", metavar="LIBTORCH")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    asked = parser.parse_args()
    check_finds()
    files = []
    for path in asked.files:
        files += [one for one in sorted(path.rglob("*")) if is_elf(one)] if path.is_dir() else [path]
    assert files, "nothing to look at"
    wrong = len(unchecked(asked.fortified)) if asked.fortified else 0
    for path in files:
        missing = faults(path, asked.installed, cuda=path.name == "libovii2v-cuda.so")
        print(f"{path}: {'lacks ' + ', '.join(missing) if missing else 'well'}")
        wrong += bool(missing)
    raise SystemExit(wrong)
