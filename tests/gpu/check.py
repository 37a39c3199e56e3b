#!/usr/bin/env python3
"""Builds the engine on a machine with a GPU and tries everything that needs one.

    tests/gpu/check.py --list-packages            what to bring where apt has no network
    tests/gpu/check.py --packages DIR --out DIR   all of it, with those packages
    tests/gpu/check.py --device cpu --small       as far as a machine without a GPU goes

Needs g++, meson, ninja, a CUDA build of LibTorch (--torch, or the torch package of this
Python) and, for the fused kernels, nvcc; GStreamer is not needed. A step that fails or
outlasts its time is recorded, and the next one goes on. OUT gets report.json, which is
written anew after every step, and one log a stage. SPDX-License-Identifier: Apache-2.0
"""
import argparse
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

SOURCE = pathlib.Path(__file__).resolve().parents[2]
STAGES = ["machine", "build", "tests", "kernels", "parity", "waits", "bench"]
# Debian's names; `apt-get download` them into a folder.
PACKAGES = ["pkgconf", "pkgconf-bin", "libpkgconf3", "nlohmann-json3-dev", "libsentencepiece-dev",
            "libsentencepiece0", "libglib2.0-dev", "libglib2.0-0", "libpcre2-dev", "libpcre2-8-0",
            "libgtest-dev"]
SMALL = ("layers=2,dim=128,ffn=256,text-layers=1,text-dim=64,text-ffn=64,text-heads=4,"
         "vae-encoder-dim=32,vae-decoder-dim=32,audio-vae-dim=32,vocoder-channels=64,area=9216,"
         "video-latents=3,audio-latents=12")
# In the order of interest: what the time allows is run. Settings that ovi-bench does not
# know yet are left out by plan().
BENCHES = [
    {"variant": "720x720_5s", "precision": "bf16", "steps": 50, "fused": True},
    {"variant": "720x720_5s", "precision": "bf16", "steps": 10, "fused": False},
    {"variant": "720x720_5s", "precision": "fp8", "steps": 10, "fused": True},
    {"variant": "960x960_5s", "precision": "bf16", "steps": 10, "fused": True},
    {"variant": "720x720_5s", "precision": "bf16", "steps": 50, "fused": True,
     "acceleration": "fast"},
    {"variant": "720x720_5s", "precision": "bf16", "steps": 50, "fused": True,
     "acceleration": "balanced"},
    {"variant": "720x720_5s", "precision": "bf16", "steps": 10, "fused": True, "memory": "stream"},
    {"variant": "720x720_5s", "precision": "bf16", "steps": 10, "fused": True, "memory": "offload"},
    {"variant": "960x960_10s", "precision": "bf16", "steps": 5, "fused": True},
    {"variant": "960x960_5s", "precision": "fp8", "steps": 10, "fused": True},
    {"variant": "960x960_10s", "precision": "fp8", "steps": 5, "fused": True},
    {"variant": "960x960_10s", "precision": "bf16", "steps": 2, "fused": True, "memory": "stream"},
    {"variant": "720x720_5s", "precision": "fp32", "steps": 5, "fused": True},
]
# The cases' tolerances are for float32; on a CPU bfloat16 takes up to 350 times as much.
BF16_SCALE = 500


class Check:
    """What was run, and how it went."""

    def __init__(self, options):
        self.options = options
        self.out = options.out.resolve()
        self.build = options.build.resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.end = time.monotonic() + 60 * options.minutes
        self.environment = dict(os.environ)
        self.report = {"device": options.device, "steps": [], "parity": [], "waits": [],
                       "bench": []}
        self.stage = ""

    def write(self):
        new = self.out / "report.json.new"
        new.write_text(json.dumps(self.report, indent=1) + "\n")
        new.replace(self.out / "report.json")

    def run(self, name, command, limit=600, **variables):
        """Runs a command; gives its output, or None when it failed or did not run."""
        left = self.end - time.monotonic()
        step = {"stage": self.stage, "name": name, "command": [str(word) for word in command]}
        self.report["steps"].append(step)
        output = ""
        began = time.monotonic()
        if left < 5:
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
        step["seconds"] = round(time.monotonic() - began, 2)
        step["end"] = output[-2000:] if step["status"] != "ok" else output[-200:]
        with open(self.out / f"{self.stage}.log", "a") as log:
            log.write(f"== {name}: {' '.join(step['command'])}\n{output}\n"
                      f"== {name}: {step['status']}, {step['seconds']} s\n\n")
        print(f"{step['status']:>12}  {self.stage}: {name}, {step['seconds']} s", flush=True)
        self.write()
        return output if step["status"] == "ok" else None

    def last_output(self):
        return self.report["steps"][-1]["end"]

    # --- stages ------------------------------------------------------------------------
    def machine(self):
        self.run("processor", ["lscpu"])
        self.run("compiler", ["g++", "--version"])
        if self.options.device != "cpu":
            self.run("gpu", ["nvidia-smi"])
            self.run("nvcc", [shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc", "--version"])

    def use_packages(self):
        """Makes unpacked packages look as if they were installed."""
        folder = self.options.packages
        if not folder:
            return
        root = unpack(folder.resolve(), self.build.parent / (self.build.name + "-packages"))
        configs = describe_packages(root)
        libraries = ":".join(str(path) for path in library_folders(root))
        environment = self.environment
        environment["PKG_CONFIG_PATH"] = str(configs)
        environment["LD_LIBRARY_PATH"] = join(libraries, environment.get("LD_LIBRARY_PATH"))
        environment["LIBRARY_PATH"] = join(libraries, environment.get("LIBRARY_PATH"))
        environment["CPLUS_INCLUDE_PATH"] = join(str(root / "usr/include"),
                                                 environment.get("CPLUS_INCLUDE_PATH"))
        if not shutil.which("pkg-config") and (root / "usr/bin/pkgconf").exists():
            environment["PKG_CONFIG"] = str(root / "usr/bin/pkgconf")

    def build_all(self):
        torch = self.options.torch or torch_of_this_python()
        if not (self.build / "build.ninja").exists():
            self.run("configure", [
                "meson", "setup", self.build, SOURCE, f"-Dlibtorch={torch}", "-Dplugin=disabled",
                "-Dtests=enabled", f"-Dnvcc={self.options.nvcc}"])
        self.run("compile", ["ninja", "-C", self.build, "-k", "0"], limit=900)

    def tests(self):
        self.run("engine", ["meson", "test", "-C", self.build, "--no-rebuild", "--suite", "engine",
                            "--suite", "bench"])
        self.run("results", ["cat", self.build / "meson-logs/testlog.txt"])

    def kernels(self):
        program = self.build / "tests/gpu/kernels-on-device-test"
        variables = {"OVI_TEST_DEVICE": self.options.device, "OVI_FUSED_KERNELS": "1"}
        self.run("against their twins", [program], **variables)
        size = "small" if self.options.small else "real"
        self.run("beside LibTorch's", [self.build / "tests/bench/ovi-bench", "--kernels", size,
                                       "--device", self.options.device, "--json",
                                       self.build / "kernels.json"], **variables)
        if (self.build / "kernels.json").exists():
            self.report["kernels"] = json.loads((self.build / "kernels.json").read_text())
            self.write()
        sanitizer = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        if self.options.device != "cpu" and os.path.exists(sanitizer):
            self.run("memory they touch", [sanitizer, "--error-exitcode", "9", program,
                                           "--gtest_filter=-*15004*"], **variables)

    def parity(self):
        program = self.build / "tests/parity/ovi-parity"
        for precision, fused in itertools.product(["fp32", "bf16"], self.fused_or_not()):
            name = precision + (", fused" if fused else "")
            cases = sorted((SOURCE / "tests/parity/cases").iterdir())
            scale = []
            if precision == "bf16":
                scale = ["--tolerance-scale", BF16_SCALE]
                cases = [case for case in cases if not case.name.startswith("sampler")]  # float32
            began = len(self.report["steps"])
            log = self.out / "parity.log"
            before = log.stat().st_size if log.exists() else 0
            self.run(name, [program, "--device", self.options.device, "--precision", precision,
                            *scale, *cases],
                     OVI_FUSED_KERNELS=str(int(fused)))
            with open(log) as whole:
                whole.seek(before)
                result = read_parity(whole.read())
            self.report["parity"].append({"precision": precision, "fused": fused, **result,
                                          "status": self.report["steps"][began]["status"]})
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
                                             "verdict": judge_waits(step)})
                print(f"{'':>12}  a step: {self.report['waits'][-1]['verdict']}", flush=True)
            self.write()

    def bench(self):
        program = self.build / "tests/bench/ovi-bench"
        usage = self.run("options", [program, "--help"], limit=60)
        if usage is None:
            return
        usage = subprocess.run([str(program), "--help"], capture_output=True, text=True,
                               env=self.environment).stdout
        for settings in self.options.benches:
            arguments = plan(settings, usage, self.options.device, self.options.small)
            name = ", ".join(f"{key} {value}" for key, value in settings.items())
            if arguments is None:
                self.report["bench"].append({**settings, "status": "unknown to ovi-bench"})
                continue
            file = self.build / "bench.json"
            file.unlink(missing_ok=True)
            self.run(name, [program, *arguments, "--json", file],
                     OVI_FUSED_KERNELS=str(int(settings["fused"])))
            entry = {**settings, "status": self.report["steps"][-1]["status"]}
            if file.exists():
                entry["result"] = json.loads(file.read_text())
            self.report["bench"].append(entry)
            self.write()

    def fused_or_not(self):
        return [False] if self.options.device == "cpu" else [False, True]

    def go(self):
        self.use_packages()
        for self.stage in self.options.stages:
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


def join(first, second):
    return f"{first}:{second}" if second else first


def torch_of_this_python():
    found = importlib.util.find_spec("torch")
    if not found:
        raise RuntimeError("this Python has no torch; name its folder with --torch")
    return os.path.dirname(found.origin)


def unpack(folder, root):
    """The packages of a folder under one root; a folder with usr/ is one already."""
    if (folder / "usr").is_dir():
        return folder
    archives = sorted(folder.glob("*.deb"))
    if not archives:
        raise RuntimeError(f"{folder} holds neither packages (*.deb) nor usr/")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for archive in archives:
        subprocess.run(["dpkg-deb", "-x", str(archive), str(root)], check=True)
    return root


def library_folders(root):
    return sorted({path.parent for path in root.glob("**/*.so*")} |
                  {path.parent for path in root.glob("**/*.a")})


def describe_packages(root):
    """Copies of the packages' .pc files that say where the packages lie."""
    configs = root / "pkgconfig"
    configs.mkdir(exist_ok=True)
    for path in root.glob("usr/**/pkgconfig/*.pc"):
        (configs / path.name).write_text(
            re.sub(r"(?m)^(\w+=)/usr", rf"\g<1>{root}/usr", path.read_text()))
    return configs


def read_parity(log):
    """Counts, and for each stage how much of its tolerance the worst tensor took."""
    worst = {}
    for case, error, tolerance in re.findall(
            r"(?m)^(?:ok|FAIL)\s+(\S+) [^:]*: error (\S+), tolerance ([^\s,]+)", log):
        share = float(error) / float(tolerance) if float(tolerance) else 0.0
        worst[case] = max(worst.get(case, 0.0), share)
    total = re.search(r"(\d+) passed, (\d+) failed", log)
    counts = {"passed": int(total[1]), "failed": int(total[2])} if total else {}
    return {**counts, "share_of_tolerance": worst,
            "failures": re.findall(r"(?m)^FAIL.*", log)[:20]}


def judge_waits(step):
    if not step["launches"]:
        return "no CUDA was used"
    waits = [f"{key} {step[key]:g}" for key in ("device_waits", "stream_waits", "copies",
                                                "async_to_device", "async_to_host", "releases")
             if step[key] > 0]
    return "waits: " + ", ".join(waits) if waits else (
        f"never waits for all of the device; {step['event_waits']:g} events, "
        f"{step['launches']:g} kernels")


def plan(settings, usage, device, small):
    """ovi-bench's arguments, or None where it does not know one of them."""
    arguments = ["--synthetic", settings["variant"], "--device", device]
    for key in ("precision", "memory", "acceleration"):
        if key not in settings:
            continue
        values = re.search(rf"--{key} ([\w|:]+)", usage)
        if not values or settings[key] not in values[1].split("|"):
            return None
        arguments += [f"--{key}", settings[key]]
    arguments += ["--steps", min(settings["steps"], 10) if small else settings["steps"]]
    arguments += ["--runs", 1 if small else 2]
    return arguments + (["--size", SMALL] if small else [])


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    folder = pathlib.Path
    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:N or cpu")
    parser.add_argument("--torch", help="folder that holds LibTorch's include/ and lib/")
    parser.add_argument("--packages", type=folder, help="folder of .deb files, or unpacked ones")
    parser.add_argument("--build", type=folder, default=SOURCE / "build-gpu")
    parser.add_argument("--nvcc", default="auto", help="as the build's option")
    parser.add_argument("--out", type=folder, default=SOURCE / "build-gpu/check")
    parser.add_argument("--minutes", type=float, default=60, help="for everything (default 60)")
    parser.add_argument("--stages", default=",".join(STAGES), help="some of: " + " ".join(STAGES))
    parser.add_argument("--small", action="store_true", help="benchmarks of a made-up small model")
    parser.add_argument("--list-packages", action="store_true")
    options = parser.parse_args(arguments)
    options.stages = options.stages.split(",")
    unknown = set(options.stages) - set(STAGES)
    if unknown:
        parser.error(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    options.benches = BENCHES
    return options


def main(arguments):
    options = parse(arguments)
    if options.list_packages:
        print("\n".join(PACKAGES))
        return 0
    return Check(options).go()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
