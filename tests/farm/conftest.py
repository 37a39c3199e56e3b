# What the tests of the farm share.
# SPDX-License-Identifier: Apache-2.0
import json
import pathlib
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
for folder in (SOURCE / "examples" / "farm", SOURCE / "tests" / "examples", SOURCE / "tests" / "farm"):
    sys.path.insert(0, str(folder))

import pytest  # noqa: E402

import farm_cluster  # noqa: E402


class Results:
    """How each test ended, in Meson's words. A failure of what it needs, or of tidying up, is its own."""

    WORDS = {"passed": "OK", "failed": "FAIL", "skipped": "SKIP"}

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.passed:
            return
        with self.path.open("a") as log:
            log.write(json.dumps({"name": report.nodeid, "result": self.WORDS[report.outcome]}) + "\n")


def pytest_addoption(parser):
    parser.addoption("--results", metavar="FILE", help="gets a line of JSON for each test")


def pytest_configure(config):
    if path := config.getoption("--results"):
        config.pluginmanager.register(Results(path))


@pytest.fixture(scope="session")
def farm():
    """Two farms: the main one with a maker on each machine, and one whose limits are tight, whose
    clips take minutes, on the head."""
    made = farm_cluster.FarmCluster()
    try:
        made.add_farm("main", "/", replicas=2, resources={"maker": 1}, queue=64, per_key=64,
                      properties={**farm_cluster.farm_model.PROPERTIES, "steps": 20})  # fmt: skip
        made.add_farm("tight", "/tight", model=str(farm_cluster.SOURCE / "examples" / "demo-model"), resources={"other": 1}, queue=2, per_key=4, time_limit=25,
                      body_bytes=4 << 20, body_seconds=2, prompt_bytes=1000, keep_seconds=3,
                      results=str(made.folder / "tight"), private_addresses=False,
                      properties={**farm_cluster.farm_model.PROPERTIES, "steps": 1000})  # fmt: skip
        yield made
    finally:
        made.close()


@pytest.fixture
def client(farm):
    return farm_cluster.Client(farm.url, farm.keys["anna"])


@pytest.fixture
def tight(farm):
    return farm_cluster.Client(farm.url + "/tight", farm.keys["anna"])
