#!/usr/bin/python3
# A file that is no whole engine of this machine is an error when the element opens it, and never
# ends the process. Nor does the environment choose code for a program that has more rights.
# SPDX-License-Identifier: Apache-2.0
#
# engine_file_test.py ENGINE...: each is taken apart.
# engine_file_test.py --more-rights ENGINE: by a set-uid program, which only root can make (else skipped).
import os
import pathlib
import re
import shlex
import shutil
import stat
import struct
import subprocess
import sys
import tempfile

import opening

PLUGIN = pathlib.Path(os.environ["GST_PLUGIN_PATH"])


def check_refused(path, *parts, steps=("ready",)):
    for error in opening.run(*steps, env={"OVII2V_ENGINE_PATH": str(path)}):
        assert error, f"{path} was opened"
        assert error["domain"] == "gst-library-error-quark" and error["code"] == 3, error  # INIT
        assert "OVII2V_ENGINE_PATH" in error["text"] and str(path) in error["text"] + error["debug"], error
        for part in parts:
            assert part in error["text"] + error["debug"], f"no {part} in {error}"


def sections(engine):
    """Names, and where in the file: (offset, size) of those that are loaded from it."""
    text = subprocess.run(["readelf", "-SW", engine], check=True, capture_output=True, text=True).stdout
    rows = re.findall(r"\] (\.\S+) +(\S+) +[0-9a-f]{16} ([0-9a-f]+) ([0-9a-f]+) [0-9a-f]+ +(\w*)", text)
    return {name: (int(at, 16), int(size, 16)) for name, kind, at, size, flags in rows if "A" in flags and kind != "NOBITS"}


class Damage:
    """Copies of an engine with some bytes changed."""

    def __init__(self, engine, folder):
        self.bytes, self.path = engine.read_bytes(), folder / "libovii2v-engine.so"
        self.sections = sections(engine)

    def write(self, content):
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(content)
        return self.path

    def cut(self, size):
        return self.write(self.bytes[:size])

    def put(self, offset, content):
        return self.write(self.bytes[:offset] + content + self.bytes[offset + len(content) :])

    def zero(self, name):
        offset, size = self.sections[name]
        return self.put(offset, bytes(size))


def damaged(engine, folder):
    damage = Damage(engine, folder)
    whole = len(damage.bytes)
    os.environ["OVII2V_ENGINE_PATH"] = str(damage.cut(whole))
    assert (said := opening.run("ready")) == [None], f"a copy that is whole: {said}"

    for size in {0, 3, 16, 63, 64, 100, 4096, whole // 4, whole // 2, whole * 9 // 10, whole - 4096, whole - 1}:
        check_refused(damage.cut(size), "truncated" if size > 63 else "")
    # The same length, as after a copy that was broken off: the rest is zeros.
    for size in (64, 4096, whole // 2):
        check_refused(damage.write(damage.bytes[:size] + bytes(whole - size)))
    for name in (".gnu.hash", ".dynsym", ".dynstr", ".rela.dyn", ".rela.plt", ".init", ".plt", ".text",
                 ".eh_frame", ".gcc_except_table", ".dynamic"):  # fmt: skip
        if name in damage.sections:
            check_refused(damage.zero(name), "damaged" if name not in (".dynstr", ".dynsym") else "")
    # The end of a table that ends with zeros, and what is behind it.
    dynamic, size = damage.sections[".dynamic"]
    check_refused(damage.put(dynamic + size - 144, bytes(512)), "damaged")
    # A part of what the linker goes through.
    for name in (".dynsym", ".rela.dyn", ".eh_frame_hdr"):
        begin, size = damage.sections[name]
        for offset in (64, size // 2, size - 128):
            check_refused(damage.put(begin + offset, bytes(64)), "damaged")
    # A block of a disc in the middle of the code.
    text, size = damage.sections[".text"]
    check_refused(damage.put(text + size // 2, bytes(512)), "zeros in its code")
    # Numbers that point outside.
    for offset in (32, 40):  # program and section headers
        for value in (0, whole - 8, 1 << 40, (1 << 64) - 1):
            check_refused(damage.put(offset, struct.pack("<Q", value)))
    dynamic = damage.sections[".dynamic"][0]
    for entry in range(6, 26):
        (tag,) = struct.unpack_from("<Q", damage.bytes, dynamic + 16 * entry)
        if tag in (5, 6, 7, 23, 0x6FFFFEF5):  # STRTAB, SYMTAB, RELA, JMPREL, GNU_HASH
            for value in (whole * 4, (1 << 64) - 8):
                check_refused(damage.put(dynamic + 16 * entry + 8, struct.pack("<Q", value)), "damaged")
    relocations = damage.sections[".rela.dyn"][0]
    for value in (0x10, 1 << 40, (1 << 64) - 4):
        check_refused(damage.put(relocations, struct.pack("<Q", value)), "damaged")
    # Of another machine, of another class, of another byte order, a program.
    for offset, value in ((18, b"\x03\0"), (18, b"\xb7\0"), (18, b"\xf3\0"), (4, b"\1"), (5, b"\2")):
        if damage.bytes[offset : offset + len(value)] != value:
            check_refused(damage.put(offset, value), "another kind of machine")
    check_refused(damage.put(16, b"\2\0"), "no shared library")
    # The same element with what was wrong put right.
    assert opening.run("ready", env={"OVII2V_ENGINE_PATH": str(damage.cut(whole))}) == [None]


def strange(folder):
    """What else a path can name."""
    check_refused("/nonexistent/libovii2v-engine.so", "no such file")
    check_refused(folder, "is a folder")
    text = folder / "libtext.so"
    text.write_text("no library, and longer than the header of an ELF file, which has sixty-four bytes\n")
    check_refused(text, "is no library")
    check_refused(f"{text}/inside", "no such file")
    fifo = folder / "fifo.so"
    os.mkfifo(fifo)
    check_refused(fifo, "no regular file")
    check_refused("/dev/zero", "no regular file")
    loop = folder / "loop.so"
    loop.symlink_to(loop)
    check_refused(loop, "cannot be opened")
    check_refused(PLUGIN / "libgstovii2v.so", "no Ovi engine", "ovi_engine_abi_version")
    # As somebody who may not read it, whoever runs this.
    secret = folder / "secret.so"
    secret.write_bytes(b"x")
    secret.chmod(0)
    if os.geteuid() == 0:
        folder.chmod(0o755)
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        (error,) = opening.run("ready", env={"OVII2V_ENGINE_PATH": str(secret), "GST_REGISTRY": "/dev/null"}, prefix=prefix)
        assert error and "may not be read" in error["text"], error
    else:
        check_refused(secret, "may not be read")


def built(folder):
    """Libraries that are whole, and not what is needed."""
    compiler = shlex.split(os.environ.get("CC", "cc"))

    def build(name, text, *flags):
        source, target = folder / f"{name}.c", folder / f"{name}.so"
        source.write_text(text)
        subprocess.run([*compiler, "-shared", "-fPIC", "-o", target, source, *flags], check=True)
        return target

    names = """ovi_engine_version ovi_engine_create ovi_engine_plan ovi_engine_generate ovi_engine_destroy
        ovi_engine_join ovi_cancel_new ovi_cancel_trigger ovi_cancel_reset ovi_cancel_free ovi_buffer_release""".split()
    door = "".join(f"int {name}(void) {{ return 0; }}\n" for name in names)
    abi = "unsigned ovi_engine_abi_version(void) { return %d; }\n"
    for version in (0, 2, 4294967295):
        check_refused_version = build(f"abi{version}", door + abi.replace("%d", f"{version}u"))
        for error in opening.run("ready", "ready", env={"OVII2V_ENGINE_PATH": str(check_refused_version)}):
            assert error and error["code"] == 3 and f"interface version {version}," in error["text"], error
    check_refused(build("part", abi % 1 + door.replace("ovi_engine_plan", "ovi_engine_plans")), "lacks the function ovi_engine_plan")
    needed = build("needed", "int needed(void) { return 1; }\n", "-Wl,-soname,libneeded.so.1")
    lost = build("lost", door + abi % 1, "-Wl,--no-as-needed", needed)
    check_refused(lost, "libneeded.so.1", steps=("ready", "ready"))
    undefined = build("undefined", door + abi % 1 + "int lost_function(void); int ask(void) { return lost_function(); }\n", "-Wl,-z,now")
    check_refused(undefined, "lost_function")


def chosen(engine, folder):
    """Who may choose the code of a process."""
    # From here, never from where the linker looks.
    here, name = os.getcwd(), "libovii2v-engine.so.1"
    shutil.copy(engine, folder / name)
    os.chdir(folder)
    for path in (name, f"./{name}", f"../{folder.name}/{name}"):
        assert opening.run("ready", env={"OVII2V_ENGINE_PATH": path}) == [None], path
    os.chdir(here)
    (error,) = opening.run("ready", env={"OVII2V_ENGINE_PATH": name, "LD_LIBRARY_PATH": str(folder)})
    assert error and f"{here}/{name}: no such file" in error["debug"], error
    # Without it: beside the plug-in first (of a copy, there is none), then where LD_LIBRARY_PATH says,
    # which means the current folder in none of its forms.
    alone = folder / "alone" / "gst"
    alone.mkdir(parents=True)
    shutil.copy(PLUGIN / "libgstovii2v.so", alone)
    lonely = {"OVII2V_ENGINE_PATH": "", "GST_PLUGIN_PATH": str(alone), "GST_REGISTRY": str(folder / "alone.registry")}
    assert opening.run("ready", env={**lonely, "LD_LIBRARY_PATH": str(folder)}) == [None]
    os.chdir(folder)
    for folders in ("", ".", ":", f"{folder}/none:"):
        (error,) = opening.run("ready", env={**lonely, "LD_LIBRARY_PATH": folders})
        assert error and "could not be opened" in error["text"] and str(folder / name) not in error["debug"], error
    os.chdir(here)


def more_rights(engine, folder):
    """A program that the kernel starts with AT_SECURE, as a set-uid one, does not hear the user."""
    if os.geteuid() != 0:
        sys.exit(77)
    alone = folder / "gst"
    alone.mkdir()
    plugin = shutil.copy(PLUGIN / "libgstovii2v.so", alone)
    source, program = folder / "rights.c", folder / "rights"
    source.write_text(
        """#include <gst/gst.h>
#include <stdio.h>
#include <sys/auxv.h>
int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  GError *error = NULL;
  if (!gst_plugin_load_file(argv[1], &error)) return 3;
  GstElement *source = gst_element_factory_make("ovii2vsrc", NULL);
  char *model = NULL;
  g_object_get(source, "model-path", &model, NULL);
  printf("secure=%lu model=%s opened=%d\\n", getauxval(AT_SECURE), model ? model : "none",
         gst_element_set_state(source, GST_STATE_READY) == GST_STATE_CHANGE_SUCCESS);
  return 0;
}
"""
    )
    flags = shlex.split(
        subprocess.run(["pkg-config", "--cflags", "--libs", "gstreamer-1.0"], check=True, capture_output=True, text=True).stdout
    )
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-o", program, source, *flags], check=True)
    wishes = {**os.environ, "OVII2V_ENGINE_PATH": str(engine), "OVI_MODEL_PATH": "/models", "LD_LIBRARY_PATH": "",
              "GST_PLUGIN_PATH": "", "GST_REGISTRY": str(folder / "registry")}  # fmt: skip

    def say(**more):
        done = subprocess.run([program, plugin], env=wishes, capture_output=True, text=True, timeout=60, **more)
        return done.stdout.strip() or f"{done.returncode}: {done.stderr}"

    assert say() == "secure=0 model=/models opened=1", say()
    for path in (folder, alone):
        path.chmod(0o755)
    program.chmod(0o755 | stat.S_ISUID)
    said = say(user=65534, group=65534, extra_groups=[])
    assert said == "secure=1 model=none opened=0", said


if __name__ == "__main__":
    os.environ.pop("OVI_MODEL_PATH", None)
    if sys.argv[1] == "--more-rights":
        with tempfile.TemporaryDirectory(prefix="ovi-rights-") as work:
            more_rights(pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(work))
        sys.exit(0)
    engines = [pathlib.Path(path).resolve() for path in sys.argv[1:]]
    for engine in engines:
        with tempfile.TemporaryDirectory(prefix="ovi-engine-") as work:
            damaged(engine, pathlib.Path(work))
    with tempfile.TemporaryDirectory(prefix="ovi-engine-") as work:
        folder = pathlib.Path(work)
        strange(folder)
        built(folder)
        chosen(engines[0], folder)
    print("all well")
