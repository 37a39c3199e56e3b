#!/usr/bin/env bash
# Sets everything up on a fresh machine, runs all tests, and ends with
# "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
examples/setup.sh --tests
build=${BUILD:-$PWD/build}

status=0
meson test -C "$build" --no-rebuild --print-errorlogs "$@" || status=$?
python3 - "$build/meson-logs/testlog.json" "$status" <<'PYTHON'
import collections
import json
import sys

with open(sys.argv[1]) as log:
    results = collections.Counter(json.loads(line)["result"] for line in log)
passed, skipped = results.pop("OK", 0), results.pop("SKIP", 0)
failed = sum(results.values())
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
# A run that meson calls failed, or that ran nothing, is no success.
sys.exit(1 if failed or not passed or int(sys.argv[2]) else 0)
PYTHON
