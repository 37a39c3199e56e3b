#!/usr/bin/python3
"""What isolation=process costs: seconds from PAUSED to the end, from NULL to READY, and MiB, beside the
engine in the process itself.

usage: isolation.py [--model FOLDER] [--runs N] [--frames N --side PIXELS] [--steps N] [--json FILE]

--frames and --side: with the tests' fake engine (OVII2V_ENGINE_PATH), whose frames cost next to nothing.
GST_PLUGIN_PATH names the plug-in's folder. Each run is a process of its own; the seconds are medians.
"""
# SPDX-License-Identifier: Apache-2.0
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time


def peak(process):
    """MiB: resident at most; memory of its own now; clips in shared memory that it has mapped."""
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines())
    mib = {name: int(fields[name].split()[0]) / 1024 for name in ("VmHWM", "RssAnon")}
    shared = 0
    for line in pathlib.Path(f"/proc/{process}/maps").read_text().splitlines():
        if "/memfd:ovii2v" in line:
            begin, end = (int(address, 16) for address in line.split()[0].split("-"))
            shared += end - begin
    return {"peak": mib["VmHWM"], "own": mib["RssAnon"], "shared": shared / 2**20}


def machine():
    model = [line.partition(": ")[2] for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return {"processor": model[0].strip() if model else "", "cores": os.cpu_count(), "load": os.getloadavg()[0]}


def children():
    return [int(child) for task in pathlib.Path("/proc/self/task").iterdir()
            for child in (task / "children").read_text().split()]  # fmt: skip


def one_run(options):
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    size = f"width={options.side} height={options.side}" if options.side else ""
    pipeline = Gst.parse_launch(
        f"ovii2vsrc name=s prompt=x seed=1 device=cpu slg-layer=1 steps={options.steps} {size} isolation={options.isolation} "
        # What comes out is read, as an encoder would.
        "s.video ! video/x-raw,format=I420 ! videoconvert ! video/x-raw,format=NV12 ! fakesink sync=false s.audio ! fakesink sync=false"
    )
    pipeline.get_by_name("s").set_property("model-path", options.model)
    measured = {}
    begin = time.monotonic()
    pipeline.set_state(Gst.State.READY)
    measured["ready"] = time.monotonic() - begin
    # The second clip is one with everything loaded.
    for name in ("first clip", "next clip"):
        begin = time.monotonic()
        pipeline.set_state(Gst.State.PLAYING)
        said = pipeline.get_bus().timed_pop_filtered(600 * Gst.SECOND, Gst.MessageType.ERROR | Gst.MessageType.EOS)
        assert said and said.type == Gst.MessageType.EOS, said and said.parse_error()
        measured[name] = time.monotonic() - begin
        if name == "next clip":
            own, workers = peak("self"), [peak(child) for child in children()]
            measured["application"] = own
            measured["worker"] = workers[0] if workers else None
        pipeline.set_state(Gst.State.READY)
    pipeline.set_state(Gst.State.NULL)
    print(json.dumps(measured))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=".")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--side", type=int)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--json")
    parser.add_argument("--isolation", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if bool(options.frames) != bool(options.side):
        parser.error("--frames and --side go together")
    if options.isolation:
        return one_run(options)
    environment = dict(os.environ)
    if options.frames:
        environment |= {"OVI_FAKE_FRAMES": str(options.frames), "OVI_FAKE_MOST_SIDE": str(options.side)}
    results = {"none": [], "process": []}
    for _ in range(options.runs):  # in turn: the machine's other work falls on both
        for isolation, runs in results.items():
            done = subprocess.run([sys.executable, *sys.argv, "--isolation", isolation], env=environment,
                                  capture_output=True, text=True)  # fmt: skip
            assert done.returncode == 0, done.stderr
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    table = {}
    for isolation, runs in results.items():
        table[isolation] = {name: round(statistics.median(run[name] for run in runs), 3)
                            for name in ("ready", "first clip", "next clip")}  # fmt: skip
        for who in ("application", "worker"):
            if runs[0][who]:
                table[isolation][who] = {name: round(statistics.median(run[who][name] for run in runs), 1)
                                         for name in runs[0][who]}  # fmt: skip
        print(isolation, table[isolation])
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"machine": machine(), "options": vars(options), "medians": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
