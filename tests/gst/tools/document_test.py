# What is written about `ovi` is so: the README's lines run, and every option is told everywhere.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import re
import shutil
import subprocess

from tool import DONE, MODEL, OVI, PICTURE, ovi, run_tests, streams

SOURCE = pathlib.Path(os.environ["SOURCE"])
TOOLS = SOURCE / "gst" / "tools"
COMMANDS = "make", "again", "fetch", "check", "convert", "prompt"


def options(command):
    """{"--output": "-o", ...} of the command's own help."""
    told = ovi(command, "--help").ends(DONE).out.split("Application Options:")[1]
    found = re.findall(r"^  (?:(-\w), )?(--[\w-]+)", told, re.M)
    assert len(found) >= 3, told
    return {long: short for short, long in found}


def test_the_lines_of_the_readme():
    text = (SOURCE / "README.md").read_text().replace("\\\n", " ")
    lines = re.findall(r"^build/gst/tools/(ovi make .*)$", text, re.M)
    assert lines
    shutil.copy(PICTURE, "picture.jpg")
    os.symlink(MODEL if os.path.isabs(MODEL) else os.getcwd(), "ckpts")
    for line in lines:
        subprocess.run(["sh", "-euc", line.replace("ovi", '"$OVI"', 1)], check=True, timeout=60)
        assert streams("clip.mp4") == ["aac", "h264"]


def test_the_man_page_has_every_option():
    page = (TOOLS / "ovi.1").read_text().replace("\\-", "-")
    for command in COMMANDS:
        for long, short in options(command).items():
            assert re.search(rf"{long}\b", page), (command, long)
            assert not short or re.search(rf"{short}\b", page), (command, short)
    if shutil.which("groff"):
        told = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", TOOLS / "ovi.1"],
                              capture_output=True, text=True, check=True)  # fmt: skip
        assert not told.stderr, told.stderr


def complete(*words):
    """What bash offers for the last word."""
    script = """
        . "$1"; shift
        compopt() { :; }
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _ovi; printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = f"{os.path.dirname(OVI)}:{os.environ['PATH']}"
    told = subprocess.run(
        ["bash", "-euc", script, "bash", TOOLS / "completion" / "ovi.bash", *words],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert not told.stderr, told.stderr
    return told.stdout.split()


def test_completion_in_bash():
    for command in COMMANDS:
        told = set(complete("ovi", command, "--"))
        assert told == {*options(command), "--help"}, (command, told ^ {*options(command)})
    assert complete("ovi", "m") == ["make"]
    assert "solver=" in complete("ovi", "make", "-p", "s")
    assert complete("ovi", "make", "-p", "solver", "=", "") == ["unipc", "dpm++", "euler"]
    assert complete("ovi", "make", "-p", "solver", "=") == ["unipc", "dpm++", "euler"]
    assert complete("ovi", "make", "--format", "=", "w") == ["webm", "wav"]
    assert complete("ovi", "check", "--memory", "s") == ["stream"]
    assert complete("ovi", "fetch", "--variant", "=", "a") == ["all"]
    pathlib.Path("picture.png").touch()
    assert complete("ovi", "make", "pic") == ["picture.png"]


def test_completion_in_zsh_has_every_option():
    text = (TOOLS / "completion" / "_ovi").read_text()
    for command in COMMANDS:
        for long in options(command):
            assert long in text, (command, long)
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n", TOOLS / "completion" / "_ovi"], check=True)


run_tests(globals())
