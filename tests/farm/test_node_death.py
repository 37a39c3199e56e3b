# A machine dies in the midst of thirty jobs.
# SPDX-License-Identifier: Apache-2.0
import concurrent.futures
import os
import signal
import time

import ray
import requests

import farm_model
from farm_cluster import until

JOBS = 30


def test_every_job_is_answered_once(farm, client):
    # Both makers are there, also after tests that killed some.
    nodes = until(lambda: farm.maker_pids("main", 2, "node"), 120)
    (theirs,) = (pid for pid, node in nodes.items() if node == farm.second.node_id)
    os.kill(theirs, signal.SIGSTOP)  # so that its clip is not done before it dies
    before = set(os.listdir(farm.folder / "results"))
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        asked = [pool.submit(client.ask, seed=seed, timeout=300) for seed in range(JOBS)]
        until(lambda: sum(one.done() for one in asked) >= 6, 120)
        # The other machine is in the midst of a clip.
        until(lambda: requests.get(farm.url + "/v1/health", timeout=10).json()["running"] >= 1)
        farm.kill_machine(farm.second)
        left = sum(not one.done() for one in asked)
        began = time.monotonic()
        answers = [one.result() for one in asked]
        took = time.monotonic() - began
    assert left > 5, "in the midst"
    assert [answer.status_code for answer in answers] == [200] * JOBS, [a.text for a in answers]
    results = [answer.json() for answer in answers]
    assert [result["seed"] for result in results] == list(range(JOBS))
    assert len({result["id"] for result in results}) == JOBS
    # Each clip lies there once; who was done again was done again once.
    assert len(set(os.listdir(farm.folder / "results")) - before) == JOBS
    again = [result for result in results if result["attempts"] > 1]
    print(f"{left} jobs were open when the machine died, {len(again)} were done again; {took:.1f} s")
    assert all(result["attempts"] == 2 for result in again) and len(again) == 1
    until(lambda: sum(node["Alive"] for node in ray.nodes()) == 1, what="the cluster notices")
    # The clip that was done again is the one that its seed gives.
    fresh = client.ask(seed=again[0]["seed"]).json()
    contents = [farm_model.content(client.get(one["video"]).content) for one in (fresh, again[0])]
    assert contents[0] == contents[1]
