#!/usr/bin/env python3
"""check.py with programs that only say what the real ones would.

SPDX-License-Identifier: Apache-2.0
"""
import io
import json
import os
import pathlib
import sys
import tarfile
import tempfile
import unittest
import unittest.mock
import zipfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(sys.argv.pop(1)).parent))
import benches  # noqa: E402
import check  # noqa: E402
import packages  # noqa: E402
import results  # noqa: E402

PARITY = """#!/bin/sh
echo "ok   vocoder audio: error 2e-06, tolerance 0.0005 [1,1,6144]"
echo "FAIL vocoder other: error 3e-03, tolerance 0.001 [1]"
echo "1 passed, 1 failed"
exit 1
"""
BENCH = """#!/bin/sh
case "$*" in
  *--help*) echo "usage: [--precision fp32|bf16|fp8] [--memory resident] [--acceleration none|fast]"
    exit ;;
  *960x960*) echo "out of memory"; exit 3 ;;
  *fp8*) echo "load done"; exec tail -f /dev/null ;;
esac
while [ $# -gt 1 ]; do
  case $1 in --json) file=$2 ;; --steps) steps=$2 ;; --runs) runs=$2 ;; esac
  shift
done
[ -z "$OVI_COUNT_WAITS" ] || cat > "$OVI_COUNT_WAITS" <<END
{"device_waits": 3, "stream_waits": $((2 + WAITS * steps)), "event_waits": $((5 * steps)), "copies": 0,
 "async_to_device": 9, "async_to_host": 2, "allocations": 1, "releases": 0, "launches": $((100 * steps))}
END
[ -z "$file" ] || echo "{\\"seconds\\": {\\"total\\": 1.5}, \\"runs\\": $runs}" > "$file"
"""
CLIP = """#!/bin/sh
[ "$4" = fp8 ] && echo "no fp8 here" && exit 1
echo "LibTorch says something"
echo '{"precision": "'$4'", "fused": '$OVI_FUSED_KERNELS'}'
"""
NINJA = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/ninja.calls"
"""


def ar_member(name, data):
    return f"{name:16}{0:<12}{0:<6}{0:<6}{644:<8}{len(data):<10}`\n".encode() + data + \
        b"\n" * (len(data) % 2)


def make_deb(path, file, text):
    """As deb(5) describes it."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:xz") as files:
        member = tarfile.TarInfo("./" + file)
        member.size = len(text)
        files.addfile(member, io.BytesIO(text.encode()))
    path.write_bytes(b"!<arch>\n" + ar_member("debian-binary", b"2.0\n") +
                     ar_member("control.tar.xz", b"odd") + ar_member("data.tar.xz", tar.getvalue()))


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.build = self.root / "build"
        self.program("tests/parity/ovi-parity", PARITY)
        self.program("tests/bench/ovi-bench", BENCH)
        self.program("tests/gpu/first-clip", CLIP)

    def program(self, path, text):
        path = self.build / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def go(self, *arguments, **variables):
        options = check.parse(["--build", str(self.build), "--out", str(self.root / "out"),
                               *arguments])
        run = check.Check(options)
        run.environment.update(variables)
        status = run.go()
        with open(self.root / "out/report.json") as report:
            return status, json.load(report)

    def test_failures_are_recorded_and_stop_nothing(self):
        status, report = self.go("--stages", "kernels,parity,bench", "--device", "cpu",
                                 "--benches", "bf16,balanced,stream,960")
        self.assertEqual(status, 1)
        stages = list(dict.fromkeys(step["stage"] for step in report["steps"]))
        self.assertEqual(stages, ["kernels", "parity", "bench"])
        self.assertEqual(report["steps"][0]["status"], "failed")  # no such program
        for parity in report["parity"]:
            self.assertEqual((parity["passed"], parity["failed"]), (1, 1))
            self.assertAlmostEqual(parity["share_of_tolerance"]["vocoder"], 3.0)
        results = [bench["status"] for bench in report["bench"]]
        self.assertEqual(results, ["ok", "unknown to ovi-bench", "not for a CPU", "failed"])
        self.assertEqual(report["bench"][0]["result"]["seconds"]["total"], 1.5)
        self.assertEqual(report["failed"], sum(s["status"] != "ok" for s in report["steps"]))
        # What is taken home has room for few files.
        self.assertEqual(sorted(path.name for path in (self.root / "out").iterdir()),
                         ["check.log", "report.json"])
        self.assertIn("out of memory", (self.root / "out/check.log").read_text())

    def test_a_benchmark_has_its_own_time(self):
        _, report = self.go("--stages", "bench", "--benches", "fast,fp8,bf16-unfused", "--device",
                            "cpu", "--bench-seconds", "0.5")
        found = {bench["name"]: bench for bench in report["bench"]}
        self.assertEqual(list(found), ["bf16-unfused", "fp8", "fast"])  # in the order of interest
        self.assertEqual(found["fp8"]["status"], "timeout")
        self.assertEqual(found["fast"]["result"]["runs"], 1)
        self.assertEqual(found["bf16-unfused"]["result"]["runs"], 2)
        ends = [step["end"] for step in report["steps"] if step["name"] == "fp8"]
        self.assertEqual(ends, ["load done\n"])

    def test_a_result_in_short(self):
        result = {"seconds": {"total": 41.234, "text": 1.0}, "choices": {
            "attention": {"taken": "cudnn", "reason": "cuDNN 9.15.1"},
            "fused_kernels": {"snake": "used", "layer_norm": "is off by 1"}}}
        self.assertEqual(results.summary(result), "total 41.23 s, attention cudnn, "
                         "fused kernels used, but for layer_norm")
        result["choices"]["fused_kernels"] = {"snake": "not asked for"}
        self.assertNotIn("fused", results.summary(result))

    def test_the_first_clip_of_a_process(self):
        status, report = self.go("--stages", "capi")
        self.assertEqual(status, 1)
        found = {(clip["precision"], clip["memory"], clip["fused"]): clip
                 for clip in report["capi"]}
        self.assertEqual(len(found), 8)
        self.assertEqual(found["fp32", "auto", True]["result"]["fused"], 1)
        self.assertEqual(found["fp8", "auto", False]["status"], "failed")
        self.assertIsNone(found["fp8", "auto", False]["result"])
        self.assertEqual(found["bf16", "stream", False]["result"]["precision"], "bf16")

    def test_waits_of_a_step_are_the_difference(self):
        status, report = self.go("--stages", "waits", WAITS="0")
        self.assertEqual(status, 0)
        self.assertEqual(report["waits"][0]["of_a_step"]["event_waits"], 5)
        self.assertEqual(report["waits"][0]["of_a_step"]["stream_waits"], 0)
        self.assertTrue(report["waits"][1]["fused"])
        status, report = self.go("--stages", "waits", WAITS="1")
        self.assertEqual(status, 1)
        self.assertIn("stream_waits 1", report["waits"][0]["verdict"])

    def test_time_ends(self):
        status, report = self.go("--stages", "parity", "--minutes", "0.05", "--device", "cpu")
        self.assertEqual(status, 1)
        self.assertEqual({step["status"] for step in report["steps"]}, {"no time left"})

    def test_a_program_that_hangs_is_ended(self):
        self.program("tests/parity/ovi-parity", "#!/bin/sh\necho begun\nexec tail -f /dev/null\n")
        options = check.parse(["--build", str(self.build), "--out", str(self.root / "out")])
        run = check.Check(options)
        run.stage = "parity"
        self.assertIsNone(run.run("hangs", [self.build / "tests/parity/ovi-parity"], limit=0.2))
        self.assertEqual(run.report["steps"][0]["status"], "timeout")
        self.assertIn("begun", run.report["steps"][0]["end"])

    def test_the_usual_stages_are_short_ones(self):
        options = check.parse([])
        self.assertNotIn("sanitizer", options.stages)
        self.assertLess(options.minutes, 10)
        for wrong in (["--stages", "machine,all"], ["--benches", "bf16,bf17"]):
            with self.assertRaises(SystemExit), \
                    unittest.mock.patch("sys.stderr", io.StringIO()) as said:
                check.parse(wrong)
            self.assertIn("there are", said.getvalue())

    def test_what_is_built_is_not_built_again(self):
        ninja = self.program("tools/ninja", NINJA)
        (self.build / "build.ninja").write_text("build tests/parity/ovi-parity: cpp_LINKER\n")
        path = f"{ninja.parent}:{os.environ['PATH']}"
        for _ in range(2):
            status, _ = self.go("--stages", "build", "--torch", "torch", PATH=path)
            self.assertEqual(status, 0)
        calls = (ninja.parent / "ninja.calls").read_text().splitlines()
        self.assertEqual(calls, [f"-C {self.build.resolve()} -k 0 tests/parity/ovi-parity"])
        with unittest.mock.patch.object(check, "source_hash", return_value="other"):
            self.go("--stages", "build", "--torch", "torch", PATH=path)
        self.assertEqual(len((ninja.parent / "ninja.calls").read_text().splitlines()), 2)

    def test_bad_packages_are_recorded(self):
        (self.root / "bad").mkdir()
        (self.root / "bad/some.deb").write_text("no package")
        status, report = self.go("--packages", str(self.root / "bad"), "--stages", "capi")
        self.assertEqual(status, 1)
        self.assertEqual([report["steps"][0][key] for key in ("stage", "status")],
                         ["packages", "failed"])
        self.assertEqual(len(report["capi"]), 8)

    def test_every_benchmark_names_what_ovi_bench_has(self):
        usage = ("[--precision fp32|bf16|fp8] [--memory auto|resident|offload|stream] "
                 "[--acceleration none|balanced|fast]")
        for settings in benches.BENCHES:
            arguments = benches.plan(settings, usage, "cuda", False)
            self.assertIsNotNone(arguments, settings)
            self.assertIn(settings["variant"], arguments)
        self.assertEqual(len(set(benches.NAMES)), len(benches.BENCHES))


class PackagesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def test_they_say_where_they_lie(self):
        root = self.root / "root"
        config = root / "usr/lib/x/pkgconfig/some.pc"
        config.parent.mkdir(parents=True)
        config.write_text("prefix=/usr\nlibdir=${prefix}/lib/x\nincludedir=/usr/include\n")
        (root / "usr/lib/x/libsome.so").touch()
        self.assertEqual(packages.unpack(root, root), root)
        environment = {"LIBRARY_PATH": "/before"}
        packages.use(root, environment)
        text = pathlib.Path(environment["PKG_CONFIG_PATH"], "some.pc").read_text()
        self.assertEqual(text.splitlines(), [f"prefix={root}/usr", "libdir=${prefix}/lib/x",
                                             f"includedir={root}/usr/include"])
        self.assertEqual(environment["LIBRARY_PATH"], f"{root}/usr/lib/x:/before")
        self.assertEqual(environment["LD_LIBRARY_PATH"], f"{root}/usr/lib/x")

    def test_they_are_unpacked_with_and_without_dpkg(self):
        come = self.root / "come"
        come.mkdir()
        make_deb(come / "some.deb", "usr/include/some.h", "int some;\n")
        with zipfile.ZipFile(come / "tool-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("tool/__init__.py", "")
            wheel.writestr("tool-1.data/scripts/tool", "#!/bin/sh\n")
        with unittest.mock.patch.object(packages.shutil, "which", return_value=None):
            root = packages.unpack(come, self.root / "root")
            environment = {"PATH": "/bin"}
            packages.use(root, environment)
        self.assertEqual((root / "usr/include/some.h").read_text(), "int some;\n")
        self.assertTrue(os.access(root / "wheels/bin/tool", os.X_OK))
        self.assertEqual(environment["PATH"], f"/bin:{root}/wheels/bin")
        self.assertEqual(environment["PYTHONPATH"], f"{root}/wheels")
        # What is there is kept, until something else comes.
        kept = root / "kept"
        kept.touch()
        packages.unpack(come, root)
        self.assertTrue(kept.exists())
        make_deb(come / "other.deb", "usr/include/other.h", "int other;\n")
        with unittest.mock.patch.object(packages.shutil, "which", return_value=None):
            packages.unpack(come, root)
        self.assertFalse(kept.exists())
        self.assertTrue((root / "usr/include/other.h").exists())


if __name__ == "__main__":
    unittest.main()
