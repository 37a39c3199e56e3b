# ovi make --csv: tables as people write them, and a run that goes on where it was stopped.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import shutil
import signal
import subprocess

from tool import (CANCELLED, DONE, FAILED, MODEL, PICTURE, USAGE, digest, files, make, ovi,
                  run_tests, start, streams, tags)  # fmt: skip


def table(text, name="table.csv"):
    pathlib.Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def results(run):
    return [row["result"] for row in run.json()["rows"]]


def test_the_reference_s_own_columns():
    shutil.copy(PICTURE, "face.png")
    table(
        'text_prompt,image_path\n'
        '"He says, <S>Yes, ""now""!<E>\n<AUDCAP>A calm voice.<ENDAUDCAP>",face.png\n'
        "Rain.,\n"
    )
    run = make("--csv", "table.csv", "--seed", "7").ends(DONE)
    assert "2 made, 0 skipped, 0 failed" in run.out, run
    assert files() == ["clip-1.mp4", "clip-2.mp4", "face.png", "table.csv"]
    assert 'He says, <S>Yes, "now"!<E>' in tags("clip-1.mp4")
    make("face.png", 'He says, <S>Yes, "now"!<E>\n<AUDCAP>A calm voice.<ENDAUDCAP>', "--seed", "7",
         "-o", "same.mp4").ends(DONE)  # fmt: skip
    assert digest("same.mp4") == digest("clip-1.mp4") != digest("clip-2.mp4")


def test_as_spreadsheets_write_it():
    for text in (
        b"\xef\xbb\xbfOutput,Text_Prompt,Seed\r\na.wav,One.,5\r\n\r\nb.wav,\"Two,\r\nor more.\",6",
        b"seed,prompt,output\r5,One.,a.wav\r6,\"Two,\ror more.\",b.wav\r",
        b"text_prompt,seed,output,,\nOne.,5,a.wav,,\n,,,,\n\"Two,\nor more.\", 6 ,b.wav\n",
    ):
        table(text)
        run = make("--csv", "table.csv", "-o", "out", "--json").ends(DONE)
        assert files("out") == ["a.wav", "b.wav"]
        told = run.json()
        assert [row["seed"] for row in told["rows"]] == [5, 6] and told["made"] == 2, told
        assert not told["failed"] and not told["skipped"] and not told["left"]
        shutil.rmtree("out")


def test_pictures_lie_beside_the_table():
    os.makedirs("prompts/pngs")
    shutil.copy(PICTURE, "prompts/pngs/1.png")
    table("image_path,text_prompt\npngs/1.png,Hello.\n", "prompts/table.csv")
    make("--csv", "prompts/table.csv", "--format", "wav").ends(DONE)
    assert files() == ["clip-1.wav", "prompts"]


def test_one_bad_row_stops_nobody():
    table(
        "text_prompt,image_path,seed,output,steps\n"
        "Good.,,1,,\n"
        "Bad picture.,no-such.png,,,\n"
        "Bad seed.,,x,,\n"
        ",,,,\n"
        " ,,4,,\n"
        "Bad file.,,,x.avi,\n"
        "Too many, fields, are, here, in, this\n"
        "Twice.,,,clip-1.mp4,\n"
        "Few.\n"
        "No folder.,,,no/such/x.mp4,\n"
        "Steps.,,,last.mp4,0\n"
        "Good again.,,,,3\n"
    )
    run = make("--csv", "table.csv", "--json").ends(FAILED)
    told = run.json()
    assert results(run) == ["made", "failed", "failed", "failed", "failed", "failed", "failed",
                            "made", "failed", "failed", "made"], told  # fmt: skip
    reasons = [row.get("reason", "") for row in told["rows"]]
    for place, part in {
        1: "no-such.png does not exist",
        2: '"seed" takes a whole number',
        3: "no prompt",
        4: "x.avi does not end with",
        5: "6 fields, the table 5 columns",
        6: "is the file of row 1",
        8: "there is no folder no/such",
        9: '"steps" takes a whole number',
    }.items():
        assert part in reasons[place], (place, reasons[place])
    assert told["made"] == 3 and told["failed"] == 8
    assert told["rows"][3]["line"] == 6
    assert files() == ["clip-1.mp4", "clip-11.mp4", "clip-8.mp4", "table.csv"]


def test_settings_of_a_row_are_no_other_rows():
    table("text_prompt,seed,steps\nOne.,5,3\nTwo.,,\nThree.,9,\n")
    run = make("--csv", "table.csv", "--seed", "7", "--format", "wav", "--json").ends(DONE)
    assert [row["seed"] for row in run.json()["rows"]] == [5, 7, 9]


def test_the_model_is_loaded_once_for_all_rows():
    table("text_prompt,image\nOne.,\nTwo.,no-such.png\nThree.,\n")
    # Also after a row that failed.
    run = make("--csv", "table.csv", "--format", "wav", environment={"OVI_FAKE_TELL": "1"})
    assert run.ends(FAILED).err.count("loading a model") == 1, run


def test_a_run_that_was_stopped_goes_on():
    table("text_prompt,output\nOne.,1.mp4\nTwo.,2.mkv\nThree.,3.webm\nFour.,4.wav\n")
    process = start("make", "-m", MODEL, "--csv", "table.csv", "--json",
                    environment={"OVI_FAKE_FRAME_MS": "5"},
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    for line in process.stderr:
        if "3.webm" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    told = json.loads(out)
    assert process.returncode == CANCELLED and told["made"] == 2 and told["left"] == 2, (out, err)
    assert files() == ["1.mp4", "2.mkv", "table.csv"]
    before = [os.stat(name).st_mtime_ns for name in ("1.mp4", "2.mkv")]
    run = make("--csv", "table.csv", "--json").ends(DONE, "1.mp4 is made already")
    assert results(run) == ["skipped", "skipped", "made", "made"]
    run = make("--csv", "table.csv", "--json").ends(DONE)
    assert results(run) == ["skipped"] * 4, run
    assert before == [os.stat(name).st_mtime_ns for name in ("1.mp4", "2.mkv")]


def test_what_was_made_otherwise_is_not_taken_for_it():
    shutil.copy(PICTURE, "face.png")
    table("text_prompt,seed,output\nOne.,1,1.mp4\n")
    make("--csv", "table.csv", "-p", "steps=5").ends(DONE)
    for text, words, said in (
        ("text_prompt,seed,output\nAnother.,1,1.mp4\n", ["-p", "steps=5"], "prompt"),
        ("text_prompt,seed,output\nOne.,2,1.mp4\n", ["-p", "steps=5"], "seed"),
        ("text_prompt,seed,output\nOne.,1,1.mp4\n", [], "steps"),
        ("text_prompt,seed,output,image\nOne.,1,1.mp4,face.png\n", ["-p", "steps=5"], "image"),
        ("text_prompt,output,video_negative_prompt\nOne.,1.mp4,fog\n", ["-p", "steps=5"],
         "video-negative-prompt"),
    ):  # fmt: skip
        table(text)
        run = make("--csv", "table.csv", *words).ends(FAILED, "1.mp4 is there already", said)
        assert "0 made, 0 skipped, 1 failed" in run.out
    # A random seed is any seed.
    table("text_prompt,output\nOne.,1.mp4\n")
    make("--csv", "table.csv", "-p", "steps=5").ends(DONE, "is made already")
    table("text_prompt,output\nTwo.,1.mp4\n")
    make("--csv", "table.csv", "--force").ends(DONE)
    pathlib.Path("1.mp4").write_text("no clip")
    make("--csv", "table.csv").ends(FAILED, "1.mp4 is there already")


def test_a_picture_that_was_changed_is_another_one():
    shutil.copy(PICTURE, "face.png")
    table("text_prompt,image_path,output\nOne.,face.png,1.mp4\n")
    make("--csv", "table.csv").ends(DONE)
    make("--csv", "table.csv").ends(DONE, "is made already")
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", PICTURE, "-vf", "hflip", "face.png"],
                   check=True)  # fmt: skip
    make("--csv", "table.csv").ends(FAILED, "1.mp4 is there already", "picture")


def test_a_row_that_leads_out_of_the_folder():
    outside = pathlib.Path("outside.wav").resolve()
    table(f"text_prompt,output\nOne.,../up.wav\nTwo.,{outside}\nThree.,a/../../b.wav\nFour.,..c.wav\n")
    run = make("--csv", "table.csv", "-o", "made", "--format", "wav", "--json").ends(FAILED, "leads out of the folder")
    assert results(run) == ["failed", "failed", "failed", "made"], run
    assert files() == ["made", "table.csv"] and os.listdir("made") == ["..c.wav"], files()


def test_tables_that_are_none():
    make("--csv", "no-such.csv").ends(FAILED, "no-such.csv")
    make("--csv", table("")).ends(FAILED, "empty")
    make("--csv", table("a,b\n1,2\n")).ends(FAILED, 'no "text_prompt"')
    make("--csv", table("prompt,text_prompt\n1,2\n")).ends(FAILED, "two columns")
    make("--csv", table("text_prompt\n")).ends(DONE)
    run = make("--csv", table('text_prompt\nOne.\n"Two.\n'), "--format", "wav", "--json")
    run.ends(FAILED, "line 3 opens is never closed")
    assert results(run) == ["made"]
    make("--csv", table('text_prompt,x\n"One" more,\n')).ends(FAILED, "follows a closing quote")
    make("--csv", table(b"text_prompt\n\xff\xfe\n")).ends(FAILED)
    make("--csv", table(b"text_prompt\nnul\0byte\n")).ends(FAILED, "zero")
    make("--csv", "table.csv", "Hello.").ends(USAGE)
    make("--csv", "table.csv", "-n", "2").ends(USAGE)
    make("--csv", table("text_prompt\nOne.\n".encode("utf-16"))).ends(FAILED, "save it as CSV in UTF-8")
    make("--csv", table("text_prompt;output\nOne.;a.wav\n")).ends(FAILED, "separated by commas")
    run = make("--csv", table("text_prompt,mood\nOne.,sad\n"), "--format", "wav", "-f")
    run.ends(DONE, 'the column "mood" is not understood')


def test_a_table_by_a_pipe():
    run = make("--csv", "-", "-q", "--format", "wav", input="text_prompt\nOne.\n").ends(DONE)
    assert files() == ["clip-1.wav"] and not run.out


run_tests(globals())
