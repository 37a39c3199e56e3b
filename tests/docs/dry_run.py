#!/usr/bin/python3
# A block of commands without what it would do: every program is this file, under the program's name.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import shutil
import subprocess
import sys

# What may stand in a block that is not run, and is not ours: nothing is done.
OTHERS = ["apt-get", "cargo", "curl", "docker", "ffplay", "git", "gst-play-1.0", "kubectl", "meson", "ninja",
          "pip", "mpirun", "ovii2v-worker", "ray", "sbatch", "srun", "sudo", "torchrun", "bwrap", "vlc"]  # fmt: skip
OURS = "ovi", "ovi-bench", "ovi-parity"
BUILT = {"ovi": "gst/tools/ovi", "ovi-bench": "tests/bench/ovi-bench", "ovi-parity": "tests/parity/ovi-parity"}
PLAIN = ["cat", "mkdir", "cd", "echo", "ls", "env", "timeout", "nproc", "true", "sed", "grep", "head", "dirname"]


def check(block, folder, environment, files=()):
    """Runs it; fails where a program is not known or does not take its words. `files` are blocks
    that the page has written to files before."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    this = pathlib.Path(__file__).resolve()
    for name in [*OTHERS, *OURS, "gst-launch-1.0", "gst-inspect-1.0"]:
        (folder / "bin" / name).symlink_to(this)
    for name in PLAIN:
        if found := shutil.which(name):
            (folder / "bin" / name).symlink_to(found)
    source = this.parents[2]
    for room in "examples", "tests", "docs":
        for path in (source / room).rglob("*"):
            if path.is_file() and os.access(path, os.X_OK) and path.suffix in (".sh", ".py"):
                at = folder / path.relative_to(source)
                at.parent.mkdir(parents=True, exist_ok=True)
                at.symlink_to(this)
    for name, way in BUILT.items():
        at = folder / "build" / way
        at.parent.mkdir(parents=True, exist_ok=True)
        at.symlink_to(this)
    farm = folder / ".deps" / "farm" / "bin"
    farm.mkdir(parents=True)
    for name in "python", "ray":
        (farm / name).symlink_to(this)
    for one in files:
        at = folder / one.file
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(one.text)
    given = {**environment, "PATH": str(folder / "bin"), "DRY_ROOT": str(folder), "DRY_PATH": environment["PATH"]}
    bash = shutil.which("bash")
    done = subprocess.run([bash, "-euc", block.text], cwd=folder, env=given, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 0, f"{block}:\n{done.stdout}{done.stderr}"


def options(words):
    """--long and -x, without their values."""
    return [word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)]


def takes(command, words, help_words):
    """Fails where its help does not tell of an option that it is given."""
    told = subprocess.run([*command, *help_words], capture_output=True, text=True, timeout=60)
    text = told.stdout + told.stderr
    if "--help" in help_words and told.returncode and pathlib.Path(command[0]).name == "ovi":
        sys.exit(text)
    for option in options(words):
        if not re.search(rf"(?<![\w-]){re.escape(option)}\b", text):
            sys.exit(f"{' '.join(command)} has no option {option}:\n{text}")


def launch(words):
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import GLib, Gst

    Gst.init(None)
    while words and words[0].startswith("-"):
        words = words[1:]
    try:
        Gst.parse_launchv(words)
    except GLib.Error as problem:
        # An element that needs a plug-in which is not here is no mistake of the page.
        if not problem.matches(Gst.ParseError.quark(), Gst.ParseError.NO_SUCH_ELEMENT):
            sys.exit(f"gst-launch-1.0: {problem.message}")
        if "ovii2v" in problem.message:
            sys.exit(problem.message)


def stand_in():
    root = pathlib.Path(os.environ["DRY_ROOT"])
    os.environ["PATH"] = os.environ["DRY_PATH"]
    program, words = pathlib.Path(os.path.abspath(sys.argv[0])), sys.argv[1:]
    source = pathlib.Path(__file__).resolve().parents[2]
    build = pathlib.Path(os.environ["BUILD"])
    os.environ["GST_PLUGIN_PATH"] = str(build / "gst")
    if program.name == "gst-launch-1.0":
        launch(words)
    elif program.name == "ovi":
        takes([str(build / BUILT["ovi"]), words[0]], words[1:], ["--help"])
    elif program.name in OURS:
        takes([str(build / BUILT[program.name])], words, ["--help"])
    elif program.parent == root / "bin":
        pass
    elif program.name == "python" and words:
        script = source / words[0]
        if not script.is_file():
            sys.exit(f"there is no {words[0]}")
    elif program.is_relative_to(root):
        script = source / program.relative_to(root)
        if ".deps" in program.parts:
            return
        if script.suffix == ".py":
            takes(["/usr/bin/python3", str(script)], words, ["--help"])
        else:
            text = script.read_text()
            subprocess.run(["/usr/bin/bash", "-n", str(script)], check=True)
            for option in options(words):
                if option not in text:
                    sys.exit(f"{script} knows no {option}")


if __name__ == "__main__":
    stand_in()
