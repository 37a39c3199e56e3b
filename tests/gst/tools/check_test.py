# ovi check and ovi prompt, on the engine itself and the tiny model.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import shlex
import shutil
import subprocess

from tool import DONE, FAILED, MODEL, USAGE, files, ovi, run_tests

NO_MODEL = {"OVI_MODEL_PATH": None}


def test_all_is_here():
    told = ovi("check", MODEL, "--device", "cpu").ends(DONE).out
    for part in ("transformer: ", "Ovi/model.safetensors", "551732 parameters, fp32", "tokenizer",
                 "memory=resident needs", "is taken", "All is here", "49 frames", "mp4 by "):  # fmt: skip
        assert part in told, (part, told)
    run = ovi("check", MODEL, "--device", "cpu", "--json").ends(DONE)
    told = run.json()
    assert told["ok"] is True and told["problems"] == []
    assert [part["name"] for part in told["model"]["components"]] == [
        "transformer", "text encoder", "tokenizer", "video VAE", "audio VAE", "vocoder",
    ]  # fmt: skip
    assert told["memory"]["taken"] == "resident" and told["memory"]["free"] > 0
    assert {plan["memory"]: plan["fits"] for plan in told["memory"]["plans"]} == {
        "resident": True, "offload": True,
    }  # fmt: skip
    assert told["engine"]["file"] == os.environ["OVII2V_ENGINE_PATH"]
    assert told["formats"]["wav"] == {"audio": "wavenc"}
    # Named in other ways.
    for words, variables in ((["--model", MODEL], {}), ([], {"OVI_MODEL_PATH": MODEL})):
        ovi("check", "--device", "cpu", *words, environment=variables).ends(DONE)


def test_how_long_a_clip_takes():
    told = ovi("check", MODEL, "--device", "cpu").ends(DONE).out
    assert "a clip of 50 steps takes about " in told and "denoising " in told, told
    took = ovi("check", MODEL, "--device", "cpu", "--json").ends(DONE).json()["clip"]["seconds"]
    stages = ("text", "image", "denoise", "audio_decode", "video_decode")
    assert all(took[stage] > 0 for stage in stages), took
    assert abs(sum(took[stage] for stage in stages) - took["total"]) < 1e-6 * took["total"]
    assert took["steps"] == 50 and 0 < took["error"] < 1 and 0 < took["probe"] < 10, took
    run = ovi("check", MODEL, "--device", "cpu", "--no-probe", "--json").ends(DONE)
    assert "seconds" not in run.json()["clip"], run


def test_settings_to_copy():
    run = ovi("check", MODEL, "--device", "cpu", "--no-probe")
    line = [line for line in run.out.splitlines() if line.startswith("settings: ovii2vsrc ")]
    assert len(line) == 1 and "precision=bf16 would take: resident " in run.out, run
    words = shlex.split(line[0])[2:]
    told = ovi("check", MODEL, "--device", "cpu", "--no-probe", "--json").json()
    assert words == [f"{name}={value}" for name, value in told["settings"].items()]
    assert told["settings"] == {"model-path": MODEL, "variant": "720x720-5s", "device": "cpu",
                                "precision": "fp32", "memory": "resident"}  # fmt: skip
    assert sorted(told["memory"]["other_precisions"]) == ["bf16", "fp8"], told
    options = [word for setting in words[1:] for word in ("-p", setting)]
    ovi("make", "Hi.", "-m", MODEL, "--steps", "1", "-q", "-o", "clip.wav", *options).ends(DONE)
    # Who says which one hears of no other.
    told = ovi("check", MODEL, "--device", "cpu", "--no-probe", "--precision", "bf16", "--json").json()
    assert told["memory"]["other_precisions"] == {} and told["settings"]["precision"] == "bf16"


def test_what_is_missing_is_named():
    shutil.copytree(MODEL, "model")
    os.remove("model/Wan2.2-TI2V-5B/Wan2.2_VAE.pth")
    os.remove("model/MMAudio/ext_weights/best_netG.pt")
    run = ovi("check", "model", "--json").ends(FAILED)
    told = run.json()
    assert told["ok"] is False and len(told["problems"]) == 1, told
    assert "Wan2.2_VAE.pth" in told["problems"][0] and "best_netG.pt" in told["problems"][0]
    ovi("check", "model").ends(FAILED, "Wan2.2_VAE.pth")
    ovi("check", environment=NO_MODEL).ends(FAILED, "No model is named", "hint: ")
    ovi("check", "no-such").ends(FAILED, "no-such")


def test_every_damaged_file_is_named_at_once():
    shutil.copytree(MODEL, "model")
    for name in "Ovi/model.safetensors", "MMAudio/ext_weights/v1-16.pth":
        os.truncate(f"model/{name}", 500)
    run = ovi("check", "model", "--device", "cpu", "--json").ends(FAILED)
    problems = {part["name"]: part.get("problem") for part in run.json()["model"]["components"]}
    assert sorted(name for name, problem in problems.items() if problem) == [
        "audio VAE", "transformer",
    ]  # fmt: skip
    assert len(run.json()["problems"]) == 2, run
    assert "\x1b" not in run.out


def test_devices_plans_and_variants():
    ovi("check", MODEL, "--device", "cuda:7").ends(FAILED, "No device")
    ovi("check", MODEL, "--memory", "much").ends(USAGE, "auto, resident, offload, stream")
    ovi("check", MODEL, "--variant", "4k").ends(USAGE, "720x720-5s")
    ovi("check", MODEL, "--device", "cpu", "--memory", "stream").ends(FAILED, "stream")
    ovi("check", MODEL, "--device", "cpu", "--variant", "960x960-10s").ends(FAILED, "960x960_10s")
    told = ovi("check", MODEL, "--device", "cpu", "--precision", "bf16", "--json").ends(DONE)
    assert told.json()["memory"]["precision"] == "bf16"
    ovi("check", MODEL, MODEL).ends(USAGE)


def test_several_devices():
    several = "check", MODEL, "--devices", "cpu,cpu"
    run = ovi(*several).ends(DONE)
    assert "device cpu, for 2 ranks, fp32, " in run.out and "  a clip of " not in run.out, run
    assert "How long a clip takes cannot be said" in run.err, run
    told = ovi(*several, "--no-probe", "--json").ends(DONE).json()
    (cpu,) = told["memory"]["devices"]
    assert (cpu["device"], cpu["ranks"], cpu["taken"]) == ("cpu", 2, "resident"), told
    assert cpu["plans"] == told["memory"]["plans"] and cpu["free"] == told["memory"]["free"], told
    assert told["notes"] == [] and "seconds" not in told["clip"], told
    one = ovi("check", MODEL, "--device", "cpu", "--no-probe", "--json").json()
    assert "devices" not in one["memory"], one
    for plan, alone in zip(cpu["plans"], one["memory"]["plans"]):
        assert alone["needed"] < plan["needed"] < 1.05 * 2 * alone["needed"], (plan, alone)
    # The settings are those of the property.
    assert "device" not in told["settings"] and told["settings"]["devices"] == "cpu,cpu"
    options = [word for name, value in told["settings"].items() if name != "model-path"
               for word in ("-p", f"{name}={value}")]  # fmt: skip
    ovi("make", "Hi.", "-m", MODEL, "--steps", "1", "-q", "-o", "clip.wav", *options).ends(DONE)
    for devices, named in (("cpu,cuda:7", "cuda:7"), ("cpu,,cpu", "empty"), ("cpu," * 4 + "cpu", "5 devices")):
        ovi("check", MODEL, "--devices", devices).ends(FAILED, named)
    ovi("check", MODEL, "--devices", "ranks").ends(USAGE, "ovi check --device")
    ovi(*several, "--device", "cpu").ends(USAGE, "--devices")


def test_without_an_engine_the_rest_is_told():
    run = ovi("check", MODEL, "--json", environment={"OVII2V_ENGINE_PATH": "/no/such"})
    told = run.ends(FAILED).json()
    assert told["formats"]["mp4"]["audio"] and "engine" not in told and told["plugin"]["version"]
    assert "engine could not be opened" in told["problems"][0]
    older = {"OVII2V_ENGINE_PATH": os.environ["FAKE_ENGINE"]}
    ovi("check", MODEL, environment=older).ends(FAILED, "is older than this program")
    ovi("prompt", "Hello.", environment=older).ends(FAILED, "is older than this program")


def test_versions():
    told = ovi("--version").ends(DONE).out
    assert f"engine 0.2.0 ({os.environ['OVII2V_ENGINE_PATH']})" in told, told


def prompt(*words, **options):
    return ovi("prompt", *words, environment=NO_MODEL, **options)


def test_prompts_without_a_model():
    run = prompt("A man. <S>Hi.<E> <AUDCAP>Wind.<ENDAUDCAP>").ends(DONE)
    assert run.out == "41 characters\n", run
    told = prompt("Ä man. <S>Hi.").ends(FAILED).out
    assert "character 8: <S> is not closed" in told and "what is to be heard" in told, told
    told = prompt("<S>Hi.</S> Audio: Wind.").ends(FAILED).out
    assert "character 7" in told, told
    # That nobody speaks is no fault.
    told = prompt("Rain. <AUDCAP>Rain.<ENDAUDCAP>", "--json").ends(DONE).json()
    assert told["ok"] and [one["kind"] for one in told["warnings"]] == ["no-speech"]
    for bad in "", "  ":
        assert "error: " in prompt(bad).ends(FAILED).out
    assert "error: " in prompt(os.fsdecode(b"\xff")).ends(FAILED).out
    assert prompt("-", input="Rain. Audio: rain\n").ends(DONE)
    prompt().ends(USAGE)
    prompt("two", "prompts").ends(USAGE)


def test_prompts_with_a_model_have_a_length_in_tokens():
    run = prompt("<S>Hi.<E> <AUDCAP>Wind.<ENDAUDCAP>", "--model", MODEL).ends(DONE)
    assert "of 512 tokens" in run.out
    run = prompt("<S>Hi.<E> Audio: " + "wind " * 600, "--model", MODEL, "--json").ends(FAILED)
    told = run.json()
    assert told["tokens"] > 512 and [one["kind"] for one in told["warnings"]] == [
        "style", "truncated",
    ]  # fmt: skip
    prompt("Hi.", "--model", "no-such").ends(FAILED, "no-such")
    # What is only set for other commands is not in the way.
    run = ovi("prompt", "<S>Hi.<E> Audio: x", environment={"OVI_MODEL_PATH": "/no/such"})
    run.ends(DONE, "warning: ")


def test_prompts_of_a_table():
    pathlib.Path("table.csv").write_text(
        'image_path,text_prompt,seed\nnone.png,"<S>Hi,\nyou.<E> Audio: x",1\n,<S>Hi.,x\n,,\n,,2\n'
    )
    told = prompt("--csv", "table.csv").ends(FAILED).out
    assert "row 1: 23 characters" in told and "row 2: character 1: <S>" in told, told
    told = prompt("--csv", "table.csv", "--json").ends(FAILED).json()
    assert [row["ok"] for row in told] == [True, False, False], told
    prompt("--csv", "no-such.csv").ends(FAILED, "no-such.csv")
    prompt("--csv", "table.csv", "text").ends(USAGE)


def test_nothing_is_loaded_before_it_is_asked_for():
    linked = subprocess.run(["ldd", os.environ["OVI"]], capture_output=True, text=True).stdout
    assert "torch" not in linked and "ovii2v" not in linked, linked


run_tests(globals())
