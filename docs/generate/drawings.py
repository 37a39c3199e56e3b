#!/usr/bin/python3
# docs/graphs/*.svg: the pipelines of examples/graphs as pictures, from what the scripts ask
# gst-launch-1.0 for.
# SPDX-License-Identifier: Apache-2.0
"""drawings.py [--check]"""

import re
import shlex

import page
from launch_line import Graph, graph_of, lines_of_script
from svg import drawing

GRAPHS = page.SOURCE / "examples" / "graphs"
# Run by others, or in Python with a pipeline in its text.
NO_GRAPH = "defaults.sh", "receiver.sh"


def of_python(path):
    """The pipelines that stand in a Python file as text, settings left out."""
    found = re.search(r'f"""\((.*?)\)"""', path.read_text(), re.S)
    if found:
        return shlex.split(re.sub(r"\{[^}]*\}", "", found[1]))
    words = re.findall(r'^\s+f"(.*)"$', path.read_text(), re.M)
    defaults = dict(re.findall(r'"--(video|audio)".*?default="([^"]+)"', path.read_text(), re.S))
    line = " ".join(words)
    for name, value in defaults.items():
        line = line.replace("{asked." + name + "}", value)
    return shlex.split(re.sub(r"\{[^}]*\}", "", line))


# For the tour: who hands what to whom, with the files to read.
TO_LATENTS = [
    ("settings", "gst/settings.cpp", "", []),
    ("worker", "gst/engine/worker.cpp", "ovi_request", ["settings"]),
    ("the door", "engine/capi/engine.cpp", "", ["worker"]),
    ("generator", "engine/pipeline/generator.cpp", "Request", ["the door"]),
    ("text encoder", "engine/models/umt5_encoder.cpp", "", ["generator"]),
    ("video VAE, encoder", "engine/models/video_vae_encoder.cpp", "", ["generator"]),
    ("steps", "engine/pipeline/denoise.cpp", "", ["text encoder", "video VAE, encoder"]),
]
TO_BUFFERS = [
    ("steps", "engine/pipeline/denoise.cpp", "", []),
    ("audio VAE, vocoder", "engine/models/audio_vae.cpp", "latents", ["steps"]),
    ("video VAE, decoder", "engine/models/video_vae_decoder.cpp", "latents", ["steps"]),
    ("callbacks", "engine/capi/engine.cpp", "", ["audio VAE, vocoder", "video VAE, decoder"]),
    ("reel", "gst/clip/reel.cpp", "frames, sound", ["callbacks"]),
    ("pad tasks", "gst/stream/stream.cpp", "GstBuffer", ["reel"]),
]


def way(stations):
    graph, keys = Graph(), {}
    for name, file, handed, sources in stations:
        assert (page.SOURCE / file).exists(), f"there is no {file}"
        keys[name] = graph.key(name)
        graph.nodes[-1][2] = file
        graph.edges += [(keys[one], keys[name], "", handed) for one in sources]
    return graph


def main():
    pages = {}
    for path in sorted(GRAPHS.iterdir()):
        if path.name in NO_GRAPH:
            continue
        lines = lines_of_script(path) if path.suffix == ".sh" else [of_python(path)]
        graphs = [graph_of(words) for words in lines]
        heads = ["sender", "receiver, which the script starts"] if len(graphs) > 1 else [""]
        pages[f"graphs/{path.stem}.svg"] = drawing(
            list(zip(heads, graphs)), f"The pipeline of examples/graphs/{path.name}"
        )
    pages["graphs/way.svg"] = drawing(
        [("From what was asked for to latents", way(TO_LATENTS)),
         ("From latents to buffers", way(TO_BUFFERS))], "The way of a request")  # fmt: skip
    for path in (page.DOCS / "graphs").glob("*.svg"):
        name = f"graphs/{path.name}"
        assert name in pages, f"docs/{name} belongs to no example"
    page.put(pages)


if __name__ == "__main__":
    main()
