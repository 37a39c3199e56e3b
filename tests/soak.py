#!/usr/bin/env python3
# Does anything grow while an element works for long? Memory, descriptors, threads, processes.
# SPDX-License-Identifier: Apache-2.0
"""Runs the element in this process, looks at the process after each unit of work, and fits a line.

  soak.py --part chain|states|together --units N [--picture FILE]... [--model FOLDER]
          [--svg FILE] [--leak memory|descriptor|thread]

chain: a unit is a clip of one chain. states: a unit is NULL to PLAYING to NULL, in turn played to
its end, stopped while a clip is made, and ended by an error. together: a unit is a clip of eight
elements at once. The first third warms up; of the rest the line is the median of the slopes
between all pairs (Theil-Sen), which one late buffer does not move. Fails when a slope is over
its limit. --leak loses 100 KB, a descriptor or a thread in each unit, and expects to be found.

Environment: GST_PLUGIN_PATH, OVII2V_ENGINE_PATH. Needs OVI_FAKE_FRAMES for short clips of the
fake engine. --svg needs nothing but Python.
"""

import argparse
import ctypes
import gc
import os
import statistics
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

SECONDS = 120  # what one unit may take
LEAK_BYTES = 100_000
# Growth for each unit that is called flat.
LIMITS = {"memory, KB": 40.0, "descriptors": 0.1, "threads": 0.1, "processes": 0.1}
STEPS = int(os.environ.get("OVI_SOAK_STEPS", "2"))

libc = ctypes.CDLL(None)
leaked = []


def leak(kind):
    if kind == "memory":
        leaked.append(bytearray(os.urandom(LEAK_BYTES)))
    elif kind == "descriptor":
        leaked.append(os.open("/dev/null", os.O_RDONLY))
    elif kind == "thread":
        leaked.append(threading.Thread(target=threading.Event().wait, daemon=True))
        leaked[-1].start()


def children():
    count = 0
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children") as file:
                count += len(file.read().split())
        except FileNotFoundError:  # a thread that ended
            pass
    return count


def measure():
    gc.collect()
    libc.malloc_trim(0)  # what is free is no growth
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return (
        resident / 1000,
        len(os.listdir("/proc/self/fd")),
        len(os.listdir("/proc/self/task")),
        children(),
    )


class Run:
    """One pipeline on the element; what is not wanted of its bus is an error here."""

    def __init__(self, options, clips=1, picture=None):
        line = (
            f"ovii2vsrc name=s model-path={options.model} prompt=soak seed=1 steps={STEPS} num-clips={clips}"
            " s.video ! queue ! fakesink name=v sync=false s.audio ! queue ! fakesink sync=false"
        )
        self.pipeline = Gst.parse_launch(line)
        self.source = self.pipeline.get_by_name("s")
        if picture:
            self.source.set_property("image", picture)
        self.bus = self.pipeline.get_bus()

    def play(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        return self

    def until(self, wanted, stage=None):
        types = Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.PROGRESS
        while True:
            message = self.bus.timed_pop_filtered(SECONDS * Gst.SECOND, types)
            assert message, f"no {wanted} within {SECONDS} s"
            if message.type == Gst.MessageType.PROGRESS:
                if wanted == "progress" and message.parse_progress()[1] == stage:
                    return
            elif message.type == Gst.MessageType.EOS:
                assert wanted == "eos", f"EOS instead of {wanted}"
                return
            else:
                assert wanted == "error", message.parse_error()
                return

    def stop(self):
        self.pipeline.set_state(Gst.State.NULL)
        assert self.pipeline.get_state(SECONDS * Gst.SECOND)[1] == Gst.State.NULL
        self.bus.set_flushing(True)


def chain(options, sample):
    run = Run(options, options.units, next(options.pictures))
    counted = {"first": None}

    def clip_begins(_pad, info):
        # Each clip's first frame, told by its number in the chain.
        buffer = info.get_buffer()
        number = buffer.offset if buffer.offset != Gst.BUFFER_OFFSET_NONE else None
        if number is not None and number % options.frames == 0:
            sample()
        counted["first"] = number
        return Gst.PadProbeReturn.OK

    run.source.get_static_pad("video").add_probe(Gst.PadProbeType.BUFFER, clip_begins)
    run.play().until("eos")
    run.stop()
    assert counted["first"] is not None


def states(options, sample):
    for unit in range(options.units):
        kind = unit % 4
        os.environ.pop("OVI_FAKE_HOLD", None)
        picture = next(options.pictures)
        if kind == 2 and not options.real:
            os.environ["OVI_FAKE_HOLD"] = "generate"
        run = Run(options, picture="/nonexistent.png" if kind == 3 else picture).play()
        if kind == 2:
            run.until("progress", "generate")
        else:
            run.until("error" if kind == 3 else "eos")
        run.stop()
        del run
        sample()


def together(options, sample):
    for _ in range(options.units):
        runs = [Run(options, picture=next(options.pictures)) for _ in range(8)]
        for run in runs:
            run.play()
        for run in runs:
            run.until("eos")
        for run in runs:
            run.stop()
        del runs, run
        sample()


def slope(values):
    pairs = ((a, b) for a in range(len(values)) for b in range(a + 1, len(values)))
    return statistics.median((values[b] - values[a]) / (b - a) for a, b in pairs)


def draw(path, title, columns):
    """One curve a quantity, with its greatest value; the warm-up is grey."""
    width, height, left, top = 640, 110, 90, 34
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + left + 20}" height="{top + height * len(columns)}"'
        ' font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="{left}" y="20">{title}</text>',
    ]
    for row, (name, values) in enumerate(columns.items()):
        base, most = top + height * row + 80, max(max(values), 1)
        warm = left + width * (len(values) // 3) / len(values)
        out.append(f'<rect x="{left}" y="{base - 70}" width="{warm - left:.1f}" height="70" fill="#eeeeee"/>')
        points = " ".join(
            f"{left + width * i / max(1, len(values) - 1):.1f},{base - 66 * v / most:.1f}" for i, v in enumerate(values)
        )
        out.append(f'<polyline points="{points}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>')
        out.append(f'<line x1="{left}" y1="{base}" x2="{left + width}" y2="{base}" stroke="#888888"/>')
        out.append(f'<text x="4" y="{base - 50}">{name}</text><text x="4" y="{base - 34}">most {most:,.0f}</text>')
        out.append(f'<text x="{left}" y="{base + 14}">0</text>')
        out.append(f'<text x="{left + width}" y="{base + 14}" text-anchor="end">{len(values)}</text>')
    with open(path, "w") as file:
        file.write("\n".join(out) + "\n</svg>\n")


def cycle(pictures):
    while True:
        yield from pictures or [None]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["chain", "states", "together"], required=True)
    parser.add_argument("--units", type=int, required=True)
    parser.add_argument("--picture", action="append")
    parser.add_argument("--model", default=".")
    parser.add_argument("--real", action="store_true", help="a real engine, whose clips have --frames frames")
    parser.add_argument("--frames", type=int, default=int(os.environ.get("OVI_FAKE_FRAMES", "121")))
    parser.add_argument("--svg")
    parser.add_argument("--leak", choices=["memory", "descriptor", "thread"])
    options = parser.parse_args()
    options.pictures = cycle(options.picture)
    assert options.units >= 12, "fewer than 12 units say nothing"
    Gst.init(None)

    samples = []

    def sample():
        leak(options.leak)
        samples.append(measure())

    {"chain": chain, "states": states, "together": together}[options.part](options, sample)
    assert len(samples) == options.units, f"{len(samples)} of {options.units} units were looked at"

    columns = dict(zip(LIMITS, zip(*samples)))
    grown = []
    for name, values in columns.items():
        rest = values[len(values) // 3 :]
        found = slope(rest)
        ok = found <= LIMITS[name]
        grown += [] if ok else [name]
        print(
            f"{options.part}: {name}: {rest[0]:.0f} to {rest[-1]:.0f} in {len(rest)} units,"
            f" {found:+.3f} a unit (limit {LIMITS[name]}){'' if ok else '  GROWS'}"
        )
    if options.svg:
        draw(options.svg, f"{options.part}, {options.units} units", columns)
    if options.leak:
        wanted = {"memory": "memory, KB", "descriptor": "descriptors", "thread": "threads"}[options.leak]
        sys.exit(0 if wanted in grown else f"the lost {options.leak} was not found")
    sys.exit(1 if grown else 0)


main()
