#!/usr/bin/env python3
"""Pictures in applications that are not as most are: few descriptors, threads or memory, no standard
descriptors, SIGCHLD ignored, another locale, more rights than their user, forked, killed. Each is
a process of its own.

usage: unusual_process_test.py PICTURE FILM ENGINE DECODER   (or: CASE ARGUMENTS..., inside)"""
import base64
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# --- the application ---------------------------------------------------------------------------


def start():
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    return Gst


def clip(image, count=1):
    """What the bus says at the end, and how long NULL took; of the element's processes none is left."""
    Gst = start()
    pipeline = Gst.parse_launch(" ".join(
        f"ovii2vsrc name=s{i} model-path=. prompt=cat s{i}.video ! fakesink s{i}.audio ! fakesink"
        for i in range(count)))
    for i in range(count):
        pipeline.get_by_name(f"s{i}").set_property("image", image)
    pipeline.set_state(Gst.State.PLAYING)
    said = pipeline.get_bus().timed_pop_filtered(40 * Gst.SECOND, Gst.MessageType.ERROR | Gst.MessageType.EOS)
    begin = time.monotonic()
    pipeline.set_state(Gst.State.NULL)
    assert time.monotonic() - begin < 0.5, "NULL waits"
    assert not children(), f"left: {children()}"
    if not said:
        return "nothing"
    if said.type == Gst.MessageType.EOS:
        return "end"
    error, debug = said.parse_error()
    return f"{error.domain} {error.code} {error.message} ({debug})"


def children():
    """Of this process: those of each of its threads."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        try:
            found += map(int, open(f"/proc/self/task/{thread}/children").read().split())
        except OSError:
            pass  # the thread is gone
    return found


def running(image):
    """A pipeline and the decoder that reads its picture, bound to this process already."""
    clip(image)
    Gst = start()
    while True:  # the decoder may be faster than this
        pipeline = Gst.parse_launch("ovii2vsrc name=s model-path=. prompt=cat s.video ! fakesink s.audio ! fakesink")
        pipeline.get_by_name("s").set_property("image", image)
        pipeline.set_state(Gst.State.PLAYING)
        while not pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR | Gst.MessageType.EOS):
            for child in children():
                try:
                    if "NoNewPrivs:\t1" in open(f"/proc/{child}/status").read():
                        os.kill(child, signal.SIGSTOP)
                        return Gst, pipeline, child
                except OSError:
                    pass
        pipeline.set_state(Gst.State.NULL)


def limit(what, most):
    resource.setrlimit(what, (most, most))


def few(what, most, image):
    """A limit that is set when all of GStreamer is there."""
    clip(image)
    if what == "threads":
        os.setuid(40000 + os.getpid() % 20000)  # nobody else's processes count
        limit(resource.RLIMIT_NPROC, most)
    else:
        limit(resource.RLIMIT_NOFILE, most)
    return clip(image)


def signalled(number, image):
    """What is said of a decoder that gets a signal in its midst."""
    Gst, pipeline, child = running(image)
    os.kill(child, number)
    said = pipeline.get_bus().timed_pop_filtered(40 * Gst.SECOND, Gst.MessageType.ERROR | Gst.MessageType.EOS)
    pipeline.set_state(Gst.State.NULL)
    assert not children(), f"left: {children()}"
    return said.parse_error()[0].message if said.type == Gst.MessageType.ERROR else "end"


def stopped_and_left(image):
    """NULL while the decoder stands still."""
    Gst, pipeline, child = running(image)
    begin = time.monotonic()
    pipeline.set_state(Gst.State.NULL)
    took = time.monotonic() - begin
    return f"{took < 0.5} {children()}"


def closed(image, film):
    for standard in range(3):
        os.close(standard)
    return f"{clip(image)} {clip(film)}"


def forked(image):
    before = clip(image)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return f"{before} {clip(image)}"


def large_data(image):
    """A text of 100 MB, in bounded time and memory, never repeated."""
    text = base64.b64encode(open(image, "rb").read()).decode()
    grown = text + "A" * (100_000_000 - len(text))
    said = clip("data:image/png;base64," + grown)
    begin, used = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    junk = clip("data:image/png;base64," + "A" * 100_000_000)
    assert time.monotonic() - begin < 30 and len(junk) < 500, junk[:500]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < 700 << 10
    broken = clip("data:image/png;base64,%zz")
    escaped = clip("data:image/png," + "".join(f"%{byte:02x}" for byte in open(image, "rb").read()))
    return f"{said} | {escaped} | {broken}"


def waiting(image):
    kept = running(image)  # or it would end here
    print(kept[2], flush=True)
    signal.pause()  # until it is killed


CASES = {
    "few": lambda what, most, image: few(what, int(most), image),
    "usual": clip, "closed": closed, "forked": forked, "large-data": large_data,
    "stopped": stopped_and_left, "waiting": waiting,
    "sixteen": lambda image: clip(image, 16),
    "signalled": lambda number, image: signalled(int(number), image),
    "alone": lambda image: (signal.signal(signal.SIGCHLD, signal.SIG_IGN), clip(image))[1],
    "cpu": lambda image: (limit(resource.RLIMIT_CPU, 3), clip(image))[1],
}

# --- the test -----------------------------------------------------------------------------------


def run(case, *words, **options):
    """Its last line; it ended well."""
    result, out = os.pipe()
    with os.fdopen(result) as answer:
        environment = {**os.environ, **options.pop("env", {}), "OVI_ANSWER": str(out)}
        done = subprocess.run([sys.executable, __file__, case, *map(str, words)], pass_fds=[out], env=environment,
                              capture_output=True, text=True, timeout=150, **options)
        os.close(out)
        said = answer.read()
    assert done.returncode == 0, f"{case} {words}: {done.returncode} {done.stdout[-500:]} {done.stderr[-1500:]}"
    return said, done.stdout + done.stderr


def main(picture, film, engine, decoder):
    ended = lambda *words, **options: run(*words, **options)[0]
    assert ended("usual", picture) == "end"
    for most in (64, 20, 16):
        assert ended("few", "descriptors", most, picture) == "end", most
    told = ended("few", "descriptors", 9, picture)
    assert told == "end" or "raise the limits (ulimit -n, -u)" in told, told
    if os.geteuid() == 0:
        seen = [ended("few", "threads", most, picture) for most in range(1, 12)]
        assert all(one == "end" or "Out of threads for the worker" in one or "raise the limits" in one for one in seen), seen
        assert seen[0] != "end" and seen[-1] == "end", seen
    assert ended("cpu", picture) == "end"
    assert ended("closed", picture, film) == "end end"
    assert ended("alone", picture) == "end" and ended("alone", film) == "end"
    assert ended("forked", picture) == "end end"
    assert ended("sixteen", picture) == "end" and ended("sixteen", film) == "end"
    for locale in ("C", "de_DE", "ja_JP.eucjp", "xx_YY"):
        with tempfile.TemporaryDirectory() as folder:
            named = pathlib.Path(folder) / "ä ü.png"
            shutil.copy(picture, named)
            assert ended("usual", named, env={"LC_ALL": locale, "PYTHONUTF8": "1"}) == "end", locale

    killed = ended("signalled", int(signal.SIGKILL), film)
    assert "something killed the decoder (SIGKILL)" in killed and "Try again" in killed, killed
    stuck = ended("signalled", int(signal.SIGSTOP), film)
    assert "takes longer than the 10 seconds" in stuck, stuck
    assert ended("stopped", film) == "True []"
    dies_with_its_application(film)

    whole = ended("large-data", picture)
    assert whole.startswith("end | end | ") and "is malformed" in whole, whole

    secret = "http://user:secretpw@127.0.0.1:9/a/b.png?token=s3cr3ttoken#frag99"
    said, log = run("usual", secret, env={"GST_DEBUG": "ovii2v*:9,default:9,GST_ELEMENT*:9,GST_ERROR_SYSTEM:9"})
    assert "ovii2vsrc" in log, "nothing is logged"
    for part in ("secretpw", "s3cr3ttoken", "frag99"):
        assert part not in said, said
        # souphttpsrc and GStreamer's bus say what they like, in lines of their own.
        lines = [line for line in log.splitlines() if part in line and "souphttpsrc" not in line and "GST_BUS" not in line]
        assert not lines, lines[:3]
    if os.geteuid() == 0:
        more_rights(picture, engine, decoder)
    print("all well")


def dies_with_its_application(film):
    with subprocess.Popen([sys.executable, __file__, "waiting", film], stdout=subprocess.PIPE, text=True) as application:
        child = int(application.stdout.readline())
        os.kill(application.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while os.path.exists(f"/proc/{child}") and time.monotonic() < until:
        state = open(f"/proc/{child}/stat").read().rpartition(")")[2].split()[0]
        if state == "Z":  # dead, for whoever inherited it to take away
            break
    else:
        assert not os.path.exists(f"/proc/{child}"), "the decoder outlives its application"


def more_rights(picture, engine, decoder):
    """With more rights than its user, as a set-uid program: no decoder of the user's choice is started."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        plugin = pathlib.Path(os.environ["GST_PLUGIN_PATH"]) / "libgstovii2v.so"
        for file, place in ((plugin, "gstreamer-1.0/libgstovii2v.so"), (engine, "ovii2v/libovii2v-engine.so.1"),
                            (decoder, "ovii2v/ovii2v-picture")):
            (folder / place).parent.mkdir(exist_ok=True)
            shutil.copy(file, folder / place)
        shutil.copy(picture, folder / "picture.png")
        trap = folder / "trap"
        trap.write_text(f"#!/bin/sh\ntouch {folder}/sprung/it\n")
        trap.chmod(0o755)
        (folder / "sprung").mkdir()
        (folder / "sprung").chmod(0o777)
        env = {"GST_PLUGIN_PATH": str(folder / "gstreamer-1.0"), "GST_REGISTRY": "/dev/null", "HOME": "/nonexistent",
               "OVII2V_PICTURE_PATH": str(trap), "PYTHONDONTWRITEBYTECODE": "1"}
        env["GST_REGISTRY"] = str(folder / "sprung" / "registry")

        def take_rights():  # the kernel marks what is started so (AT_SECURE)
            os.setresuid(0, 65534, 65534)

        said = run("usual", folder / "picture.png", env=env, preexec_fn=take_rights)[0]
        assert said == "end", said
        assert not (folder / "sprung" / "it").exists(), "the user's program was started"
        # And without more rights it would be.
        said = run("usual", folder / "picture.png", env={**env, "OVII2V_ENGINE_PATH": engine})[0]
        assert (folder / "sprung" / "it").exists() and "crashed the decoder" in said, said


if __name__ == "__main__":
    if sys.argv[1] in CASES:
        said = CASES[sys.argv[1]](*sys.argv[2:])
        os.write(int(os.environ["OVI_ANSWER"]), said.encode())
    else:
        main(*sys.argv[1:])
