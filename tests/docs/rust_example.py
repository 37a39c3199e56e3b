#!/usr/bin/python3
# The Rust program of docs/embedding.md, built with cargo and run. On demand: cargo fetches its crates.
# SPDX-License-Identifier: Apache-2.0
"""BUILD=build tests/docs/rust_example.py [--parse]

--parse: only see whether rustfmt can read it, which needs no crate.
"""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))

import demo  # noqa: E402
import pages  # noqa: E402


def main():
    build = pathlib.Path(os.environ.setdefault("BUILD", str(demo.SOURCE / "build"))).resolve()
    os.environ["BUILD"] = str(build)
    with demo.work_folder("rust") as folder:
        for block in pages.blocks("docs/embedding.md"):
            if block.file.startswith("rust/"):
                path = folder / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
        if "--parse" in sys.argv[1:]:
            subprocess.run(["rustfmt", "--edition", "2021", "--emit", "stdout", "rust/src/main.rs"],
                           cwd=folder, check=True, stdout=subprocess.DEVNULL)  # fmt: skip
            print("rustfmt can read it")
            return
        model = demo.Model(folder / "model", area=128 * 128, video_latents=3, audio_latents=12)
        subprocess.run(["cargo", "build", "--quiet"], cwd=folder / "rust", check=True)
        environment = {**os.environ, "GST_PLUGIN_PATH": str(build / "gst")}
        subprocess.run([folder / "rust" / "target" / "debug" / "clip", model.path, demo.IMAGE,
                        "She smiles. <S>Hello.<E> <AUDCAP>A calm voice.<ENDAUDCAP>"],
                       cwd=folder, env=environment, check=True, timeout=300)  # fmt: skip
        assert (folder / "clip.mp4").stat().st_size > 1000
        print("it built, and made a clip")


main()
