#!/usr/bin/env bash
# The farm, on a real Ray cluster of two simulated machines and the demonstration model; what it needs is
# brought first (examples/farm/setup.sh). Arguments go to pytest: tests/farm.sh -k keys
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILD=${BUILD:-$PWD/build} CUDA_VISIBLE_DEVICES=
export GST_PLUGIN_PATH=$BUILD/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
# Nothing of the tests leaves the machine, and no other cluster is joined.
export RAY_USAGE_STATS_ENABLED=0 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
unset RAY_ADDRESS
python=$(examples/farm/setup.sh --tests | tail -n 1)
exec "$python" -m pytest -q -p no:cacheprovider tests/farm "$@"
