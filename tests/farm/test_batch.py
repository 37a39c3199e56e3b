# Tables on a cluster: resumed, idempotent, and a machine that dies loses nothing.
# SPDX-License-Identifier: Apache-2.0
import csv
import json
import os
import subprocess
import sys

import ray

import demo
import farm_model
from ovi_farm.batch import Batch
from ovi_farm.settings import Settings
from ovi_farm.table import read_table

PROGRAM = demo.SOURCE / "examples" / "farm" / "batch.py"


def write_table(path, rows):
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text_prompt", "image_path", "seed", "steps", "output"])
        table.writerows(rows)


class Driver:
    def __init__(self, farm, folder, makers, rows):
        write_table(folder / "table.csv", rows)
        settings = Settings(model=str(farm.model.path), keys="", gpus=0, cpus=0,
                            resources={"batch": 1}, properties=farm_model.PROPERTIES)  # fmt: skip
        self.said = []
        self.on_word = lambda text: None
        self.batch = Batch(settings, str(folder / "clips"), say=self.hear)
        properties = self.batch.start(makers)
        self.tasks = self.batch.plan(read_table(str(folder / "table.csv"), properties)[0])

    def hear(self, text):
        self.said.append(text)
        self.on_word(text)

    def run(self):
        try:
            self.batch.run(self.tasks)
        finally:
            self.batch.close()
        return [task.result for task in self.tasks]


def rows(count, steps):
    return [(f"{number}. {farm_model.PROMPT}", demo.IMAGE, "", steps, "") for number in range(count)]


def test_a_machine_dies(farm, tmp_path):
    machine = farm.add_machine("batch")
    first = Driver(farm, tmp_path, 2, rows(10, 60))
    nodes = {ray.get(maker.__ray_call__.remote(node_of)) for maker in first.batch.makers}
    assert len(nodes) == 2, "a maker on each machine"
    dead = []

    def kill(text):
        if "made in" in text and len(first.said) >= 3 and not dead:
            dead.append(machine)
            farm.kill_machine(machine)

    first.on_word = kill
    assert first.run() == ["made"] * 10 and dead
    assert sorted(one for one in os.listdir(tmp_path / "clips") if one.endswith(".mp4")) == sorted(
        f"clip-{number}.mp4" for number in range(1, 11))  # fmt: skip
    assert any("its maker died" in text for text in first.said), first.said
    # Once more: nothing is left to do; what is spoilt or gone is made again, the same.
    clips = {name: (tmp_path / "clips" / name).read_bytes() for name in ("clip-1.mp4", "clip-10.mp4")}
    (tmp_path / "clips" / "clip-1.mp4").unlink()
    (tmp_path / "clips" / "clip-10.mp4").write_bytes(clips["clip-10.mp4"][:1000])
    again = Driver(farm, tmp_path, 1, rows(10, 60))
    assert again.run() == ["made", *["skipped"] * 8, "made"]
    for name, clip in clips.items():
        assert farm_model.content((tmp_path / "clips" / name).read_bytes()) == farm_model.content(clip)
    # Another request under the same name is an error, and the clip stays.
    other = Driver(farm, tmp_path, 1, rows(10, 61))
    assert other.run() == ["failed"] * 10 and "made from something else" in other.tasks[0].reason


def node_of(_):
    return ray.get_runtime_context().get_node_id()


def test_command(tmp_path):
    """On a cluster of its own, and then `ovi make --csv` over the same table finds all made."""
    model = farm_model.small_model(tmp_path / "model")
    picture = demo.IMAGE
    write_table(tmp_path / "table.csv", [
        ("One. " + farm_model.PROMPT, picture, 5, "", ""), ("Two. " + farm_model.PROMPT, picture, "", "", "named.mp4"),
        ("Three", picture, "x", "", ""), ("Four", "no-such.png", "", "", ""), ("Five", "", "", "", "../out.mp4"),
        ("Six", "", "", "", "named.mp4"),
    ])  # fmt: skip
    settings = [f"{name}={value}" for name, value in farm_model.PROPERTIES.items()]
    settings = [word for one in settings for word in ("-p", one)]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path / "table.csv", "-m", model.path, "-o", tmp_path / "clips",
         "--gpus", "0", "--json", *settings],
        capture_output=True, text=True, env=environment, timeout=500,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert [row["result"] for row in told["rows"]] == ["made", "made", *["failed"] * 4], done.stderr
    assert (told["made"], told["skipped"], told["failed"]) == (2, 0, 4)
    for row, reason in zip(told["rows"][2:], ("seed", "no-such.png", "no name", "file of row 2")):
        assert reason in row["reason"], row
    assert told["rows"][0]["seed"] == 5
    record = json.loads((tmp_path / "clips" / "clip-1.mp4.json").read_text())["record"]
    assert record["seed"] == 5 and record["image-width"] == 512
    # Its clips are whole, with their record, and known to the other program.
    write_table(tmp_path / "table.csv", [("One. " + farm_model.PROMPT, picture, 5, "", "")])
    known = subprocess.run(
        [os.path.join(os.environ["BUILD"], "gst", "tools", "ovi"), "make", "--csv", tmp_path / "table.csv",
         "-o", tmp_path / "clips", "-m", model.path, *settings],
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert "0 made, 1 skipped, 0 failed" in known.stdout, known.stdout + known.stderr
