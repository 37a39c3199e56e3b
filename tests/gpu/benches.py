"""The benchmarks of check.py: which there are, and how they are asked for.

SPDX-License-Identifier: Apache-2.0
"""
import re

SMALL = ("layers=2,dim=128,ffn=256,text-layers=1,text-dim=64,text-ffn=64,text-heads=4,"
         "vae-encoder-dim=32,vae-decoder-dim=32,audio-vae-dim=32,vocoder-channels=64,area=9216,"
         "video-latents=3,audio-latents=12")


def bench(name, variant="720x720_5s", precision="bf16", steps=10, fused=True, **more):
    return {"name": name, "variant": variant, "precision": precision, "steps": steps,
            "fused": fused, **more}


# In the order of interest: what the time allows is run. A whole clip of 50 steps is run
# once; of a short one the second run counts, which has nothing left to load.
BENCHES = [
    bench("bf16", steps=50, memory="resident"),
    bench("bf16-unfused", fused=False, memory="resident"),
    bench("fp8", precision="fp8", steps=50, memory="resident"),
    bench("fast", steps=50, memory="resident", acceleration="fast"),
    bench("balanced", steps=50, memory="resident", acceleration="balanced"),
    bench("offload", memory="offload"),
    bench("stream", memory="stream"),
    bench("960", variant="960x960_5s"),
    bench("fp8-fast", precision="fp8", steps=50, memory="resident", acceleration="fast"),
    bench("960-fp8", variant="960x960_5s", precision="fp8"),
    bench("10s", variant="960x960_10s", steps=5),
    bench("10s-fp8", variant="960x960_10s", precision="fp8", steps=5),
    bench("10s-stream", variant="960x960_10s", steps=2, memory="stream"),
    bench("fp32", precision="fp32", steps=5),
]
NAMES = [settings["name"] for settings in BENCHES]


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
    arguments += ["--runs", 1 if small or settings["steps"] >= 50 else 2]
    return arguments + (["--size", SMALL] if small else [])
