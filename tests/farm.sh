#!/usr/bin/env bash
# The farm, on a real Ray cluster of two simulated machines and the demonstration model; what it needs is
# brought first (examples/farm/setup.sh). Arguments go to pytest: tests/farm.sh -k keys
# --results FILE gets a line of JSON for each test, as Meson's log has them.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILD=${BUILD:-$PWD/build} CUDA_VISIBLE_DEVICES=
export GST_PLUGIN_PATH=$BUILD/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
# Nothing of the tests leaves the machine, and no other cluster is joined.
export RAY_USAGE_STATS_ENABLED=0 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
# Ray's workers step back behind everything else; beside a compiler the tests would run out of patience.
export RAY_worker_niceness=0
unset RAY_ADDRESS
if ! python=$(examples/farm/setup.sh --tests | tail -n 1); then
  echo "tests/farm.sh: what the farm needs could not be fetched (see above), so that nothing of it was tested." >&2
  exit 1
fi
# A line for each at once: who looks on sees what takes long. Python's own traces: pytest's parse what they
# show, which ends all tests in Python 3.11 at times ("AST constructor recursion depth mismatch").
exec "$python" -u -m pytest -v --no-header --tb=native --disable-warnings --durations=10 -p no:cacheprovider \
  tests/farm "$@"
