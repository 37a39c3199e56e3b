#!/usr/bin/env bash
# Sets everything up on a fresh machine, runs all tests, then those that sanitizers can
# judge once more under them, then the parsers under libFuzzer, and ends with "N passed, N failed".
# The farm has tests of its own: tests/farm.sh.
#
#   tests/run.sh                  everything
#   tests/run.sh --suite engine   some, as `meson test` selects them; nothing of the rest
set -euo pipefail
cd "$(dirname "$0")/.."
examples/setup.sh --tests
# The same tests everywhere: gpu/check.py looks at a GPU.
export CUDA_VISIBLE_DEVICES=
build=${BUILD:-$PWD/build}

status=0
logs=("$build/meson-logs/testlog.json")
meson test -C "$build" --no-rebuild --print-errorlogs "$@" || status=$?
if [ $# = 0 ]; then
  for kind in plugin engine threads; do
    printf '\n== Under a sanitizer: %s\n' "$kind"
    tests/sanitize.sh "$kind" || status=$?
    kept=$(tests/sanitize.sh --build-of "$kind")/meson-logs
    logs+=("$kept/testlog.json")
    [ "$kind" != plugin ] || logs+=("$kept/images.json")
  done
  printf '\n== Each parser under libFuzzer, a minute each\n'
  rm -f build-fuzz/results.json
  # The same beginnings each time: what is new is looked for by runs of its own.
  FUZZ_SEED=1 tests/fuzz.sh || status=$?
  logs+=(build-fuzz/results.json)
fi

python3 - "$status" "${logs[@]}" <<'PYTHON'
import collections
import json
import sys

results = collections.Counter()
missing = 0
for path in sys.argv[2:]:
    try:
        with open(path) as log:
            results.update(json.loads(line)["result"] for line in log)
    except FileNotFoundError:
        missing += 1  # it did not even build
passed = results.pop("OK", 0) + results.pop("EXPECTEDFAIL", 0)
skipped = results.pop("SKIP", 0)
failed = sum(results.values()) + missing
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
# A run that meson calls failed, or that ran nothing, is no success.
sys.exit(1 if failed or not passed or int(sys.argv[1]) else 0)
PYTHON
