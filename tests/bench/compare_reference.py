#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""This engine on a CPU beside character-ai's Ovi in Python: same machine, same weights, float32.

    tests/bench/compare_reference.py --reference PATH/TO/Ovi --python PYTHON \
        --ovi-bench build/tests/bench/ovi-bench --model tiny --model middle --json out.json

PYTHON is an interpreter with what the reference's modules import: torch, diffusers, transformers,
sentencepiece, einops, ftfy, regex, omegaconf, safetensors, huggingface_hub, easydict, tqdm.

A model is `tiny` (the one of the tests), `middle` (made here by the reference's own modules and
their own initialisation, in the layout that users download) or a folder. For each, both programs
run alternately, each time in a new process that loads the model and makes one clip, with the same
number of threads. Times begin after a program has started and imported what it needs. A first
pair of runs, not timed, warms the file cache and compares the latents, the frames and the sound.
The exit status is 1 when they do not agree, or with --check when the engine makes the clip less
than 1.3 times as fast (loading apart) or takes more memory in all.

What is changed about the reference is said in reference_side.py.
"""

import argparse
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

from reference_side import MIDDLE, TINY, read_settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIDE = pathlib.Path(__file__).resolve().with_name("reference_side.py")
STAGES = ("load", "text", "image", "denoise", "audio_decode", "video_decode")

# How near two float32 programs stay that add in another order; a wrong stage is below 20 dB.
LEAST_DECIBELS = 40.0
WANTED_SPEEDUP = 1.3


def run_and_weigh(command, environment, work):
    """Peak resident MiB and seconds of one process."""
    # Linux counts what a process was before its exec, so a small one has to start it: this
    # one holds the clips that it compares.
    weight, log = work / "weight.json", work / "log.txt"
    starter = [sys.executable, pathlib.Path(__file__).resolve(), "--weigh", weight]
    with open(log, "wb") as output:
        done = subprocess.run([*map(str, starter + command)], env=environment, stdout=output,
                              stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n"
                 f"{log.read_text(errors='replace')[-4000:]}")
    weighed = json.loads(weight.read_text())
    return weighed["peak_mib"], weighed["seconds"]


def weigh(out, command):
    begin = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    pathlib.Path(out).write_text(json.dumps(
        {"peak_mib": usage.ru_maxrss / 1024, "seconds": time.perf_counter() - begin}))
    return 0 if process.returncode == 0 else 1


class Pair:
    def __init__(self, options, folder, work):
        self.options, self.folder, self.work = options, folder, work
        self.environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads),
                                MKL_NUM_THREADS=str(options.threads), TRANSFORMERS_OFFLINE="1",
                                PYTHONWARNINGS="ignore")
        self.reference_environment = dict(
            self.environment, **dict(pair.split("=", 1) for pair in options.reference_env))
        self.wish = None

    def engine(self, save=False):
        report = self.work / "engine.json"
        command = [self.options.ovi_bench, "--model", self.folder, "--device", "cpu", "--precision",
                   "fp32", "--steps", str(self.options.steps), "--json", report]
        if save:
            command += ["--save", self.work / "engine"]
        peak, wall = run_and_weigh(command, self.environment, self.work)
        made = json.loads(report.read_text())
        seconds = {stage: made["seconds"][stage] for stage in STAGES}
        seconds["clip"] = made["seconds"]["total"]
        seconds["total"] = seconds["clip"] + seconds["load"]
        if self.wish is None:
            settings = read_settings(self.folder).get("variant", {})
            self.wish = {"request": made["request"], "width": made["width"],
                         "height": made["height"], "threads": self.options.threads,
                         "video_latents": settings.get("video_latents", 31),
                         "audio_latents": settings.get("audio_latents", 157)}
        return {"seconds": seconds, "peak_mib": peak, "wall_seconds": wall,
                "libtorch": made["libtorch"], "processor": made["processor"]}

    def reference(self, save=False):
        out = self.work / "reference"
        out.mkdir(exist_ok=True)
        (out / "wish.json").write_text(json.dumps(dict(self.wish, save=save)))
        command = [self.options.python, SIDE, "--run", self.options.reference, self.folder, out]
        peak, wall = run_and_weigh(command, self.reference_environment, self.work)
        made = json.loads((out / "reference.json").read_text())
        return dict(made, peak_mib=peak, wall_seconds=wall)


def decibels(truth, other):
    """10 log10(sum truth^2 / sum (truth - other)^2) of two sequences of numbers."""
    if len(truth) != len(other) or not len(truth):
        sys.exit(f"the clips differ in size: {len(truth)} and {len(other)}")
    power = math.fsum(a * a for a in truth)
    error = math.fsum((a - b) ** 2 for a, b in zip(truth, other))
    return math.inf if error == 0 else 10 * math.log10(power / error) if power else -math.inf


def floats(path):
    import array

    values = array.array("f")
    values.frombytes(path.read_bytes())
    return values


def agreement(work):
    """Signal-to-noise ratios in dB; of the frames the peak's, over a tenth of all pixels."""
    ours, theirs = work / "engine", work / "reference"
    result = {name: decibels(floats(theirs / f"{name}.f32"), floats(ours / f"{name}.f32"))
              for name in ("video_latents", "audio_latents", "audio")}
    planes = floats(theirs / "frames.f32")  # [3, pixels of all frames]
    pixels = (ours / "frames.rgb").read_bytes()  # [pixels of all frames, 3]
    if len(planes) != len(pixels):
        sys.exit(f"the frames differ in size: {len(planes)} and {len(pixels)} values")
    count = len(planes) // 3
    squares = [((planes[c * count + i] + 1) * 127.5 - pixels[3 * i + c]) ** 2
               for i in range(0, count, 10) for c in range(3)]
    result["frames_psnr"] = 10 * math.log10(255**2 / (math.fsum(squares) / len(squares)))
    return result


def summary(runs):
    stages = runs[0]["seconds"].keys()
    return {
        "seconds": {stage: {"min": min(r["seconds"][stage] for r in runs),
                            "median": statistics.median(r["seconds"][stage] for r in runs)}
                    for stage in stages},
        "peak_mib": {"min": min(r["peak_mib"] for r in runs),
                     "max": max(r["peak_mib"] for r in runs)},
        "runs": runs,
    }


def cpu_ticks():
    """What all cores did since the machine started, by kind."""
    with open("/proc/stat") as stat:
        return [int(word) for word in stat.readline().split()[1:9]]


def stolen_share(before, after):
    """Of the time, how much the machine's host gave to others instead."""
    spent = [b - a for a, b in zip(before, after)]
    return spent[7] / max(sum(spent), 1)


def compare(options, name, work):
    folder = {"tiny": TINY, "middle": work / "model"}.get(name, pathlib.Path(name))
    if name == "middle":
        subprocess.run([options.python, SIDE, "--make-middle", options.reference, folder],
                       check=True)
    pair = Pair(options, folder.resolve(), work)
    pair.engine(save=True)
    pair.reference(save=True)
    agreed = agreement(work)
    engine, reference = [], []
    before = cpu_ticks()
    for i in range(options.runs):
        # Whoever goes first may find the machine otherwise: they take turns at that too.
        for side in ((pair.engine, engine), (pair.reference, reference))[::1 if i % 2 == 0 else -1]:
            side[1].append(side[0]())
        print(f"{name}, run {i + 1} of {options.runs}: "
              f"engine {engine[-1]['seconds']['total']:.2f} s, "
              f"reference {reference[-1]['seconds']['total']:.2f} s", file=sys.stderr)
    ours, theirs = summary(engine), summary(reference)
    return {
        "model": name, "sizes": MIDDLE if name == "middle" else None,
        "request": pair.wish["request"], "width": pair.wish["width"],
        "height": pair.wish["height"], "agreement_db": agreed,
        "agrees": all(value >= LEAST_DECIBELS for value in agreed.values()),
        "engine": ours, "reference": theirs,
        # What else runs on the machine only ever adds: the fastest runs are the programs' own.
        **{f"speedup_of_{name}": {
            stage: theirs["seconds"][stage][kind] / max(ours["seconds"][stage][kind], 1e-9)
            for stage in theirs["seconds"]}
           for name, kind in (("medians", "median"), ("fastest", "min"))},
        "stolen_share_of_cpu": stolen_share(before, cpu_ticks()),
        "memory_engine_over_reference": ours["peak_mib"]["max"] / theirs["peak_mib"]["min"],
    }


def show(result):
    """A table in Markdown."""
    size = f"{result['width']}x{result['height']}, {result['request']['steps']} steps"
    agreed = ", ".join(f"{k.replace('_', ' ')} {v:.0f}" for k, v in result["agreement_db"].items())
    print(f"\n| {result['model']}, {size} | engine | reference | times as fast: medians (fastest) |")
    print("|---|---|---|---|")
    for stage, ours in result["engine"]["seconds"].items():
        theirs = result["reference"]["seconds"][stage]
        print(f"| {stage.replace('_', ' ')}, s: median (least) | {ours['median']:.2f} "
              f"({ours['min']:.2f}) | {theirs['median']:.2f} ({theirs['min']:.2f}) | "
              f"{result['speedup_of_medians'][stage]:.1f} "
              f"({result['speedup_of_fastest'][stage]:.1f}) |")
    imports = min(r["imported_mib"] for r in result["reference"]["runs"])
    print(f"| peak memory, MiB | {result['engine']['peak_mib']['max']:.0f} | "
          f"{result['reference']['peak_mib']['min']:.0f} (of it {imports:.0f} imports) | |")
    print(f"\nAgreement in dB: {agreed}. Of the cores' time the machine's host took "
          f"{result['stolen_share_of_cpu']:.0%}.")


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def git_commit(folder):
    found = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True,
                           text=True)
    return found.stdout.strip() or None


def main():
    if sys.argv[1:2] == ["--weigh"]:
        return weigh(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--reference", type=pathlib.Path, required=True,
                        help="a checkout of github.com/character-ai/Ovi")
    parser.add_argument("--reference-commit", help="of that folder, where git does not say it")
    parser.add_argument("--ovi-bench", type=pathlib.Path, required=True)
    parser.add_argument("--python", default=sys.executable, help="with torch and the rest")
    parser.add_argument("--model", action="append", help="tiny, middle or a folder; repeatable")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5, help="of each program, timed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--reference-env", action="append", default=[], metavar="NAME=VALUE",
                        help="for the reference alone, such as OMP_WAIT_POLICY=PASSIVE")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--check", action="store_true",
                        help=f"fail below {WANTED_SPEEDUP} times as fast, or with more memory")
    options = parser.parse_args()
    options.reference = options.reference.resolve()
    options.ovi_bench = options.ovi_bench.resolve()

    results = []
    for name in options.model or ["tiny", "middle"]:
        with tempfile.TemporaryDirectory(prefix="ovi-compare-") as work:
            results.append(compare(options, name, pathlib.Path(work)))
        show(results[-1])
    first = results[0]
    report = {
        "processor": processor(), "cores": os.cpu_count(), "threads": options.threads,
        "system": platform.platform(), "reference_env": options.reference_env,
        "commit": git_commit(ROOT),
        "reference_commit": options.reference_commit or git_commit(options.reference),
        "libtorch": first["engine"]["runs"][0]["libtorch"],
        "torch": first["reference"]["runs"][0]["torch"],
        "python": first["reference"]["runs"][0]["python"],
        "load_average_at_the_end": os.getloadavg(), "models": results,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    failed = [r["model"] for r in results if not r["agrees"]]
    if failed:
        sys.exit("engine and reference do not agree: " + ", ".join(failed))
    if options.check:
        for r in results:
            # Without the load, in which Python also imports what it put off.
            if (r["speedup_of_fastest"]["clip"] < WANTED_SPEEDUP
                    or r["memory_engine_over_reference"] > 1):
                sys.exit(f"{r['model']}: slower or larger than promised")


if __name__ == "__main__":
    sys.exit(main())
