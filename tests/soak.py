#!/usr/bin/env python3
"""The element for a long while: memory, descriptors and threads of its process stay as they are.

    tests/soak.py                 500 clips in a chain, 200 state cycles, 8 elements at once
    tests/soak.py --short         fewer, as the tests run it
    tests/soak.py --plot DIR      also draws DIR/reliability-SCENARIO.svg

Takes the element from GST_PLUGIN_PATH and the engine from OVII2V_ENGINE_PATH; MODEL is the model's
folder, PICTURE a picture, BROKEN one that cannot be decoded. Each scenario has a process of its
own; a line fitted through its second half may not rise. `--leak memory` or `descriptor` leaks a
little of it on purpose: then it has to fail."""
import argparse
import gc
import json
import os
import subprocess
import sys

# What may be gained an iteration, by the fitted line: a leak of 100 KB or of one descriptor in ten
# is far above, what allocators keep is below.
MOST_KIB, MOST_DESCRIPTORS, MOST_THREADS = 40.0, 0.05, 0.05
PROMPT = "She smiles. <S>Hello.<E> <AUDCAP>Calm voice.<ENDAUDCAP>"
leaked = []


def sample():
    gc.collect()
    with open("/proc/self/status") as status:
        anonymous = next(int(line.split()[1]) for line in status if line.startswith("RssAnon:"))
    return {"memory": anonymous, "descriptors": len(os.listdir("/proc/self/fd")),
            "threads": len(os.listdir("/proc/self/task"))}


def leak(kind):
    if kind == "memory":
        leaked.append(os.urandom(100_000))
    elif kind == "descriptor":
        leaked.append(os.dup(0))


class Pipeline:
    def __init__(self, Gst, **properties):
        self.Gst = Gst
        self.pipeline = Gst.parse_launch(
            "ovii2vsrc name=s s.video ! fakesink sync=false s.audio ! fakesink sync=false")
        self.source = self.pipeline.get_by_name("s")
        self.bus = self.pipeline.get_bus()
        for name, value in {"prompt": PROMPT, "seed": 1, "steps": 2, "device": "cpu",
                            "model-path": os.environ["MODEL"], **properties}.items():
            self.source.set_property(name, value)

    def start(self):
        self.pipeline.set_state(self.Gst.State.PLAYING)

    def wait(self, wanted, each=None):
        """Until a message of the type `wanted`; every progress goes to `each`."""
        types = self.Gst.MessageType
        while True:
            message = self.bus.timed_pop_filtered(
                120 * self.Gst.SECOND, types.EOS | types.ERROR | types.PROGRESS)
            assert message, "nothing came for two minutes"
            if message.type == types.PROGRESS:
                if each:
                    each(*message.parse_progress()[:2])
                continue
            assert message.type == wanted, message.parse_error() if message.type == types.ERROR else message.type
            return

    def stop(self):
        self.pipeline.set_state(self.Gst.State.NULL)
        while self.bus.pop():
            pass


def chain(Gst, count, after):
    """Clip after clip, in one run."""
    pipeline = Pipeline(Gst, **{"num-clips": count, "image": os.environ["PICTURE"]})

    def progress(kind, code):
        if kind == Gst.ProgressType.COMPLETE and code == "decode":
            after()
    pipeline.start()
    pipeline.wait(Gst.MessageType.EOS, progress)
    pipeline.stop()


def cycles(Gst, count, after):
    """To PLAYING and back to NULL: to the end, in the midst, and with a picture that is broken."""
    pipeline = Pipeline(Gst)
    for i in range(count):
        kind = i % 3
        pipeline.source.set_property("image", os.environ["BROKEN" if kind == 1 else "PICTURE"])
        pipeline.start()
        if kind == 0:
            pipeline.wait(Gst.MessageType.EOS)
        elif kind == 1:
            pipeline.wait(Gst.MessageType.ERROR)
        else:
            pipeline.bus.timed_pop_filtered(120 * Gst.SECOND, Gst.MessageType.PROGRESS)
        pipeline.stop()
        after()


def together(Gst, count, after):
    """Eight elements in one process, again and again."""
    for _ in range(count):
        all_ = [Pipeline(Gst, seed=seed, image=os.environ["PICTURE"]) for seed in range(8)]
        for pipeline in all_:
            pipeline.start()
        for pipeline in all_:
            pipeline.wait(Gst.MessageType.EOS)
        for pipeline in all_:
            pipeline.stop()
        del all_, pipeline
        after()


# How often, and how often in the tests.
SCENARIOS = {"chain": (chain, 500, 100), "cycles": (cycles, 200, 90), "together": (together, 200, 60)}


def run(scenario, count, kind):
    import gi
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
    Gst.init(None)
    samples = []

    def after():
        leak(kind)
        samples.append(sample())
    SCENARIOS[scenario][0](Gst, count, after)
    json.dump(samples, sys.stdout)


def slope(values):
    """Least squares, of the second half."""
    values = values[len(values) // 2:]
    n = len(values)
    middle, mean = (n - 1) / 2, sum(values) / n
    return (sum((i - middle) * (v - mean) for i, v in enumerate(values)) /
            sum((i - middle) ** 2 for i in range(n)))


# Name, unit, and what a sample of it is multiplied by.
CURVES = (("memory", "MiB", 1 / 1024), ("descriptors", "", 1), ("threads", "", 1))


def draw(path, caption, curves):
    """Curves of (name, unit, values), each by its own scale from zero, or from what is below."""
    width, height, left, top = 640, 120, 120, 20
    lines = []
    for row, (name, unit, values) in enumerate(curves):
        base = top + row * (height + 30) + height
        least, most = min(0, min(values)), max(0.001, max(values)) * 1.1
        points = " ".join(f"{left + i * width / max(1, len(values) - 1):.1f},"
                          f"{base - (v - least) / (most - least) * height:.1f}" for i, v in enumerate(values))
        lines += [f'<rect x="{left}" y="{base - height}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>',
                  f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="1.5"/>',
                  f'<text x="8" y="{base - height / 2}">{name}</text>',
                  f'<text x="8" y="{base - height / 2 + 16}" fill="#666">{min(values):.0f}..{max(values):.0f} {unit}</text>']
    total = top + len(curves) * (height + 30) + 10
    lines.append(f'<text x="{left}" y="{total - 6}" fill="#666">{caption}</text>')
    with open(path, "w") as out:
        out.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 20}" height="{total}" '
                  'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>\n' +
                  "\n".join(lines) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--count", type=int)
    parser.add_argument("--leak", choices=["memory", "descriptor"])
    parser.add_argument("--plot")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return run(options.inside, options.count, options.leak)
    failed = False
    for scenario in options.scenarios or SCENARIOS:
        count = options.count or SCENARIOS[scenario][2 if options.short else 1]
        command = [sys.executable, __file__, "--inside", scenario, "--count", str(count)]
        if options.leak:
            command += ["--leak", options.leak]
        # One arena: what each thread's own keeps of a clip's buffers is no leak, and no line is flat.
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE,
                              env={**os.environ, "MALLOC_ARENA_MAX": "1"})
        samples = json.loads(done.stdout)
        assert len(samples) >= count * 0.9, f"{len(samples)} of {count} iterations"
        rises = {name: slope([one[name] for one in samples]) for name in samples[0]}
        flat = (rises["memory"] < MOST_KIB and rises["descriptors"] < MOST_DESCRIPTORS and
                rises["threads"] < MOST_THREADS)
        failed |= not flat
        last = samples[-1]
        print(f"{scenario}: {len(samples)} iterations, {last['memory'] / 1024:.0f} MiB, {last['descriptors']} "
              f"descriptors, {last['threads']} threads; an iteration adds {rises['memory']:.1f} KiB, "
              f"{rises['descriptors']:.3f} descriptors, {rises['threads']:.3f} threads: "
              + ("flat" if flat else "RISING"), flush=True)
        if options.plot:
            draw(os.path.join(options.plot, f"reliability-{scenario}.svg"), f"{scenario}: {len(samples)} iterations",
                 [(name, unit, [one[name] * factor for one in samples]) for name, unit, factor in CURVES])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
