# ovi make: what it makes, and what it says when it cannot.
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import signal
import stat
import subprocess

from tool import (CANCELLED, DONE, FAILED, MODEL, PICTURE, USAGE, digest, files, frames, make, ovi,
                  run_tests, start, streams, tags)  # fmt: skip


def test_each_kind_of_file():
    for name, expected in {
        "clip.mp4": ["aac", "h264"],
        "clip.mkv": ["h264", "opus"],
        "clip.webm": ["opus", "vp9"],
        "clip.WAV": ["pcm_s16le"],
    }.items():
        run = make(PICTURE, "Hello.", "-o", name).ends(DONE)
        assert name in run.out and "seed" in run.out, run
        assert streams(name) == expected, (name, streams(name))
    assert files() == sorted(["clip.mp4", "clip.mkv", "clip.webm", "clip.WAV"])
    assert frames("clip.mp4") == int(os.environ["OVI_FAKE_FRAMES"])


def test_a_file_is_as_others_are():
    os.umask(0o027)
    make("Hello.", "-o", "clip.mp4").ends(DONE)
    assert stat.S_IMODE(os.stat("clip.mp4").st_mode) == 0o640
    os.umask(0o022)


def test_the_usual_name_is_clip_mp4():
    make("Hello.").ends(DONE)
    assert files() == ["clip.mp4"]


def test_a_seed_makes_the_same_clip():
    for name, seed in ("one.mp4", 7), ("same.mp4", 7), ("other.mp4", 8):
        run = make("Hello.", "--seed", str(seed), "-o", name).ends(DONE)
        assert f"seed {seed}" in run.out
    assert digest("one.mp4") == digest("same.mp4") != digest("other.mp4")


def test_several_clips_have_seeds_in_a_row():
    run = make("Hello.", "-n", "3", "--seed", "5", "-o", "clip.mkv").ends(DONE, "(2 of 3)")
    assert files() == ["clip-1.mkv", "clip-2.mkv", "clip-3.mkv"]
    assert [f"seed {seed}" in run.out for seed in (5, 6, 7)] == [True] * 3
    make("Hello.", "--seed", "6", "-o", "single.mkv").ends(DONE)
    assert digest("clip-2.mkv") == digest("single.mkv")


def test_the_model_is_loaded_once_for_all():
    run = make("Hello.", "-n", "3", "-o", "clip.wav", environment={"OVI_FAKE_TELL": "1"}).ends(DONE)
    assert run.err.count("loading a model") == 1, run


def test_one_film_of_several_clips():
    make("Hello.", "-p", "num-clips=2", "-o", "film.mp4").ends(DONE)
    assert frames("film.mp4") == 2 * int(os.environ["OVI_FAKE_FRAMES"])
    make("Hello.", "-p", "num-clips=0", "-o", "endless.mp4").ends(USAGE, "num-clips=0 never ends")


def test_nothing_is_replaced_without_force():
    pathlib.Path("clip.mp4").write_text("mine")
    make("Hello.", "-o", "clip.mp4").ends(FAILED, "clip.mp4 is there already", "--force")
    assert pathlib.Path("clip.mp4").read_text() == "mine"
    make("Hello.", "-o", "clip.mp4", "--force").ends(DONE)
    assert streams("clip.mp4")
    os.symlink("nowhere", "link.mp4")
    make("Hello.", "-o", "link.mp4").ends(FAILED, "is there already")


def test_a_link_stays_one():
    os.mkdir("far")
    pathlib.Path("far/real.mp4").write_text("old")
    os.symlink("far/real.mp4", "link.mp4")
    make("Hello.", "-o", "link.mp4", "-f").ends(DONE)
    assert os.path.islink("link.mp4") and streams("far/real.mp4")
    assert files("far") == ["real.mp4"]


def test_properties():
    make("Hello.", "-p", "steps=3", "-p", "solver=euler", "-p", "slg_layer=0", "-q").ends(DONE)
    for setting, said in {
        "sed=4": 'no property "sed". Is "seed" meant?',
        "stats=x": "can only be read",
        "image-sample=x": "cannot be set from a text",
        "name=x": "no property",
        "steps=0": '"steps" takes a whole number from 1 to 1000, not "0"',
        "steps=1.5": "takes a whole number",
        "steps=": "takes a whole number",
        "steps=99999999999999999999": "takes a whole number",
        "seed=-2": '"seed" takes a whole number from -1 on',
        "solver=foo": "one of unipc, dpm++, euler",
        "shift=nan": "takes a number from 0.01 to 100",
        "shift=1,5": "takes a number",
        "is-live=maybe": "true or false",
        "nonsense": "no PROPERTY=VALUE",
        "=x": "no PROPERTY=VALUE",
    }.items():
        make("Hello.", "-o", "other.mp4", "-p", setting).ends(USAGE, said)
    make("Hello.", "--steps", "many").ends(USAGE, '"steps" takes')
    listed = ovi("make", "--list-properties").ends(DONE).out
    assert "solver: How a denoising step is taken; one of unipc, dpm++, euler" in listed
    assert files() == ["clip.mp4"]


def test_wrong_arguments():
    ovi().ends(USAGE)
    ovi("mak").ends(USAGE, '"ovi make" meant')
    ovi("\x1b[31mx").ends(USAGE)
    make().ends(USAGE, "PROMPT is missing")
    make(PICTURE).ends(USAGE, "is a file: PROMPT is missing")
    make("a", "b", "c").ends(USAGE, "put the prompt in quotes")
    make("Hello.", "--sed", "4").ends(USAGE, "--seed")
    make("Hello.", "-n", "0").ends(USAGE)
    make("Hello.", "-o", "clip.avi").ends(USAGE, ".webm", "--format")
    make("Hello.", "-o", "clip").ends(USAGE)
    make("Hello.", "-o", "/dev/null").ends(USAGE, "--format")
    make("Hello.", "--format", "avi").ends(USAGE, "mp4, mkv")
    make("Hello.", "--json").ends(USAGE)
    make("Hello.", "-n", "2", "-o", "/dev/null", "--format", "mp4").ends(USAGE, "A stream takes one")
    make("Hello.", "-n", "2", "-o", "-", "--format", "mp4").ends(USAGE, "A stream takes one")
    make("", "-o", "clip.mp4").ends(FAILED, "no prompt")
    assert files() == []


def test_help():
    for words in ("--help",), ("make", "--help"), ("help", "make"), ("make", "--help-all"):
        run = ovi(*words).ends(DONE)
        assert "[PICTURE] PROMPT" in run.out and not run.err, run
    assert "GStreamer" in ovi("--version").ends(DONE).out


def test_a_prompt_that_begins_with_a_dash_or_comes_by_a_pipe():
    make("-o", "clip.mp4", "--", "-5 degrees.").ends(DONE)
    make("-", "-o", "piped.mp4", input="She says \"Now!\"\nand goes.\n").ends(DONE)
    assert 'title=She says "Now!"' in tags("piped.mp4"), tags("piped.mp4")


def test_what_the_element_says_is_passed_on():
    make("no-such.png", "Hello.").ends(FAILED, "no-such.png does not exist")
    make("gopher://x/y.png", "Hello.").ends(FAILED, "gopher")
    ovi("make", "Hello.", "-m", "/no/such").ends(FAILED, "/no/such", "hint: --model")
    # GStreamer 1.22's qtmux may copy a buffer that never came when all ends early, which it survives.
    make("Hello.", environment={"OVI_FAKE_FAIL": "10", "G_DEBUG": ""}).ends(FAILED, "It was made to fail.")
    make("Hello.", environment={"OVII2V_ENGINE_PATH": "/no/such.so"}).ends(FAILED, "could not be opened")
    assert files() == []


def test_without_the_plug_in():
    # A copy elsewhere has no plug-in beside it.
    os.mkdir("bin")
    subprocess.run(["cp", os.environ["OVI"], "bin/ovi"], check=True)
    variables = {**os.environ, "GST_PLUGIN_PATH": "", "GST_REGISTRY": os.path.abspath("registry")}
    run = subprocess.run(
        ["bin/ovi", "make", "Hello."], env=variables, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == FAILED and "GST_PLUGIN_PATH" in run.stderr, run
    run = subprocess.run(["bin/ovi", "--version"], env=variables, capture_output=True, text=True)
    assert run.returncode == FAILED and "not found" in run.stdout, run


def test_names_of_all_kinds():
    os.mkdir("a folder")
    for name in "with space.mp4", "ä ö.mp4", "a folder/x.mp4", "%d.mp4", '"q".mp4', "-dash.mp4":
        make("Hello.", f"--output={name}").ends(DONE)
        assert streams("./" + name)
    raw = b"\xff\xfe.mp4"
    make("Hello.", "-o", os.fsdecode(raw)).ends(DONE)
    assert raw in os.listdir(b".")
    longest = "x" * 251 + ".mp4"
    make("Hello.", "-o", longest).ends(DONE)
    os.link(PICTURE, "p ü.png") if os.stat(PICTURE).st_dev == os.stat(".").st_dev else \
        subprocess.run(["cp", PICTURE, "p ü.png"], check=True)
    make("p ü.png", "Hello.", "-o", "1.mp4").ends(DONE)
    make("./p ü.png", "Hello.", "-o", "2.mp4").ends(DONE)
    os.rename(b"p \xc3\xbc.png", b"p \xfc.png")
    make(os.fsdecode(b"p \xfc.png"), "Hello.", "-o", "3.mp4").ends(DONE)
    assert digest("1.mp4").splitlines()[-1] and len(files()) == 12, files()


def test_text_in_other_encodings():
    make("Grüße.", environment={"LC_ALL": "C"}).ends(DONE)
    make(os.fsdecode(b"Gr\xfc\xdfe."), "-o", "x.mp4", environment={"LC_ALL": "C.UTF-8"}).ends(
        USAGE, "neither UTF-8 nor"
    )


def test_folders_that_do_not_take_it():
    make("Hello.", "-o", "no/such/clip.mp4").ends(FAILED, "there is no folder no/such")
    os.mkdir("folder.mp4")
    make("Hello.", "-o", "folder.mp4", "-f").ends(FAILED, "is a folder")
    os.mkdir("mine")
    os.chmod("mine", 0o555)

    def anybody():
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

    os.chmod(".", 0o755)
    run = make("Hello.", "-o", "mine/clip.mp4", preexec_fn=anybody)
    run.ends(FAILED, "mine/clip.mp4 cannot be written: Permission denied")
    assert files("mine") == []


def test_no_space_left():
    # A file may grow no further than that: what a full disk does as well.
    run = make("Hello.", "-o", "clip.mp4", preexec_fn=lambda: limit_files(4096))
    run.ends(FAILED, "error: ")
    make("Hello.", "-o", "/dev/full", "--format", "mkv").ends(FAILED, "No space left")
    assert files() == []


def limit_files(most):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def test_streams():
    for kind in "mp4", "mkv", "webm", "wav":
        make("Hello.", "-o", "/dev/null", "--format", kind).ends(DONE)
        with open(f"got.{kind}", "wb") as to:
            piped = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=to)
            run = make("Hello.", "-o", "-", "--format", kind, stdout=piped.stdin, stderr=subprocess.PIPE)
            piped.communicate()
        run.ends(DONE)
        assert streams(f"got.{kind}")
    os.mkfifo("fifo.mkv")
    with open("read.mkv", "wb") as to:
        reader = subprocess.Popen(["cat", "fifo.mkv"], stdout=to)
        make("Hello.", "-o", "fifo.mkv").ends(DONE)
        assert reader.wait(60) == 0
    assert streams("read.mkv") and stat.S_ISFIFO(os.stat("fifo.mkv").st_mode)


def test_a_reader_that_goes():
    process = start("make", "-m", MODEL, "Hello.", "-o", "-", "--format", "mkv",
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    process.stdout.close()
    assert process.wait(60) == FAILED
    assert b"error: " in process.stderr.read()


def test_nobody_reads_what_is_said():
    for closed in "stdout", "stderr":
        process = start("make", "-m", MODEL, "Hello.", "-o", f"{closed}.mp4",
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        getattr(process, closed).close()
        process.communicate(timeout=60) if closed == "never" else process.wait(60)
        assert process.returncode == DONE and streams(f"{closed}.mp4")
    # Not even there.
    process = subprocess.run(
        ["sh", "-c", '"$OVI" make -m "$MODEL" Hello. -o none.mp4 <&- >&- 2>&-'], timeout=60
    )
    assert process.returncode == DONE and streams("none.mp4")


def hold_at(stage, *words, sends, **options):
    """Cancelled while the engine stands at `stage`."""
    process = start(
        "make", "-m", MODEL, "Hello.", *words, environment={"OVI_FAKE_HOLD": stage},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip
    for line in process.stderr:
        if f"holding at {stage}" in line:
            break
    process.send_signal(sends)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_cancelled_by_a_signal():
    for stage in "load", "generate", "decode":
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            status, said = hold_at(stage, "-o", "clip.mp4", sends=number)
            assert status == CANCELLED and "clip.mp4 was not made" in said, (status, said)
            assert files() == [], files()
    # What was there stays when its successor is cancelled.
    pathlib.Path("clip.mp4").write_text("mine")
    status, _ = hold_at("decode", "-f", "-o", "clip.mp4", sends=signal.SIGINT)
    assert status == CANCELLED and pathlib.Path("clip.mp4").read_text() == "mine"
    # The rest of several is not begun.
    status, _ = hold_at("decode", "-n", "3", "-o", "x.mp4", sends=signal.SIGINT)
    assert status == CANCELLED and files() == ["clip.mp4"]


def test_cancelled_while_nobody_reads():
    os.mkfifo("fifo.mkv")
    waiting = start("make", "-m", MODEL, "Hello.", "-o", "fifo.mkv", stderr=subprocess.PIPE, text=True)
    assert "waiting for a reader" in waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == CANCELLED and "fifo.mkv was not made" in said, said
    # A reader that reads nothing.
    stalled = start("make", "-m", MODEL, "Hello.", "-p", "num-clips=1000", "-o", "-", "--format",
                    "wav", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    for line in stalled.stderr:
        if "generating" in line.lower():
            break
    stalled.send_signal(signal.SIGTERM)
    assert stalled.wait(60) == CANCELLED
    stalled.stdout.close()
    stalled.stderr.close()


def test_what_the_parent_ignores_is_ignored():
    process = start(
        "make", "-m", MODEL, "Hello.", "-o", "clip.mp4",
        environment={"OVI_FAKE_HOLD": "generate"}, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    for line in process.stderr:
        if "holding at generate" in line:
            break
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == CANCELLED


def test_warnings_are_said_once():
    run = make("Hello.", "-n", "3", "-o", "clip.wav", environment={"OVI_FAKE_WARNING": "Mend it."})
    assert run.ends(DONE).err.count("warning: Mend it.") == 1, run


def test_a_terminal_gets_a_bar_that_goes():
    import pty

    main, end = pty.openpty()
    process = start("make", "-m", MODEL, "Hello.", stdout=subprocess.PIPE, stderr=end,
                    environment={"TERM": "xterm", "OVI_FAKE_STEP_MS": "2"})  # fmt: skip
    os.close(end)
    seen = b""
    try:
        while got := os.read(main, 4096):
            seen += got
    except OSError:  # the other end is closed
        pass
    assert process.wait(60) == DONE
    last = seen.decode().split("\r")
    assert any("[####" in line and "%" in line for line in last), last
    assert last[-1] == "\x1b[K", last[-3:]


def test_a_terminal_that_goes():
    import pty

    main, end = pty.openpty()
    process = start("make", "-m", MODEL, "Hello.", stdout=end, stderr=end,
                    environment={"TERM": "xterm", "OVI_FAKE_STEP_MS": "2"})  # fmt: skip
    os.close(end)
    os.read(main, 100)
    os.close(main)  # writing fails from now on
    assert process.wait(60) == DONE
    assert streams("clip.mp4")


run_tests(globals())
