#!/usr/bin/env python3
"""check.py with programs that only say what the real ones would.

SPDX-License-Identifier: Apache-2.0
"""
import importlib.util
import json
import pathlib
import sys
import tempfile
import unittest

CHECK = pathlib.Path(sys.argv.pop(1))
spec = importlib.util.spec_from_file_location("check", CHECK)
sys.dont_write_bytecode = True
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)

PARITY = """#!/bin/sh
echo "ok   vocoder audio: error 2e-06, tolerance 0.0005 [1,1,6144]"
echo "FAIL vocoder other: error 3e-03, tolerance 0.001 [1]"
echo "1 passed, 1 failed"
exit 1
"""
BENCH = """#!/bin/sh
case "$*" in
  *--help*) echo "usage: [--precision fp32|bf16] [--acceleration none|balanced|fast]"; exit ;;
  *960x960*) echo "out of memory"; exit 3 ;;
esac
while [ $# -gt 1 ]; do [ "$1" = --json ] && file=$2; [ "$1" = --steps ] && steps=$2; shift; done
[ -z "$OVI_COUNT_WAITS" ] || cat > "$OVI_COUNT_WAITS" <<END
{"device_waits": 3, "stream_waits": $((2 + WAITS * steps)), "event_waits": $((5 * steps)), "copies": 0,
 "async_to_device": 9, "async_to_host": 2, "allocations": 1, "releases": 0, "launches": $((100 * steps))}
END
[ -z "$file" ] || echo '{"seconds": {"total": 1.5}}' > "$file"
"""


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.build = pathlib.Path(self.folder.name, "build")
        self.program("tests/parity/ovi-parity", PARITY)
        self.program("tests/bench/ovi-bench", BENCH)

    def tearDown(self):
        self.folder.cleanup()

    def program(self, path, text):
        path = self.build / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def go(self, *arguments, **variables):
        options = check.parse(["--build", str(self.build), "--out", self.folder.name + "/out",
                               *arguments])
        run = check.Check(options)
        run.environment.update(variables)
        status = run.go()
        with open(self.folder.name + "/out/report.json") as report:
            return status, json.load(report)

    def test_failures_are_recorded_and_stop_nothing(self):
        status, report = self.go("--stages", "kernels,parity,bench", "--device", "cpu")
        self.assertEqual(status, 1)
        stages = list(dict.fromkeys(step["stage"] for step in report["steps"]))
        self.assertEqual(stages, ["kernels", "parity", "bench"])
        self.assertEqual(report["steps"][0]["status"], "failed")  # no such program
        for parity in report["parity"]:
            self.assertEqual((parity["passed"], parity["failed"]), (1, 1))
            self.assertAlmostEqual(parity["share_of_tolerance"]["vocoder"], 3.0)
        results = {bench["status"] for bench in report["bench"]}
        self.assertEqual(results, {"ok", "failed", "unknown to ovi-bench"})
        first = report["bench"][0]
        self.assertEqual(first["result"]["seconds"]["total"], 1.5)
        self.assertEqual(report["failed"], sum(s["status"] != "ok" for s in report["steps"]))

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
        options = check.parse(["--build", str(self.build), "--out", self.folder.name + "/out"])
        run = check.Check(options)
        run.stage = "parity"
        self.assertIsNone(run.run("hangs", [self.build / "tests/parity/ovi-parity"], limit=0.2))
        self.assertEqual(run.report["steps"][0]["status"], "timeout")
        self.assertIn("begun", run.report["steps"][0]["end"])

    def test_packages_say_where_they_lie(self):
        root = pathlib.Path(self.folder.name, "root")
        config = root / "usr/lib/x/pkgconfig/some.pc"
        config.parent.mkdir(parents=True)
        config.write_text("prefix=/usr\nlibdir=${prefix}/lib/x\nincludedir=/usr/include\n")
        (root / "usr/lib/x/libsome.so").touch()
        self.assertEqual(check.unpack(root, root), root)
        text = (check.describe_packages(root) / "some.pc").read_text()
        self.assertEqual(text.splitlines(), [f"prefix={root}/usr", "libdir=${prefix}/lib/x",
                                             f"includedir={root}/usr/include"])
        self.assertEqual(check.library_folders(root), [root / "usr/lib/x"])

    def test_every_benchmark_names_what_ovi_bench_has(self):
        usage = ("[--precision fp32|bf16|fp8] [--memory auto|resident|offload|stream] "
                 "[--acceleration none|balanced|fast]")
        for settings in check.BENCHES:
            arguments = check.plan(settings, usage, "cuda", False)
            self.assertIsNotNone(arguments, settings)
            self.assertIn(settings["variant"], arguments)


if __name__ == "__main__":
    unittest.main()
