# `ovi make --preview`: pictures in a terminal that shows some, a file elsewhere, nothing left behind.
# SPDX-License-Identifier: Apache-2.0
import base64
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
import zlib

from tool import CANCELLED, DONE, FAILED, MODEL, files, make, ovi, run_tests, start, streams

STEPS = 60
SLOW = {"OVI_FAKE_STEP_MS": "5"}
ESCAPES = b"\x1b_G", b"\x1bP", b"\x1b[c"


def shown(width, height, step):
    """The picture that the fake engine gives, rows of RGB."""
    return [bytes((step + 7 * y + 3 * i) % 256 for i in range(3 * width)) for y in range(height)]


def read_png(data):
    """(width, height, rows) of 8-bit RGB without filters; every checksum is looked at."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0]
        chunks[kind] = body
        at += 12 + size
    width, height, *format = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert format == [8, 2, 0, 0, 0] and b"IEND" in chunks
    raw = zlib.decompress(chunks[b"IDAT"])
    row = 3 * width + 1
    assert len(raw) == row * height and not any(raw[::row])
    return width, height, [raw[y * row + 1 : (y + 1) * row] for y in range(height)]


def read_sixels(data):
    """(width, height, {(x, y): (r, g, b)}) of one picture, in percent."""
    head = re.match(rb'\x1bP[\d;]*q"1;1;(\d+);(\d+)', data)
    width, height = int(head[1]), int(head[2])
    rest = data[head.end() :]
    assert rest.endswith(b"\x1b\\")
    colours, pixels, colour, x, top = {}, {}, None, 0, 0
    for token in re.finditer(rb"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|(!(\d+))?([?-~])|\$|-", rest[:-2]):
        if token[1]:
            colours[int(token[1])] = tuple(int(token[i]) for i in (2, 3, 4))
        elif token[5]:
            colour = int(token[5])
        elif token[8]:
            for _ in range(int(token[7] or 1)):
                for bit in range(6):
                    if (token[8][0] - 63) >> bit & 1:
                        assert (x, top + bit) not in pixels, "two colours at one place"
                        pixels[x, top + bit] = colours[colour]
                x += 1
        else:
            x = 0
            top += 6 * (token[0] == b"-")
    return width, height, pixels


class Terminal:
    """A terminal that `ovi` writes to; answers what it is with `answer`, if anything."""

    def __init__(self, *words, answer=None, pixels=(10, 20), stderr=None, **variables):
        self.main, end = pty.openpty()
        # 24 rows, 80 columns
        size = struct.pack("HHHH", 24, 80, 80 * pixels[0], 24 * pixels[1])
        fcntl.ioctl(end, termios.TIOCSWINSZ, size)
        self.before = termios.tcgetattr(end)
        self.answer, self.seen = answer, b""
        environment = {"TERM": "xterm", "TERM_PROGRAM": "", **SLOW, **variables}
        self.process = start("make", "-m", MODEL, "--steps", str(STEPS), *words, stdout=end,
                             stderr=stderr or end, environment=environment)  # fmt: skip
        self.end = end
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        with contextlib.suppress(OSError):  # the other end is closed
            while got := os.read(self.main, 65536):
                asked = b"\x1b[c" in self.seen
                self.seen += got
                if not asked and b"\x1b[c" in self.seen and self.answer:
                    os.write(self.main, self.answer)

    def ends(self, status):
        assert self.process.wait(60) == status, (self.process.returncode, self.seen[-2000:])
        assert termios.tcgetattr(self.end) == self.before, "the terminal is another one now"
        os.close(self.end)
        self.thread.join(60)
        os.close(self.main)
        return self.seen


def test_a_file_beside_the_clip_that_goes():
    process = start("make", "-m", MODEL, "--preview", "--steps", "200", "Hello.", stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, environment={**SLOW, "TERM": "xterm-kitty"})  # fmt: skip
    path, pictures = pathlib.Path("clip.preview.png"), {}
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            width, height, rows = read_png(path.read_bytes())  # never half a file
            step = rows[0][0]
            assert (width, height) == (15, 8) and rows == shown(width, height, step)
            pictures[step] = True
        time.sleep(0.002)
    out, err = process.communicate()
    assert process.returncode == DONE, err
    assert len(pictures) > 5, pictures
    assert files() == ["clip.mp4"]
    assert b"clip.preview.png: " in err and err.count(b"preview") == 1, err
    assert not any(escape in out + err for escape in (*ESCAPES, b"\x1b")), (out, err)


def test_no_preview_without_being_asked():
    run = make("Hello.").ends(DONE)
    assert "preview" not in run.err and files() == ["clip.mp4"]


def test_one_that_stays():
    make("--keep-preview", "--steps", "10", "-q", "-o", "a.b/c.mkv", "Hello.").ends(FAILED, "no folder")
    os.mkdir("a.b")
    run = make("--keep-preview", "--steps", "10", "-q", "-o", "a.b/c.mkv", "Hello.").ends(DONE)
    assert run.err == "" and run.out == ""
    assert files("a.b") == ["c.mkv", "c.preview.png"]
    assert read_png(pathlib.Path("a.b/c.preview.png").read_bytes())[2] == shown(15, 8, 10)
    # Every Nth step, by the property; and clips without an ending that is theirs.
    make("--keep-preview", "-p", "preview=4", "--steps", "10", "--format", "mp4", "-o", "a.b/d",
         "Hello.").ends(DONE)  # fmt: skip
    assert read_png(pathlib.Path("a.b/d.preview.png").read_bytes())[2] == shown(15, 8, 8)


def test_nobodys_file_is_replaced():
    theirs = pathlib.Path("clip.preview.png")
    theirs.write_text("mine")
    make("--preview", "Hello.").ends(DONE, "warning: no preview: clip.preview.png is there already")
    assert theirs.read_text() == "mine"
    make("--preview", "--force", "Hello.").ends(DONE)
    assert files() == ["clip.mp4"]


def test_streams_have_nothing_beside_them():
    with open("out.webm", "wb") as out:
        run = ovi("make", "-m", MODEL, "--preview", "--format", "webm", "-o", "-", "Hello.",
                  stdout=out, stderr=subprocess.PIPE)  # fmt: skip
    run.ends(DONE, "warning: no preview: nothing lies beside a stream")
    assert files() == ["out.webm"] and streams("out.webm")


def test_each_clip_of_several():
    make("--keep-preview", "--steps", "5", "-n", "2", "Hello.").ends(DONE)
    pathlib.Path("t.csv").write_text("text_prompt\nHello.\nBye.\n")
    make("--keep-preview", "--steps", "6", "-o", "rows", "--csv", "t.csv").ends(DONE)
    # One film of two.
    make("--keep-preview", "--steps", "7", "-p", "num-clips=2", "-o", "film.mp4", "Hello.").ends(DONE)
    found = [str(path) for path in sorted(pathlib.Path(".").rglob("*.png"))]
    assert found == ["clip-1.preview.png", "clip-2.preview.png", "film.preview.png",
                     "rows/clip-1.preview.png", "rows/clip-2.preview.png"]  # fmt: skip
    for name, step in zip(found, (5, 5, 7, 6, 6)):
        assert read_png(pathlib.Path(name).read_bytes())[2] == shown(15, 8, step), name


def test_a_cancel_takes_it_away():
    process = start("make", "-m", MODEL, "--preview", "--steps", "1000", "Hello.",
                    stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                    environment={"OVI_FAKE_STEP_MS": "50"})  # fmt: skip
    while not os.path.exists("clip.preview.png"):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == CANCELLED
    assert files() == []


def test_kitty_shows_them_in_one_place():
    for variables in (
        {"TERM": "xterm-kitty"},
        {"TERM": "xterm-ghostty"},
        {"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"},
        {"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"},
    ):
        seen = Terminal("--preview", "-f", "Hello.", **variables).ends(DONE)
        assert b"\x1b[c" not in seen and b"\x1bP" not in seen
        pictures = re.findall(rb"\x1b7\r\x1b\[(\d+)A\x1b_G([^;]*);([^\x1b]*)\x1b\\\x1b8", seen)
        assert len(pictures) == STEPS, (variables, len(pictures))
        for step, (rows, keys, data) in enumerate(pictures, 1):
            keys = dict(key.split("=") for key in keys.decode().split(","))
            assert base64.b64decode(data) == b"".join(shown(15, 8, step))
            # Twelve rows of twenty pixels: 45 columns of ten.
            wanted = {"a": "T", "f": "24", "s": "15", "v": "8", "c": "45", "r": "12", "q": "2",
                      "C": "1", "p": "1", "m": "0", "i": keys["i"]}  # fmt: skip
            assert keys == wanted and rows == b"12", (keys, rows)
        assert len({re.search(rb"i=(\d+)", keys)[1] for _, keys, _ in pictures}) == 1
        assert seen.count(b"\r\n" * 12) == 1, "the place is made once"
        assert files() == ["clip.mp4"]


def test_each_clip_has_a_place_of_its_own():
    seen = Terminal("--preview", "-n", "2", "Hello.", TERM="xterm-kitty").ends(DONE)
    assert len(set(re.findall(rb"i=(\d+)", seen))) == 2
    assert seen.count(b"\r\n" * 12) == 2


def test_what_is_said_in_between_makes_a_new_place():
    seen = Terminal("--preview", "--keep-preview", "Hello.", TERM="xterm-kitty").ends(DONE)
    # The file's name is told after the first picture.
    assert b"clip.preview.png" in seen
    assert len(set(re.findall(rb"i=(\d+)", seen))) == 2
    assert files() == ["clip.mp4", "clip.preview.png"]


def test_sixels_where_the_terminal_says_so():
    for answer in b"\x1b[?62;4c", b"\x1b[?63;1;2;4;22c", b"x\x1b[?62;22;4c":
        seen = Terminal("--preview", "-f", "Hello.", answer=answer).ends(DONE)
        assert seen.count(b"\x1b[c") == 1 and b"\x1b_G" not in seen
        pictures = re.findall(rb"\x1b7\r\x1b\[12A(\x1bP[^\x1b]*\x1b\\)\x1b8", seen)
        assert len(pictures) == STEPS
        width, height, pixels = read_sixels(pictures[0])
        assert (width, height) == (450, 240) and len(pixels) == width * height
        # What stands for a pixel is, in its mean over the square, that pixel.
        rows = shown(15, 8, 1)
        for x, y in (0, 0), (7, 3), (14, 7), (3, 6):
            square = [pixels[30 * x + i, 30 * y + k] for i in range(12, 18) for k in range(12, 18)]
            for c in range(3):
                mean = sum(pixel[c] for pixel in square) / len(square)
                assert abs(mean - rows[y][3 * x + c] / 2.55) < 4, (x, y, c, mean)
        assert files() == ["clip.mp4"]


def test_sixels_fit_into_cells_of_any_size():
    # Not told: smaller than any terminal's.
    seen = Terminal("--preview", "Hello.", answer=b"\x1b[?62;4c", pixels=(0, 0)).ends(DONE)
    picture = re.search(rb"\x1b\[(\d+)A\x1bP[^q]*q\"1;1;(\d+);(\d+)", seen)
    assert int(picture[3]) <= 10 * int(picture[1]) and int(picture[2]) <= 5 * 80


def test_other_terminals_get_the_file():
    for answer in b"\x1b[?62;22c", b"\x1b[?4;1c", None, b"no idea":
        seen = Terminal("--preview", "-f", "Hello.", answer=answer).ends(DONE)
        assert b"\x1b_G" not in seen and b"\x1bP" not in seen
        assert b"clip.preview.png" in seen
        assert files() == ["clip.mp4"]
    for variables in {"TERM": "dumb"}, {"TERM": ""}:
        seen = Terminal("--preview", "-f", "Hello.", **variables).ends(DONE)
        assert b"\x1b[c" not in seen and b"clip.preview.png" in seen
    # Within tmux the outer one's name says nothing.
    seen = Terminal("--preview", "-f", "Hello.", TERM="tmux-256color", TERM_PROGRAM="kitty").ends(DONE)
    assert b"\x1b_G" not in seen


def test_no_escape_leaves_where_stdout_is_no_terminal():
    main, end = pty.openpty()
    process = start("make", "-m", MODEL, "--preview", "Hello.", stdout=subprocess.PIPE, stderr=end,
                    environment={"TERM": "xterm-kitty", **SLOW})  # fmt: skip
    os.close(end)
    seen = b""
    with contextlib.suppress(OSError):
        while got := os.read(main, 4096):
            seen += got
    out = process.communicate(timeout=60)[0]
    assert process.returncode == DONE
    assert b"\x1b" not in out and not any(escape in seen for escape in ESCAPES), seen
    assert b"clip.preview.png" in seen


def test_a_terminal_may_get_pictures_alone():
    with open("log", "wb") as log:
        seen = Terminal("--preview", "Hello.", TERM="xterm-kitty", stderr=log).ends(DONE)
    assert seen.count(b"\x1b_G") == STEPS
    assert b"\x1b" not in pathlib.Path("log").read_bytes()


run_tests(globals())
