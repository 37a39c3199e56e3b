#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reference's half of compare_reference.py: character-ai's Ovi in Python makes one clip.

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

import collections
import json
import pathlib
import platform
import resource
import shutil
import sys
import time

TINY = pathlib.Path(__file__).resolve().parents[2] / "tests/parity/models/tiny"
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
MIB = 1 << 20


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


def main():
    action, *paths = sys.argv[1:]
    if action == "--make-middle":  # CHECKOUT FOLDER
        return make_middle(*map(pathlib.Path, paths))
    if action != "--run":
        sys.exit("started by compare_reference.py, with --run or --make-middle")
    checkout, folder, out = map(pathlib.Path, paths)
    return run_reference(checkout, folder, json.loads((out / "wish.json").read_text()), out)


if __name__ == "__main__":
    sys.exit(main())
