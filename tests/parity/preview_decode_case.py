#!/usr/bin/env python3
"""Makes the cases preview-decode and preview-decode-super: pictures that TAEHV's own decoder
(github.com/madebyollin/taehv, taehv.py) gives with weights by hashed_weights.h.

    preview_decode_case.py FOLDER_OF_TAEHV_PY [OUT]     needs torch, numpy and what taehv.py imports
"""

import json
import pathlib
import struct
import sys

import numpy
import torch

VARIANTS = {"preview-decode": None, "preview-decode-super": "super"}
SIZE = (2, 3)  # latents


def mixed(x):
    x = (x ^ (x >> numpy.uint32(15))) * numpy.uint32(0x2C1B3C6D)
    x = (x ^ (x >> numpy.uint32(12))) * numpy.uint32(0x297A2D39)
    return x ^ (x >> numpy.uint32(15))


def uniform(name, count):
    """Numbers in 0..1 that depend on name and index: hashed_weights.h has the same."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = (seed ^ byte) * 0x01000193 & 0xFFFFFFFF
    with numpy.errstate(over="ignore"):
        index = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(0x9E3779B1)
        return mixed(index ^ numpy.uint32(seed)).astype(numpy.float64) / 4294967296.0


def hashed(name, shape):
    values = uniform(name, int(numpy.prod(shape)))
    if len(shape) == 1:
        values = values * 0.25
    else:
        fan_in = int(numpy.prod(shape[1:]))
        values = (2 * values - 1) * numpy.sqrt(2.0 / fan_in)
    return torch.from_numpy(values.reshape(shape).astype(numpy.float32))


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@torch.no_grad()
def main():
    sys.path.insert(0, sys.argv[1])
    import taehv

    out = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parent / "cases")
    for case, variant in VARIANTS.items():
        model = taehv.TAEHV(None, patch_size=2, latent_channels=48, arch_variant=variant)
        weights = {name: hashed(name, tuple(tensor.shape))
                   for name, tensor in model.state_dict().items()}
        model.load_state_dict(weights)
        latents = 3 * (2 * torch.from_numpy(uniform("latents", 48 * SIZE[0] * SIZE[1])) - 1)
        latents = latents.float().reshape(1, 48, *SIZE)
        picture = model.decode_video(latents.unsqueeze(1), parallel=True,
                                     show_progress_bar=False)
        assert picture.shape == (1, 1, 3, 16 * SIZE[0], 16 * SIZE[1])
        print(case, "mean %.3f, deviation %.3f, clamped %.0f %%" % (
            picture.mean(), picture.std(),
            100 * ((picture == 0) | (picture == 1)).float().mean()),
            sum(tensor.numel() for tensor in weights.values()), "numbers")
        folder = out / case
        folder.mkdir(parents=True, exist_ok=True)
        write_safetensors(folder / "inputs.safetensors", {"latents": latents})
        write_safetensors(folder / "expected.safetensors", {"picture": picture[0]})
        (folder / "case.json").write_text(json.dumps({
            "stage": "preview-decode", "model": "", "args": {"super": variant == "super"},
            "tolerance": {"picture": 1e-4}}, indent=2) + "\n")


if __name__ == "__main__":
    main()
