#!/usr/bin/env bash
# The element under gst-validate-1.0, which watches pads, events and states while a scenario of this
# folder is played. Exit code 77 (skipped) where that program is not.
#
# Environment: GST_PLUGIN_PATH, OVII2V_ENGINE_PATH (the tests' fake engine)
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v gst-validate-1.0 >/dev/null; then
  echo 'Skipped: gst-validate-1.0 is not here (CONTRIBUTING.md says where it comes from).'
  exit 77
fi

failed=0
for scenario in *.scenario; do
  name=${scenario%.scenario}
  clips=1
  [ "$name" != settings ] || clips=3
  echo "== $name"
  # A critical issue ends it with another code than 0.
  GST_VALIDATE=fatal_criticals,print_criticals GST_VALIDATE_SCENARIOS_PATH=$PWD timeout 100 \
    gst-validate-1.0 --set-scenario="$PWD/$scenario" \
    ovii2vsrc name=ovi model-path=. prompt='"A cat. <AUDCAP>Purring.<ENDAUDCAP>"' seed=1 steps=2 \
      width=64 height=64 num-clips="$clips" \
    ovi.video ! queue ! fakesink sync=true ovi.audio ! queue ! fakesink sync=true ||
    { echo "FAILED: $name"; failed=1; }
done
exit "$failed"
