#!/usr/bin/env python3
"""Builds the engine on a machine with a GPU and tries everything that needs one.

    tests/gpu/check.py --list-packages            what to bring where apt has no network
    tests/gpu/check.py --packages DIR --out DIR   the usual stages, with those packages
    tests/gpu/check.py --stages build,bench --benches fp8,fast --packages DIR --out DIR
    tests/gpu/check.py --device cpu --small       as far as a machine without a GPU goes

Needs g++, meson, ninja, a CUDA build of LibTorch (--torch, or the torch package of this
Python) and, for the fused kernels, nvcc; GStreamer is not needed. A step that fails or
outlasts its time is recorded, and the next one goes on. OUT gets check.log, with what the
programs said, and report.json, which is written anew after every step. README.md beside
this file says how half an hour on such a machine is spent best.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import hashlib
import importlib.metadata
import importlib.util
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import benches
import packages
import results

SOURCE = pathlib.Path(__file__).resolve().parents[2]
USUAL = ["machine", "build", "capi", "kernels", "waits", "parity", "tests", "bench"]
STAGES = USUAL + ["sanitizer"]
# Programs and libraries of the stages, and the tests that ask for a GPU's driver themselves.
TARGETS = ["engine/libovii2v-engine.so.1", "engine/kernels/libovii2v-cuda.so",
           "tests/gpu/first-clip", "tests/gpu/libcount-waits.so", "tests/bench/ovi-bench",
           "tests/parity/ovi-parity", "tests/engine/kernels/kernels-test",
           "tests/engine/runtime/runtime-test", "tests/engine/capi/capi-test"]
# The same tests of the kernels, on a GPU and without one.
KERNELS_ON_DEVICE = "tests/gpu/kernels-on-device-test"
EMULATED_KERNELS = "tests/engine/emulated_cuda/gpu-code-test"
DEVICE_TESTS = ["kernels", "runtime", "capi"]
# The cases' tolerances are for float32; on a CPU bfloat16 takes up to 350 times as much.
BF16_SCALE = 500
KEPT_OUTPUT = 500_000  # characters of one step in the log


class Check:
    """What was run, and how it went."""

    def __init__(self, options):
        self.options = options
        self.out = options.out.resolve()
        self.build = options.build.resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "check.log").write_text("")
        self.end = time.monotonic() + 60 * options.minutes
        self.environment = dict(os.environ)
        # A virtual environment's programs also where it was not activated.
        self.environment["PATH"] = packages.join(self.environment.get("PATH", os.defpath),
                                                 os.path.dirname(sys.executable))
        self.report = {"device": options.device, "steps": [], "machine": {}, "capi": [],
                       "parity": [], "waits": [], "bench": []}
        self.stage = ""
        self.output = ""  # of the last step

    def write(self):
        new = self.out / "report.json.new"
        new.write_text(json.dumps(self.report, indent=1) + "\n")
        new.replace(self.out / "report.json")

    def run(self, name, command, limit=240, least=5, **variables):
        """Runs a command; gives its output, or None when it failed or did not run, which
        is so when fewer than `least` seconds are left."""
        left = self.end - time.monotonic()
        step = {"stage": self.stage, "name": name, "command": [str(word) for word in command]}
        self.report["steps"].append(step)
        output = ""
        began = time.monotonic()
        if left < least:
            step["status"] = "no time left"
        else:
            try:
                program = subprocess.Popen(step["command"], stdin=subprocess.DEVNULL,
                                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                           env={**self.environment, **variables}, cwd=SOURCE,
                                           start_new_session=True)
                try:
                    output = program.communicate(timeout=min(limit, left))[0]
                    step["exit"] = program.returncode
                    step["status"] = "ok" if program.returncode == 0 else "failed"
                except subprocess.TimeoutExpired:
                    # With what it has started itself: a compiler must not outlive ninja.
                    os.killpg(program.pid, signal.SIGKILL)
                    output = program.communicate()[0]
                    step["status"] = "timeout"
                output = output.decode(errors="replace")
            except OSError as error:
                output = str(error)
                step["status"] = "failed"
        self.output = output
        step["seconds"] = round(time.monotonic() - began, 2)
        step["end"] = output[-2000:] if step["status"] != "ok" else output[-200:]
        with open(self.out / "check.log", "a", encoding="utf-8") as log:
            log.write(f"== {self.stage}: {name}: {' '.join(step['command'])}\n"
                      f"{output[-KEPT_OUTPUT:]}\n"
                      f"== {name}: {step['status']}, {step['seconds']} s\n\n")
        print(f"{step['status']:>12}  {self.stage}: {name}, {step['seconds']} s", flush=True)
        self.write()
        return output if step["status"] == "ok" else None

    def say(self, text):
        print(f"{'':>12}  {text}", flush=True)

    def status(self):
        return self.report["steps"][-1]["status"]

    # --- stages ------------------------------------------------------------------------
    def machine(self):
        facts = self.report["machine"]
        facts["python"] = sys.version.split()[0]
        facts.update(self.torch_facts())
        self.run("processor", ["lscpu"])
        self.run("memory", ["free", "-m"])
        self.run("compiler", ["g++", "--version"])
        libraries = self.run("libraries", ["ldconfig", "-p"]) or ""
        facts["nvrtc"] = [line.strip() for line in libraries.splitlines() if "nvrtc" in line]
        if self.options.device != "cpu":
            self.run("gpu", ["nvidia-smi"])
            what = "name,driver_version,compute_cap,memory.total,memory.used,clocks.max.sm"
            facts["gpu"] = (self.run("gpu in short", [
                "nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader"]) or "").strip()
            self.run("nvcc", [shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc", "--version"])
        self.say(json.dumps(facts))

    def torch_facts(self):
        """LibTorch's version and those of the libraries that lie beside it, unopened."""
        try:
            folder = self.torch()
        except RuntimeError as error:
            return {"torch": str(error)}
        version = folder / "version.py"
        found = re.search(r"__version__ = '(.*)'", version.read_text()) if version.exists() else None
        beside = {}
        for package in importlib.metadata.distributions(path=[str(folder.parent)]):
            name = package.metadata["Name"] or ""
            if name.startswith("nvidia-"):
                beside[name] = package.version
        return {"torch": found[1] if found else "unknown", "torch_folder": str(folder),
                "libraries_beside_torch": beside,
                "nvrtc_beside_torch": [path.name for path in
                                       sorted(folder.parent.glob("nvidia/*/lib/libnvrtc*"))]}

    def torch(self):
        if self.options.torch:
            return pathlib.Path(self.options.torch)
        found = importlib.util.find_spec("torch")
        if found and found.origin:
            return pathlib.Path(found.origin).parent
        if (SOURCE / ".deps/torch").is_dir():
            return SOURCE / ".deps/torch"
        raise RuntimeError("this Python has no torch; name its folder with --torch")

    def packages(self):
        """Before the others, whenever --packages names a folder."""
        root = self.build.parent / (self.build.name + "-packages")
        packages.use(packages.unpack(self.options.packages.resolve(), root), self.environment)

    def tool(self, name, module=None):
        """The command of a program, which may be there only as a module of Python."""
        found = shutil.which(name, path=self.environment["PATH"])
        return [found] if found or not module else [sys.executable, "-m", module]

    def build_all(self):
        ninja = self.tool("ninja")[0] or "ninja"
        self.environment["NINJA"] = ninja
        stamp = self.build / "built.json"
        all_of_it = self.all_tests() and "tests" in self.options.stages
        wanted = [] if all_of_it else [*TARGETS, self.kernel_test()]
        content = json.dumps([source_hash(), wanted])
        # A copy of the sources may be younger than what was built from the same ones.
        if stamp.exists() and stamp.read_text() == content:
            self.say("built before, from the same sources")
            return
        if not (self.build / "build.ninja").exists():
            self.run("configure", [
                *self.tool("meson", "mesonbuild.mesonmain"), "setup", self.build, SOURCE,
                f"-Dlibtorch={self.torch()}", "-Dplugin=disabled", "-Dtests=enabled",
                f"-Dnvcc={self.options.nvcc}"])
        rules = self.build / "build.ninja"
        known = rules.read_text() if rules.exists() else ""
        targets = [name for name in wanted if f"build {name}:" in known]
        jobs = ["-j", self.options.jobs] if self.options.jobs else []
        self.run("compile", [ninja, "-C", self.build, *jobs, "-k", "0", *targets],
                 limit=60 * self.options.minutes)
        if self.status() == "ok":
            stamp.write_text(content)

    def all_tests(self):
        return self.options.all_tests or self.options.device == "cpu"

    def tests(self):
        which = ["--suite", "engine", "--suite", "bench"] if self.all_tests() else DEVICE_TESTS
        self.run("engine", [*self.tool("meson", "mesonbuild.mesonmain"), "test", "-C", self.build,
                            "--no-rebuild", "--print-errorlogs", *which],
                 limit=60 * self.options.minutes)

    def capi(self):
        """The first clip of a process: nothing else has opened the device for it."""
        library = self.build / "engine/libovii2v-engine.so.1"
        model = SOURCE / "examples/demo-model"
        cases = [(precision, "auto", fused) for fused in self.fused_or_not()
                 for precision in ("fp32", "bf16", "fp8")]
        if self.options.device != "cpu":
            cases += [("bf16", "offload", False), ("bf16", "stream", False)]
        for precision, memory, fused in cases:
            self.run(f"{precision}, memory {memory}" + (", fused" if fused else ""),
                     [self.build / "tests/gpu/first-clip", library, model, self.options.device,
                      precision, memory], limit=90, OVI_FUSED_KERNELS=str(int(fused)))
            said = [line for line in self.output.splitlines() if line.startswith("{")]
            self.report["capi"].append({"precision": precision, "memory": memory, "fused": fused,
                                        "status": self.status(),
                                        "result": json.loads(said[0]) if said else None})
            self.write()

    def kernel_test(self):
        return EMULATED_KERNELS if self.options.device == "cpu" else KERNELS_ON_DEVICE

    def kernels(self):
        variables = {"OVI_TEST_DEVICE": self.options.device, "OVI_FUSED_KERNELS": "1"}
        self.run("against their twins", [self.build / self.kernel_test()], **variables)
        size = "small" if self.options.small else "real"
        file = self.build / "kernels.json"
        file.unlink(missing_ok=True)
        self.run("beside LibTorch's", [self.build / "tests/bench/ovi-bench", "--kernels", size,
                                       "--device", self.options.device, "--json", file],
                 **variables)
        if file.exists():
            self.report["kernels"] = json.loads(file.read_text())
            self.write()

    def sanitizer(self):
        """Slow, and so never among the usual stages."""
        if self.options.device == "cpu":
            self.say("no GPU, nothing to look at")
            return
        found = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        self.run("memory the kernels touch",
                 [found, "--error-exitcode", "9", self.build / KERNELS_ON_DEVICE,
                  "--gtest_filter=-ManyRows*"],
                 limit=150, OVI_TEST_DEVICE=self.options.device, OVI_FUSED_KERNELS="1")

    def parity(self):
        program = self.build / "tests/parity/ovi-parity"
        for precision, fused in itertools.product(["fp32", "bf16"], self.fused_or_not()):
            name = precision + (", fused" if fused else "")
            cases = sorted((SOURCE / "tests/parity/cases").iterdir())
            scale = []
            if precision == "bf16":
                scale = ["--tolerance-scale", BF16_SCALE]
                cases = [case for case in cases if not case.name.startswith("sampler")]  # float32
            self.run(name, [program, "--device", self.options.device, "--precision", precision,
                            *scale, *cases],
                     OVI_FUSED_KERNELS=str(int(fused)))
            result = results.read_parity(self.output)
            self.report["parity"].append({"precision": precision, "fused": fused, **result,
                                          "status": self.status()})
            self.say(f"{result.get('passed')} passed, {result.get('failed')} failed")
            self.write()

    def waits(self):
        """How often a step waits: the difference of two runs that differ in their steps."""
        program = self.build / "tests/bench/ovi-bench"
        library = self.build / "tests/gpu/libcount-waits.so"
        few, many = 4, 12
        for fused in self.fused_or_not():
            counts = {}
            for steps in (few, many):
                file = self.build / f"waits-{steps}.json"
                file.unlink(missing_ok=True)
                self.run(f"{steps} steps" + (", fused" if fused else ""),
                         [program, "--model", SOURCE / "examples/demo-model", "--device",
                          self.options.device, "--steps", steps],
                         LD_PRELOAD=str(library), OVI_COUNT_WAITS=str(file),
                         OVI_FUSED_KERNELS=str(int(fused)))
                counts[steps] = json.loads(file.read_text()) if file.exists() else None
            if counts[few] and counts[many]:
                step = {key: (counts[many][key] - counts[few][key]) / (many - few)
                        for key in counts[few]}
                self.report["waits"].append({"fused": fused, "of_a_step": step,
                                             "verdict": results.judge_waits(step)})
                self.say(f"a step: {self.report['waits'][-1]['verdict']}")
            self.write()

    def bench(self):
        program = self.build / "tests/bench/ovi-bench"
        usage = self.run("options", [program, "--help"], limit=60)
        if usage is None:
            return
        for settings in benches.BENCHES:
            if settings["name"] not in self.options.benches:
                continue
            if self.options.device == "cpu" and settings.get("memory") == "stream":
                self.report["bench"].append({**settings, "status": "not for a CPU"})
                continue
            arguments = benches.plan(settings, usage, self.options.device, self.options.small)
            if arguments is None:
                self.report["bench"].append({**settings, "status": "unknown to ovi-bench"})
                continue
            file = self.build / "bench.json"
            file.unlink(missing_ok=True)
            # One that can only be cut off would waste what it takes.
            self.run(settings["name"], [program, *arguments, "--json", file],
                     limit=self.options.bench_seconds, least=5 if self.options.small else 40,
                     OVI_FUSED_KERNELS=str(int(settings["fused"])))
            entry = {**settings, "status": self.status()}
            if file.exists():
                entry["result"] = json.loads(file.read_text())
                self.say(results.summary(entry["result"]))
            self.report["bench"].append(entry)
            self.write()

    def fused_or_not(self):
        return [False] if self.options.device == "cpu" else [False, True]

    def go(self):
        stages = (["packages"] if self.options.packages else []) + self.options.stages
        self.write()
        for self.stage in stages:
            try:
                getattr(self, "build_all" if self.stage == "build" else self.stage)()
            except Exception as error:  # a stage's own trouble must not cost the others
                self.report["steps"].append({"stage": self.stage, "name": "the stage",
                                             "status": "failed", "end": repr(error)})
                print(f"{'failed':>12}  {self.stage}: {error!r}", flush=True)
        bad = [step for step in self.report["steps"] if step["status"] != "ok"]
        bad += [wait for wait in self.report["waits"] if wait["verdict"].startswith("waits")]
        self.report["failed"] = len(bad)
        self.write()
        print(f"{len(self.report['steps'])} steps, {len(bad)} failed; "
              f"see {self.out / 'report.json'}")
        return 1 if bad else 0


def source_hash():
    """Of all that the build reads."""
    digest = hashlib.sha256()
    files = [path for folder in ("engine", "tests") for path in (SOURCE / folder).rglob("*")
             if path.suffix not in (".pyc", ".py")]
    for path in sorted([*files, SOURCE / "meson.build", SOURCE / "meson_options.txt"]):
        if path.is_file():
            digest.update(f"{path.relative_to(SOURCE)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    folder = pathlib.Path

    def some_of(names):
        def read(text):
            unknown = set(text.split(",")) - set(names)
            if unknown:
                raise argparse.ArgumentTypeError(
                    f"no {', '.join(sorted(unknown))}; there are {', '.join(names)}")
            return text.split(",")
        return read

    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:N or cpu")
    parser.add_argument("--torch", help="folder that holds LibTorch's include/ and lib/")
    parser.add_argument("--packages", type=folder, help="folder of .deb and .whl files, or of "
                        "unpacked ones")
    parser.add_argument("--build", type=folder, default=SOURCE / "build-gpu")
    parser.add_argument("--jobs", type=int, help="compilers at a time")
    parser.add_argument("--nvcc", default="auto", help="as the build's option")
    parser.add_argument("--out", type=folder, default=SOURCE / "build-gpu/check")
    parser.add_argument("--minutes", type=float, default=9, help="for everything (default 9)")
    parser.add_argument("--stages", type=some_of(STAGES), default=USUAL,
                        help=f"some of: {' '.join(STAGES)} (default: all but sanitizer)")
    parser.add_argument("--benches", type=some_of(benches.NAMES), default=benches.NAMES,
                        help=f"some of: {' '.join(benches.NAMES)}")
    parser.add_argument("--bench-seconds", type=float, default=240,
                        help="for one benchmark (default 240)")
    parser.add_argument("--all-tests", action="store_true",
                        help="on a GPU's machine also those that need none")
    parser.add_argument("--small", action="store_true", help="benchmarks of a made-up small model")
    parser.add_argument("--list-packages", action="store_true")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    if options.list_packages:
        print("\n".join(packages.DEBIAN))
        return 0
    return Check(options).go()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
