# What stands in files for others to start: the manifest, the script of Slurm, the command of one machine.
# SPDX-License-Identifier: Apache-2.0
import os
import re
import signal
import subprocess
import sys
import tempfile

import requests
import yaml
from ray.serve.schema import ServeDeploySchema

import demo
import farm_model
from ovi_farm.__main__ import read
from ovi_farm.settings import Settings

FARM = demo.SOURCE / "examples" / "farm"


def test_manifest():
    whole = yaml.safe_load((FARM / "kuberay.yaml").read_text())
    serve = ServeDeploySchema(**yaml.safe_load(whole["spec"]["serveConfigV2"]))
    assert serve.applications[0].import_path == "ovi_farm.app:build"
    settings = Settings(**serve.applications[0].args)
    cluster = whole["spec"]["rayClusterConfig"]
    (workers,) = cluster["workerGroupSpecs"]
    assert settings.max_replicas == workers["maxReplicas"] and settings.replicas == workers["minReplicas"]
    grace = workers["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= settings.time_limit, "a clip is finished before its machine goes"
    assert serve.logging_config.enable_access_log is False
    pinned = re.search(r"^ray\[serve\]==(\S+)$", (FARM / "requirements.txt").read_text(), re.M)[1]
    assert cluster["rayVersion"] == pinned


def test_arguments(monkeypatch):
    settings, place = read(["model=m", "keys=7", "properties={steps: 3, lora: x}", "gpus=0.5", "port=81",
                            "image_schemes=[data]"])  # fmt: skip
    assert settings.properties == {"steps": 3, "lora": "x"} and settings.gpus == 0.5
    assert settings.keys == os.path.abspath("7") and settings.image_schemes == {"data"}
    assert place == {"host": "127.0.0.1", "port": 81}
    for words in (["model=m"], ["model=m", "keys=k", "colour=red"], ["model"], ["model=m", "keys=k", "gpus=-1"]):
        try:
            read(words)
        except ValueError:
            continue
        raise AssertionError(words)


def test_slurm(tmp_path):
    """Two machines, by programs that stand for Slurm's: both join, the command runs, nothing stays."""
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "scontrol").write_text("#!/bin/sh\nprintf 'one\\ntwo\\n'\n")
    (fake / "srun").write_text('#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do case $1 in -w) shift;; esac; shift; done\n'
                               'exec "$@"\n')  # fmt: skip
    (fake / "hostname").write_text("#!/bin/sh\necho 127.0.0.1 ::1\n")
    for one in fake.iterdir():
        one.chmod(0o755)
    command = ("import ray, time\nray.init(log_to_driver=False, configure_logging=False)\n"
               "while len(ray.nodes()) < 2: time.sleep(0.2)\nprint('machines:', len(ray.nodes()))")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="ovi-slurm-") as folder:
        environment = {**os.environ, "PATH": f"{fake}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "x",
                       "SLURM_JOB_ID": str(os.getpid()), "SLURM_SUBMIT_DIR": str(demo.SOURCE), "RAY_TMPDIR": folder}  # fmt: skip
        environment.pop("RAY_AUTH_TOKEN", None)
        done = subprocess.run([FARM / "slurm.sh", "-c", command], env=environment, capture_output=True,
                              text=True, timeout=300, start_new_session=True)  # fmt: skip
    assert done.returncode == 0 and "machines: 2" in done.stdout, done.stdout + done.stderr
    assert "RAY_AUTH_TOKEN" not in done.stdout


def test_one_machine(tmp_path):
    """The one command: it makes a key, serves a clip, and ends at SIGTERM."""
    port = demo.free_ports(demo.socket.SOCK_STREAM, 1)
    model = farm_model.small_model(tmp_path / "model")
    with tempfile.TemporaryDirectory(prefix="ovi-one-") as folder:
        environment = {**os.environ, "OVI_KEYS": str(tmp_path / "keys"), "RAY_TMPDIR": folder}
        environment.pop("RAY_ADDRESS", None)
        process = subprocess.Popen(
            [FARM / "serve.sh", f"model={model.path}", "gpus=0", f"port={port}", f"results={tmp_path}/clips",
             "properties={steps: 2, slg-layer: 1}"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            key, said = None, ""
            for line in process.stdout:
                said += line
                key = line.split(": ")[1].strip() if line.startswith("A key") else key
                if line.startswith("Clips are made at"):
                    break
            assert key, said
            data = {"image": farm_model.IMAGE_URI, "prompt": "Rain."}
            answer = requests.post(line.split()[-1], json=data, headers={"x-api-key": key}, timeout=120)
            assert answer.status_code == 200, answer.text
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    assert (tmp_path / "keys").stat().st_mode & 0o77 == 0


def test_help():
    done = subprocess.run([sys.executable, "-m", "ovi_farm", "--help"], cwd=FARM, capture_output=True, text=True)
    assert done.returncode == 2
    for name in Settings.model_fields:
        assert f"  {name}" in done.stdout
