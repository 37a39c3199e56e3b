# The front as its clients see it, on a real cluster.
# SPDX-License-Identifier: Apache-2.0
import concurrent.futures
import os
import re
import signal
import time

import pytest
import ray
import requests

import farm_model
from farm_cluster import Client, until


def resting(one):
    return until(lambda: requests.get(one.url + "/v1/health", timeout=10).json()
                 == {"waiting": 0, "running": 0})  # fmt: skip


def problem(answer, status, told=""):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["title"] and told in body["detail"], body
    return body


def test_hosted_client(farm):
    """What the hosted service's own page shows, with another address."""
    url = farm.url + "/v1/ovi-i2v"
    headers = {"x-api-key": farm.keys["anna"], "Content-Type": "application/json"}
    data = {
        "image": farm_model.IMAGE_URI, "prompt": farm_model.PROMPT,
        "audio_negative_prompt": "robotic, muffled, echo, distorted",
        "video_negative_prompt": "jitter, bad hands, blur, distortion", "seed": None,
    }  # fmt: skip
    answer = requests.post(url, headers=headers, json=data, timeout=120)
    assert answer.status_code == 200, answer.text
    result = answer.json()
    assert result["duration"] == round(9 / 24, 4) and 0 <= result["seed"] < 1 << 32
    assert (result["width"], result["height"], result["attempts"]) == (128, 128, 1)
    clip = requests.get(result["video"], timeout=60)
    assert clip.headers["content-type"] == "video/mp4"
    frames = farm_model.content(clip.content)
    # Players ask for pieces.
    piece = requests.get(result["video"], headers={"Range": "bytes=4-7"}, timeout=60)
    assert piece.status_code == 206 and piece.content == b"ftyp"
    # The same seed, and the MP4 itself.
    answer = requests.post(url, headers={**headers, "Accept": "video/mp4"},
                           json={**data, "seed": result["seed"]}, timeout=120)  # fmt: skip
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["x-seed"] == str(result["seed"]) and answer.headers["x-duration"] == "0.375"
    assert farm_model.content(answer.content) == frames


def test_events(client):
    job = client.begin(seed=5)
    heard = list(client.events(job))
    names = [name for name, _, _ in heard]
    assert names[:2] == ["waiting", "started"] and names[-1] == "made"
    assert [number for _, _, number in heard] == list(range(len(heard)))
    stages = [fields["stage"] for name, fields, _ in heard if name == "progress"]
    assert list(dict.fromkeys(stages)) == ["load", "encode", "generate", "decode"]
    percents = [fields["percent"] for name, fields, _ in heard if name == "progress"]
    assert percents == sorted(percents) and percents[-1] == 100
    assert sum("step" in fields.get("message", "") for _, fields, _ in heard) == 20
    farm_model.content(client.get(heard[-1][1]["video"]).content)
    status = client.get(job["job"]).json()
    assert (status["status"], status["seed"], status["video"]) == ("made", 5, heard[-1][1]["video"])
    # Who comes back goes on where it was.
    assert list(client.events(job, last=len(heard) - 3)) == heard[-2:]


def test_jobs_belong_to_their_key(farm, client):
    job = client.begin()
    other = Client(farm.url, farm.keys["bert"])
    for address in (job["job"], job["events"]):
        problem(other.get(address), 404)
        problem(requests.get(address, timeout=10), 401)
    problem(requests.delete(job["job"], headers=other.headers, timeout=10), 404)
    assert [name for name, _, _ in client.events(job)][-1] == "made"
    for name in ("x", "..", "%2e%2e", "..%2f..%2fkeys", job["id"] + "%00", job["id"] + "/../../x", "é" * 50,
                 "a" * 8000):  # fmt: skip
        for path in (f"/v1/jobs/{name}", f"/v1/jobs/{name}/events", f"/v1/clips/{name}"):
            problem(client.get(client.url + path), 404)


def test_statuses(farm, client, tight):
    problem(client.ask(prompt=""), 400, "prompt")
    problem(client.ask(image="/etc/passwd"), 400, "scheme")
    problem(client.ask(image="data:image/png;base64,AAAA"), 400, "not a picture")
    # The bytes look like a picture, the decoder has the last word.
    broken = farm_model.IMAGE_URI[:4000]
    problem(client.ask(image=broken), 400, "image")
    problem(client.ask(image="https://localhost/x.png"), 400, "public Internet")
    for key in ("", "wrong", farm.keys["anna"] + "x"):
        answer = client.ask({"x-api-key": key})
        problem(answer, 401, "x-api-key")
        assert "www-authenticate" in answer.headers
    problem(client.ask({"x-api-key": farm.keys["gone"]}), 403, "withdrawn")
    problem(client.get(farm.url + "/v1/other"), 404)
    problem(client.get(farm.url + "/v1/ovi-i2v"), 405)
    problem(client.ask({"Accept": "text/html"}), 406, "video/mp4")
    problem(tight.ask(prompt="x" * 1001), 400, "1000 bytes")
    answer = requests.post(tight.url + "/v1/ovi-i2v", data=b"x" * (6 << 20), headers=tight.headers)
    problem(answer, 413)


def test_time_limit_and_removal(farm, tight):
    began = time.monotonic()
    problem(tight.ask(), 504, "25 s")
    assert 25 <= time.monotonic() - began < 50
    resting(tight)
    # The maker is as good as new, and jobs that are over are forgotten after their time.
    job = tight.begin()
    until(lambda: tight.get(job["job"]).json()["status"] == "running")
    requests.delete(job["job"], headers=tight.headers, timeout=30)
    assert tight.get(job["job"]).json()["status"] == "cancelled"
    until(lambda: tight.get(job["job"]).status_code == 404, 15)


def test_clips_are_removed(farm):
    clip = farm.folder / "tight" / ("a" * 32 + ".mp4")
    url = f"{farm.url}/tight/v1/clips/{clip.name}"
    # Its age is that of the file, and not how slowly this machine answers.
    clip.write_bytes(b"old")
    os.utime(clip, (time.time() + 600,) * 2)
    assert requests.get(url, timeout=60).content == b"old"
    os.utime(clip, (time.time() - 600,) * 2)
    until(lambda: requests.get(url, timeout=60).status_code == 404, 60)
    assert not clip.exists()


def test_bounded_queue(farm, tight):
    """One is made, two wait; the next one is told when to come again."""
    jobs = [tight.begin()]
    until(lambda: tight.get(jobs[0]["job"]).json()["status"] == "running")
    jobs += [tight.begin(), tight.begin()]
    assert requests.get(tight.url + "/v1/health", timeout=10).json() == {"waiting": 2, "running": 1}
    answer = tight.ask()
    problem(answer, 429, "wait already")
    assert 1 <= int(answer.headers["retry-after"]) <= 3600
    for job in reversed(jobs):
        requests.delete(job["job"], headers=tight.headers, timeout=30)
    resting(tight)


def test_one_key_takes_no_more_than_its_share(farm, client):
    tight = Client(farm.url + "/tight", farm.keys["anna"])
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        waits = [pool.submit(requests.post, tight.url + "/v1/ovi-i2v", data=slow_body(4),
                             headers=tight.headers, timeout=30) for _ in range(6)]  # fmt: skip
        # Another key has its own.
        problem(Client(farm.url + "/tight", farm.keys["bert"]).ask(prompt=""), 400)
        answers = sorted((wait.result() for wait in waits), key=lambda answer: answer.status_code)
    for answer in answers[:4]:
        problem(answer, 408, "2 s")
    for answer in answers[4:]:
        problem(answer, 429, "of this key")
    problem(tight.ask(prompt=""), 400)


def slow_body(seconds):
    yield b'{"prompt": "'
    for _ in range(seconds * 10):
        time.sleep(0.1)
        yield b"x"


@pytest.mark.parametrize("kind", ["application/json", "video/mp4"])
def test_who_hangs_up_has_no_clip_made(tight, kind):
    with pytest.raises(requests.exceptions.ReadTimeout):
        tight.ask({"Accept": kind}, timeout=1.5)
    began = time.monotonic()
    resting(tight)
    assert time.monotonic() - began < 5


def test_who_hangs_up_while_waiting(tight):
    job = tight.begin()
    until(lambda: tight.get(job["job"]).json()["status"] == "running")
    with pytest.raises(requests.exceptions.ReadTimeout):
        tight.ask(timeout=1)
    until(lambda: requests.get(tight.url + "/v1/health").json() == {"waiting": 0, "running": 1}, 5)
    requests.delete(job["job"], headers=tight.headers, timeout=30)
    resting(tight)


def kill_while_made(client, job, pids):
    """Kills `pids` when the first step is done; then the rest of the events."""
    killed, rest = False, []
    for name, fields, _ in client.events(job):
        if killed:
            rest.append((name, fields))
        elif name == "progress" and "step" in fields["message"]:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            killed = True
    assert killed
    return rest


@pytest.mark.parametrize("victim", ["process", "replica"])
def test_done_again(farm, client, victim):
    """A maker dies: the clip is made by another, with the seed that the front drew."""
    found = farm.maker_pids("main", 2)
    job = client.begin()
    rest = kill_while_made(client, job, found if victim == "process" else found.values())
    assert [name for name, _ in rest].count("again") == 1 and rest[-1][0] == "made", rest
    status = client.get(job["job"]).json()
    assert status["attempts"] == 2 and status["seed"] == job["seed"]
    fresh = client.ask(seed=job["seed"]).json()
    assert fresh["attempts"] == 1
    contents = [farm_model.content(client.get(one["video"]).content) for one in (status, fresh)]
    assert contents[0] == contents[1]


def test_done_again_once(farm, tight):
    """Two makers died over it: that is enough."""
    (replica,) = farm.maker_pids("tight", 1).values()
    job = tight.begin()
    again, killed = True, []
    for name, _, _ in tight.events(job):
        if name == "again":
            again = True
        elif name == "progress" and again:
            again = False
            (pid,) = farm.children(replica)
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
    assert len(killed) == 2
    body = problem_of(tight.get(job["job"]).json())
    assert body["status"] == 502 and "2 makers" in body["detail"]
    resting(tight)


def problem_of(status):
    assert status["status"] == "failed"
    return status["error"]


def test_metrics(farm, client):
    def series():
        text = ""
        for node in ray.nodes():
            if node["Alive"]:
                at = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
                text += requests.get(at, timeout=10).text
        return text

    client.ask(prompt="")
    client.ask({"x-api-key": "wrong"})
    client.ask({"Accept": "text/html"})
    job = client.begin()
    requests.delete(job["job"], headers=client.headers, timeout=30)
    assert client.ask().status_code == 200
    wanted = [r"ovi_clip_seconds_count\{[^}]*\} [1-9]", r"ovi_waited_seconds_count\{[^}]*\} [1-9]",
              r"ovi_clip_bytes(_total)?\{[^}]*\} [1-9]", r"ovi_jobs_cancelled(_total)?\{[^}]*\} [1-9]",
              r'ovi_jobs\{[^}]*state="waiting"[^}]*\} 0', r'ovi_jobs\{[^}]*state="running"[^}]*\} 0',
              *(r'ovi_answers(_total)?\{[^}]*status="%s"[^}]*\} [1-9]' % status
                for status in (200, 202, 400, 401, 406))]  # fmt: skip
    for one in wanted:
        text = until(lambda: (text := series()) and re.search("^ray_" + one, text, re.M) and text, 30, one)
    assert "anna" not in text


def test_no_secret_in_a_log(farm, client):
    """Keys, prompts, pictures, and the names that open clips."""
    clip = client.ask(prompt="Xylophone-4711. " + farm_model.PROMPT).json()["video"]
    client.get(clip)
    client.ask({"x-api-key": "wrong-key-4711"})
    client.ask(image="https://user:pass-4711@localhost/x.png?token=4711-4711")
    logs = farm.logs()
    assert b"job of anna: made" in logs, "these are the logs"
    for secret in (*farm.keys.values(), "wrong-key-4711", "Xylophone-4711", "pass-4711", "4711-4711",
                   clip.rpartition("/")[2], farm_model.IMAGE_URI[100:200]):  # fmt: skip
        assert secret.encode() not in logs, secret
