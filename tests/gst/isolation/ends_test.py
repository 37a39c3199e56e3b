#!/usr/bin/python3
"""No worker outlives its application, and a Ctrl-C is the application's."""
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import signal
import subprocess
import sys
import time

APPLICATION = """
import gi, os, signal, sys, threading
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
pipeline = Gst.parse_launch("ovii2vsrc isolation=process name=s prompt=x model-path=. steps=1 s.video ! fakesink s.audio ! fakesink")
if sys.argv[1] == "fork":
    pipeline.set_state(Gst.State.READY)
    if os.fork() == 0:  # a child that keeps the socket open
        signal.pause()
pipeline.set_state(Gst.State.PLAYING)
print("plays", flush=True)
try:
    while not pipeline.get_bus().timed_pop_filtered(Gst.SECOND // 10, Gst.MessageType.ERROR | Gst.MessageType.EOS):
        pass
except KeyboardInterrupt:
    pass
worker = [int(one) for task in os.listdir("/proc/self/task") for one in open(f"/proc/self/task/{task}/children").read().split()]
print("alive", all(os.path.exists(f"/proc/{one}/fd/3") for one in worker), flush=True)
pipeline.set_state(Gst.State.NULL)
print("stopped", flush=True)
"""


def wait_for(what, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come")


def state(process):
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def stopped(process):
    """All its threads: SIGSTOP reaches them one after the other."""
    tasks = pathlib.Path(f"/proc/{process}/task").iterdir()
    return all((one / "stat").read_text().rpartition(")")[2].split()[0] == "T" for one in tasks)


def gone(process):
    return state(process) in (None, "Z", "X")  # a zombie waits for init, not for us


def worker_of(application):
    for task in pathlib.Path(f"/proc/{application}/task").iterdir():
        for child in (task / "children").read_text().split():
            if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "ovii2v-worker":
                return int(child)
    return None


def start(how="plain", **more):
    application = subprocess.Popen(
        [sys.executable, "-c", APPLICATION, how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OVI_FAKE_HOLD": "generate"}, **more,
    )  # fmt: skip
    assert application.stdout.readline() == "plays\n"
    worker = wait_for(lambda: worker_of(application.pid))
    # It has told of its stage: it stands there.
    for line in application.stderr:
        if "holding at generate" in line:
            return application, worker


def killed(how, before=None):
    application, worker = start(how, start_new_session=True)
    if before:
        os.kill(worker, before)
        wait_for(lambda: stopped(worker))
    os.kill(application.pid, signal.SIGKILL)
    application.wait()
    wait_for(lambda: gone(worker), 5)
    if how == "fork":
        os.killpg(application.pid, signal.SIGKILL)


def interrupted():
    application, worker = start(start_new_session=True)
    os.killpg(application.pid, signal.SIGINT)  # as a terminal does
    said, _ = application.communicate(timeout=20)
    assert said == "alive True\nstopped\n", said
    assert application.returncode == 0 and gone(worker)


def descriptors():
    """The worker has its socket, the standard ones, and what it opened itself: no file of the application's."""
    secret = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(secret, True)
    application, worker = start(close_fds=False)
    held = {one.name: os.readlink(one) for one in pathlib.Path(f"/proc/{worker}/fd").iterdir()}
    assert held["0"] == "/dev/null" and held["1"] == held["2"] and held["3"].startswith("socket:"), held
    assert "/dev/zero" not in held.values(), held
    assert all(one in "0123" or "pidfd" in target or "memfd:fake" in target for one, target in held.items()), held
    assert os.getpriority(os.PRIO_PROCESS, worker) == os.getpriority(os.PRIO_PROCESS, application.pid)
    application.kill()
    application.communicate()
    wait_for(lambda: gone(worker), 5)


killed("plain")
killed("plain", signal.SIGSTOP)
killed("fork")
interrupted()
descriptors()
print("all well")
