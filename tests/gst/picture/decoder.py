"""Runs ovii2v-picture and reads its answer (gst/picture/answer.h)."""
import os
import struct
import subprocess
from typing import NamedTuple

PICTURE, NOT_A_PICTURE, BROKEN, TOO_LARGE, NO_DECODER, NO_MEMORY, FAILED = range(7)
NAMES = ["picture", "not a picture", "broken", "too large", "no decoder", "no memory", "failed"]


class Answer(NamedTuple):
    outcome: int
    width: int
    height: int
    text: str
    rgb: bytes
    seconds: float  # of processor time


def decode(program, path, *options):
    """What the program says of a file; raises where it dies or says too much or too little."""
    begin = os.times()
    with open(path, "rb") as file:
        done = subprocess.run([program, *options], stdin=file, capture_output=True, timeout=60)
    end = os.times()
    seconds = end.children_user + end.children_system - begin.children_user - begin.children_system
    if done.returncode:
        raise AssertionError(f"{path}: status {done.returncode}, {done.stderr[-2000:].decode()}")
    magic, outcome, width, height, size = struct.unpack_from("<IIIII", done.stdout)
    text = done.stdout[20:20 + size].decode()
    rgb = done.stdout[20 + size:]
    assert magic == 0x3150564F and outcome <= FAILED, f"{path}: {done.stdout[:20]!r}"
    assert len(rgb) == (width * height * 3 if outcome == PICTURE else 0), path
    assert (outcome == PICTURE) == (not text), f"{path}: {text}"
    return Answer(outcome, width, height, text, rgb, seconds)
