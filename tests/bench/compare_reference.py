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

What is changed about the reference, from outside and only so that it runs on a CPU in float32:
- its flash_attention, which needs a GPU, becomes torch's scaled_dot_product_attention on the same
  tensors without a copy of our own (there is one clip and nothing is padded, so no mask is needed);
- the bfloat16 that it writes into its transformer (casts, and assertions about them) is float32;
- "cuda" as the default device while it is imported is "cpu"; its autocast("cuda") does nothing
  without a GPU by itself;
- sizes that it holds as constants (text encoder, video and audio VAE, vocoder) follow the weights;
- packages that it imports for other purposes than these (open_clip, torchvision, torchaudio,
  librosa, the 44 kHz vocoder) need not be there; the audio VAE is built without the spectrogram
  front end, which decoding does not use.
The loop around its modules is that of its OviFusionEngine.generate: same calls, same order, under
inference_mode. Reading the picture from a file is left out on both sides: both are given pixels.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ROOT / "tests/parity/models/tiny"
FUSION = "Ovi/model.safetensors"
TEXT = "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth"
TOKENIZER = "Wan2.2-TI2V-5B/google/umt5-xxl"
VIDEO_VAE = "Wan2.2-TI2V-5B/Wan2.2_VAE.pth"
AUDIO_VAE = "MMAudio/ext_weights/v1-16.pth"
VOCODER = "MMAudio/ext_weights/best_netG.pt"

# Of the middle-sized model. Heads are 128 wide, as in the published checkpoints.
MIDDLE = {
    "dim": 512, "ffn": 2048, "layers": 6,
    "text_dim": 512, "text_ffn": 1280, "text_heads": 8, "text_layers": 6, "vocabulary": 576,
    "vae_encoder_dim": 32, "vae_decoder_dim": 32, "audio_vae_dim": 128, "vocoder_channels": 384,
    "area": 256 * 256, "video_latents": 13, "audio_latents": 64,
}
STAGES = ("load", "text", "image", "denoise", "audio_decode", "video_decode")
MIB = 1 << 20

# How near two float32 programs stay that add in another order; a wrong stage is below 20 dB.
LEAST_DECIBELS = 40.0
WANTED_SPEEDUP = 1.3


# ---------------------------------------------------------------- the reference's side

class Float32Torch:
    """torch, as a module of the reference sees it, with bfloat16 written where it is float32."""

    def __init__(self, torch):
        self._torch = torch
        self.bfloat16 = torch.float32

    def __getattr__(self, name):
        return getattr(self._torch, name)


def stub(name, **attributes):
    """A package that is only imported, or an attribute of it that is never called here."""
    import types

    module = types.ModuleType(name)
    for key, value in attributes.items():
        setattr(module, key, value)
    sys.modules[name] = module
    return module


def import_reference(checkout):
    """The reference's modules, made to run on a CPU in float32; see the top of this file."""
    import types

    import torch
    import torch.nn.functional as F

    # Before the stubs: these look for packages by themselves.
    import diffusers.models.modeling_utils  # noqa: F401
    import transformers.models.auto  # noqa: F401

    sys.path.insert(0, str(checkout))
    torch.cuda.current_device = lambda: "cpu"
    torch.Tensor.bfloat16 = lambda tensor: tensor.to(torch.float32)

    def missing(name):
        try:
            __import__(name)
            return False
        except Exception:
            return True

    if missing("open_clip"):
        stub("open_clip", create_model_from_pretrained=None)
    if missing("torchvision.transforms"):
        stub("torchvision.transforms", Normalize=None)
    if missing("torchaudio"):
        stub("torchaudio")
    if missing("librosa.filters"):
        stub("librosa.filters", mel=None)
    stub("ovi.modules.mmaudio.ext.bigvgan_v2")
    stub("ovi.modules.mmaudio.ext.bigvgan_v2.bigvgan", BigVGAN=None)
    # The package's own __init__ imports every model; only some are needed.
    package = types.ModuleType("ovi.modules")
    package.__path__ = [str(pathlib.Path(checkout) / "ovi/modules")]
    sys.modules["ovi.modules"] = package

    import ovi.modules.attention as attention

    def attend(q, k, v, q_lens=None, k_lens=None, **_):
        assert q.size(0) == 1 and (k_lens is None or int(k_lens[0]) == k.size(1))
        return F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2)

    attention.flash_attention = attend
    import ovi.modules.fusion as fusion
    import ovi.modules.model as model
    import ovi.modules.t5 as t5
    import ovi.modules.vae2_2 as vae
    import ovi.modules.mmaudio.ext.autoencoder.autoencoder as autoencoder
    import ovi.modules.mmaudio.ext.autoencoder.vae as audio_vae
    import ovi.modules.mmaudio.ext.bigvgan.bigvgan as bigvgan
    from ovi.utils.fm_solvers_unipc import FlowUniPCMultistepScheduler

    fusion.torch = Float32Torch(torch)
    model.torch = Float32Torch(torch)
    return types.SimpleNamespace(
        torch=torch, fusion=fusion, model=model, t5=t5, vae=vae, autoencoder=autoencoder,
        audio_vae=audio_vae, bigvgan=bigvgan, Scheduler=FlowUniPCMultistepScheduler)


def transformer_configs(dim, ffn, heads, layers, text_dim, frequencies, rope_scaling):
    """The reference's two files in ovi/configs/model/dit, at another size."""
    common = dict(dim=dim, ffn_dim=ffn, freq_dim=frequencies, num_heads=heads, num_layers=layers,
                  text_dim=text_dim, text_len=512, window_size=(-1, -1), qk_norm=True,
                  cross_attn_norm=True, eps=1e-6)
    video = dict(common, model_type="ti2v", patch_size=(1, 2, 2), in_dim=48, out_dim=48)
    audio = dict(common, model_type="t2a", patch_size=(1,), in_dim=20, out_dim=20,
                 temporal_rope_scaling_factor=rope_scaling)
    return video, audio


def read_settings(folder):
    file = folder / "ovi.json"
    return json.loads(file.read_text()) if file.exists() else {}


def count_blocks(names, prefix):
    return 1 + max(int(n[len(prefix):].split(".")[0]) for n in names if n.startswith(prefix))


def load_reference(ref, folder):
    """Text encoder, transformer, video VAE, audio VAE with vocoder: as the reference loads them."""
    import functools

    import safetensors
    import safetensors.torch

    torch = ref.torch
    settings = read_settings(folder)
    shapes = {}
    with safetensors.safe_open(str(folder / FUSION), "pt") as file:
        for name in file.keys():
            shapes[name] = file.get_slice(name).get_shape()
    dim, text_dim = shapes["video_model.text_embedding.0.weight"]
    fusion_settings = settings.get("fusion", {})
    configs = transformer_configs(
        dim, shapes["video_model.blocks.0.ffn.0.weight"][0],
        fusion_settings.get("num_heads", dim // 128),
        count_blocks(shapes, "video_model.blocks."), text_dim,
        shapes["video_model.time_embedding.0.weight"][1],
        fusion_settings.get("audio_rope_scaling", 0.19676))
    with torch.device("meta"):
        fusion = ref.fusion.FusionModel(*configs)

    # mmap: a look at the shapes must not count as memory of the reference.
    def looked_at(name):
        state = torch.load(folder / name, map_location="cpu", weights_only=True, mmap=True)
        state = state.get("generator", state)
        return {key: tuple(value.shape) for key, value in state.items()}

    video = looked_at(VIDEO_VAE)
    ref.vae._video_vae = functools.partial(
        ref.vae._video_vae, dec_dim=video["decoder.head.0.gamma"][0])
    video_vae = ref.vae.Wan2_2_VAE(c_dim=video["encoder.conv1.weight"][0],
                                   vae_pth=str(folder / VIDEO_VAE), device="cpu")
    video_vae.model.requires_grad_(False).eval()

    audio_dim = looked_at(AUDIO_VAE)["encoder.conv_in.weight"][0]
    channels = looked_at(VOCODER)["conv_pre.parametrizations.weight.original1"][0]
    ref.autoencoder.get_my_vae = lambda _: ref.audio_vae.VAE(
        data_dim=80, embed_dim=20, hidden_dim=audio_dim)
    load_config = ref.bigvgan.OmegaConf.load

    def sized_config(path):
        config = load_config(path)
        config.upsample_initial_channel = channels
        return config

    ref.bigvgan.OmegaConf = type("Sized", (), {"load": staticmethod(sized_config)})
    audio_vae = ref.autoencoder.AutoEncoderModule(
        vae_ckpt_path=str(folder / AUDIO_VAE), vocoder_ckpt_path=str(folder / VOCODER), mode="16k")
    audio_vae.requires_grad_(False).eval()

    text = looked_at(TEXT)
    vocabulary, width = text["token_embedding.weight"]
    ref.t5.umt5_xxl = functools.partial(
        ref.t5.umt5_xxl, vocab_size=vocabulary, dim=width,
        dim_attn=text["blocks.0.attn.q.weight"][0],
        dim_ffn=text["blocks.0.ffn.fc1.weight"][0],
        num_heads=text["blocks.0.pos_embedding.embedding.weight"][1],
        encoder_layers=count_blocks(text, "blocks."))
    text_encoder = ref.t5.T5EncoderModel(
        text_len=512, dtype=torch.float32, device="cpu", checkpoint_path=str(folder / TEXT),
        tokenizer_path=str(folder / TOKENIZER))

    state = safetensors.torch.load_file(str(folder / FUSION), device="cpu")
    fusion.load_state_dict(state, strict=True, assign=True)
    del state
    fusion = fusion.to(dtype=torch.float32).eval()
    fusion.set_rope_params()
    return text_encoder, fusion, video_vae, audio_vae


def resident_bytes():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def run_reference(checkout, folder, wish, out):
    """One clip; writes what ovi-bench --save writes, and reference.json, into `out`."""
    import torch

    torch.set_num_threads(wish["threads"])
    ref = import_reference(checkout)
    imported = resident_bytes()
    seconds = {}
    mark = time.perf_counter()

    def lap(stage):
        nonlocal mark
        now = time.perf_counter()
        seconds[stage] = now - mark
        mark = now

    begin = mark
    text_encoder, fusion, video_vae, audio_vae = load_reference(ref, folder)
    lap("load")
    request = wish["request"]
    with torch.inference_mode():
        schedulers = []
        for _ in range(2):
            scheduler = ref.Scheduler(num_train_timesteps=1000, shift=1, use_dynamic_shifting=False)
            scheduler.set_timesteps(request["steps"], device="cpu", shift=request["shift"])
            schedulers.append(scheduler)
        positive, video_negative, audio_negative = text_encoder(
            [request["prompt"], request["video_negative_prompt"], request["audio_negative_prompt"]],
            "cpu")
        lap("text")

        height, width = wish["height"], wish["width"]
        rows = (torch.arange(height) * 255 // height).to(torch.float32)
        picture = (rows / 255 * 2 - 1).view(1, 1, height, 1).expand(1, 3, height, width)
        image = video_vae.wrapped_encode(picture[:, :, None]).squeeze(0)
        lap("image")

        def noise(*shape):
            generator = torch.Generator(device="cpu").manual_seed(request["seed"])
            return torch.randn(shape, generator=generator)

        video = noise(48, wish["video_latents"], image.shape[2], image.shape[3])
        audio = noise(wish["audio_latents"], 20)
        tokens = video.shape[1] * video.shape[2] * video.shape[3] // 4
        for t_video, t_audio in zip(schedulers[0].timesteps, schedulers[1].timesteps):
            t = torch.full((1,), t_video)
            video[:, :1] = image
            common = dict(vid=[video], audio=[audio], t=t, vid_seq_len=tokens,
                          audio_seq_len=audio.shape[0], first_frame_is_clean=True)
            p_video, p_audio = fusion(vid_context=[positive], audio_context=[positive], **common)
            n_video, n_audio = fusion(vid_context=[video_negative], audio_context=[audio_negative],
                                      slg_layer=request["slg_layer"], **common)
            guided = n_video[0] + request["video_guidance_scale"] * (p_video[0] - n_video[0])
            heard = n_audio[0] + request["audio_guidance_scale"] * (p_audio[0] - n_audio[0])
            video = schedulers[0].step(guided.unsqueeze(0), t_video, video.unsqueeze(0),
                                       return_dict=False)[0].squeeze(0)
            audio = schedulers[1].step(heard.unsqueeze(0), t_audio, audio.unsqueeze(0),
                                       return_dict=False)[0].squeeze(0)
        video[:, :1] = image
        lap("denoise")
        with torch.no_grad():
            sound = audio_vae.vocode(audio_vae.decode(audio.unsqueeze(0).transpose(1, 2)))
        sound = sound.squeeze().cpu().float().numpy()
        lap("audio_decode")
        frames = video_vae.wrapped_decode(video.unsqueeze(0)).squeeze(0).cpu().float().numpy()
        lap("video_decode")
    seconds["clip"] = time.perf_counter() - begin - seconds["load"]
    seconds["total"] = time.perf_counter() - begin

    report = {"seconds": seconds, "imported_mib": imported / MIB, "torch": torch.__version__,
              "threads": torch.get_num_threads(), "python": platform.python_version()}
    (out / "reference.json").write_text(json.dumps(report))
    if wish["save"]:
        video.contiguous().numpy().tofile(out / "video_latents.f32")
        audio.contiguous().numpy().tofile(out / "audio_latents.f32")
        sound.tofile(out / "audio.f32")
        frames.tofile(out / "frames.f32")  # [3, T, H, W] in -1..1


def make_middle(checkout, folder):
    """Random weights from the reference's own constructors; what they make zero, or would leave
    without effect, is filled, so that every tensor counts in the comparison."""
    import functools

    ref = import_reference(checkout)
    torch = ref.torch
    torch.manual_seed(20)
    import safetensors.torch

    m = MIDDLE

    def filled(module):
        state = {}
        for name, value in module.state_dict().items():
            value = value.detach().clone().contiguous()
            if value.is_floating_point() and value.numel() > 1 and not value.any():
                scale = 0.02 if value.dim() == 1 else value[0].numel() ** -0.5
                value = torch.randn_like(value) * scale
            state[name] = value
        return state

    for part in (FUSION, TEXT, VIDEO_VAE, AUDIO_VAE):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
    video, audio = transformer_configs(m["dim"], m["ffn"], m["dim"] // 128, m["layers"],
                                       m["text_dim"], 256, 0.19676)
    safetensors.torch.save_file(filled(ref.fusion.FusionModel(video, audio)), folder / FUSION)
    encoder = ref.t5.umt5_xxl(
        encoder_only=True, vocab_size=m["vocabulary"], dim=m["text_dim"], dim_attn=m["text_dim"],
        dim_ffn=m["text_ffn"], num_heads=m["text_heads"], encoder_layers=m["text_layers"])
    torch.save(collections.OrderedDict(filled(encoder)), folder / TEXT)
    vae = ref.vae.WanVAE_(dim=m["vae_encoder_dim"], dec_dim=m["vae_decoder_dim"], z_dim=48,
                          temperal_downsample=[False, True, True])
    torch.save(collections.OrderedDict(filled(vae)), folder / VIDEO_VAE)
    sound = ref.audio_vae.VAE(data_dim=80, embed_dim=20, hidden_dim=m["audio_vae_dim"])
    torch.save(collections.OrderedDict(filled(sound)), folder / AUDIO_VAE)
    config = ref.bigvgan.OmegaConf.load(ref.bigvgan._bigvgan_vocoder_path)
    config.upsample_initial_channel = m["vocoder_channels"]
    vocoder = filled(ref.bigvgan.BigVGANVocoder(config))
    torch.save({"generator": vocoder}, folder / VOCODER)
    shutil.copytree(TINY / TOKENIZER, folder / TOKENIZER, dirs_exist_ok=True)
    (folder / "ovi.json").write_text(json.dumps({"variant": {
        "name": "720x720_5s", "area": m["area"], "video_latents": m["video_latents"],
        "audio_latents": m["audio_latents"]}}))


# ---------------------------------------------------------------- both sides beside each other

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
        command = [self.options.python, pathlib.Path(__file__).resolve(), "--run-reference",
                   self.options.reference, self.folder, out]
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
        subprocess.run([options.python, pathlib.Path(__file__).resolve(), "--make-middle",
                        options.reference, folder], check=True)
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
    if sys.argv[1:2] == ["--run-reference"]:
        checkout, folder, out = map(pathlib.Path, sys.argv[2:5])
        return run_reference(checkout, folder, json.loads((out / "wish.json").read_text()), out)
    if sys.argv[1:2] == ["--weigh"]:
        return weigh(sys.argv[2], sys.argv[3:])
    if sys.argv[1:2] == ["--make-middle"]:
        return make_middle(*map(pathlib.Path, sys.argv[2:4]))
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
