# Tables, and the identity of a clip: read as `ovi make --csv` reads them.
# SPDX-License-Identifier: Apache-2.0
import pytest

from ovi_farm import identity, table
from ovi_farm.clip_files import MADE, MISSING, OTHER, ClipFiles

KNOWN = ["image", "prompt", "seed", "steps", "video-negative-prompt"]


def read(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_bytes(text)
    return table.read_table(str(path), KNOWN)


def test_rows(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    rows, warnings = read(
        tmp_path,
        b"\xef\xbb\xbfText_Prompt,IMAGE_PATH,Seed,Output,Video Negative Prompt,colour,\r\n"
        b'"One, ""two""\nthree",a.png, 7 ,x.mp4,blur,red\r\n\r\n'
        b" , ,\nFour,http://x/y.png,,,,,\nFive,1,2,3,4,5,6,7\n",
    )
    assert warnings == ['the column "colour" is not understood and left out']
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 6), (3, 7)]
    assert rows[0].settings == {"prompt": 'One, "two"\nthree', "image": str(tmp_path / "a.png"),
                                "seed": " 7 ", "video-negative-prompt": "blur"}  # fmt: skip
    assert (rows[0].output, rows[1].output) == ("x.mp4", "")
    assert rows[1].settings == {"prompt": "Four", "image": "http://x/y.png"}
    assert "8 fields" in rows[2].wrong and not rows[0].wrong


@pytest.mark.parametrize("text, told", [
    (b"", "empty"), (b"\n\n", "empty"), (b"image\nx", "text_prompt"), (b"prompt,text_prompt\n", "two columns"),
    (b'prompt\n"open', "line 2"), (b'prompt\n"a"b', "line 2"), (b"prompt\n\xff\xfe", "line"),
])  # fmt: skip
def test_no_table(tmp_path, text, told):
    with pytest.raises(table.BadTable, match=told):
        read(tmp_path, text)


def test_identity(tmp_path):
    picture, files = tmp_path / "p.png", "Ovi/model.safetensors 5, ovi.json 2"
    picture.write_bytes(b"one")
    settings, farm = {"prompt": "x", "image": str(picture)}, {"steps": 1}
    first = identity.request_digest(settings, farm, files)
    moved = tmp_path / "moved.png"
    moved.write_bytes(b"one")
    assert identity.request_digest(settings | {"image": str(moved)}, farm, files) == first
    picture.write_bytes(b"two")
    others = {identity.request_digest(settings, farm, files),
              identity.request_digest(settings | {"image": str(moved), "prompt": "y"}, farm, files),
              identity.request_digest(settings | {"image": str(moved)}, {"steps": 2}, files),
              identity.request_digest(settings | {"image": str(moved)}, farm, files + ", a.pt 1"), first}  # fmt: skip
    assert len(others) == 5
    seeds = {identity.seed_of(first, number) for number in range(1, 100)}
    assert len(seeds) == 99 and identity.seed_of(first, 1) == identity.seed_of(first, 1)


@pytest.mark.parametrize("place", ["{}/clips", "memory://clips-{}"])
def test_clip_files(tmp_path, place):
    clips = ClipFiles(place.format(tmp_path if place.startswith("{") else tmp_path.name))
    assert clips.state("a/b.mp4", "1") == MISSING
    clips.write("a/b.mp4", b"clip", {"request": "1"})
    assert clips.state("a/b.mp4", "1") == MADE
    assert clips.state("a/b.mp4", "2") == OTHER
    # Stopped between note and clip, and in the midst of a clip.
    clips.files.pipe_file(clips.path("a/b.mp4"), b"cl")
    assert clips.state("a/b.mp4", "1") == MISSING
    clips.files.rm_file(clips.path("a/b.mp4"))
    assert clips.state("a/b.mp4", "1") == MISSING
    # Somebody else's clip, and a note that is none.
    clips.files.pipe_file(clips.path("c.mp4"), b"theirs")
    assert clips.state("c.mp4", "1") == OTHER
    clips.files.pipe_file(clips.path("c.mp4.json"), b"[]")
    assert clips.state("c.mp4", "1") == OTHER
