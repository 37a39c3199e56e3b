# What a graph of examples/graphs asks gst-launch-1.0 for, and the graph that it means.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile

# In the place of programs: the first says what it was given, the others that all is well.
TELLS = f"""#!{sys.executable}
import json, sys
with open({{log!r}}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
"""
WELL = "#!/bin/sh\nexit 0\n"


def lines_of_script(path, *arguments, **environment):
    """The arguments of each gst-launch-1.0 that it would run, in their order."""
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "log")
        programs = {"gst-launch-1.0": TELLS.format(log=str(log))}
        # awk looks whether a receiver listens.
        for name in "gst-inspect-1.0", "ffmpeg", "awk", "kill":
            programs[name] = WELL
        for name, text in programs.items():
            program = pathlib.Path(folder, "bin", name)
            program.parent.mkdir(exist_ok=True)
            program.write_text(text)
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        plain = {name: "" for name in ("OVI_MODEL_PATH", "IMAGE", "PROMPT", "SEED", "SETTINGS", "PORT",
                                       "WIDTH", "HEIGHT", "RATE", "CAMERA", "CLIPS", "KEEP", "BUILD")}  # fmt: skip
        subprocess.run(
            ["bash", path, *arguments], cwd=folder, check=True, capture_output=True, timeout=60,
            env={**os.environ, **plain, **environment, "PATH": f"{folder}/bin:{os.environ['PATH']}"},
        )  # fmt: skip
        told = [json.loads(line) for line in log.read_text().splitlines()]
        # A receiver runs beside the sender, and may come second.
        return sorted(told, key=lambda words: "ovii2vsrc" not in words)


class Graph:
    def __init__(self):
        self.nodes = []  # (key, what it is, its name or "")
        self.edges = []  # (from, to, caps or "", from's pad or "")

    def key(self, kind):
        self.nodes.append([len(self.nodes), kind, ""])
        return len(self.nodes) - 1


def graph_of(words):
    """As gst-launch-1.0 reads it; properties are left out, caps stand at the link."""
    graph, by_name, later = Graph(), {}, []
    at = linking = None
    caps = ""
    from_pad = ""

    def link(to):
        nonlocal linking, caps, from_pad
        if linking is not None:
            later.append((linking, to, caps, from_pad))
        linking, caps, from_pad = None, "", ""

    for word in words:
        if re.fullmatch(r"-\w", word) or word.startswith("--"):
            continue
        if word == "!":
            if linking is None:
                linking = at
        elif found := re.fullmatch(r"([A-Za-z][\w-]*)\.([\w-]*)", word):
            link(found[0])
            at = found[0]
        elif re.match(r"[a-z]+/x?-?[\w.-]+(,|$)", word):
            caps = word
        elif found := re.match(r"name=(.+)", word):
            graph.nodes[at][2] = found[1]
            by_name[found[1]] = at
        elif "=" in word or word in "()":
            continue
        else:
            at = graph.key(word)
            link(at)

    def resolved(end):
        if isinstance(end, int):
            return end, ""
        name, _, pad = end.partition(".")
        return by_name[name], pad

    for start, to, label, _ in later:
        (start, pad), (to, _) = resolved(start), resolved(to)
        graph.edges.append((start, to, label, pad))
    return graph
