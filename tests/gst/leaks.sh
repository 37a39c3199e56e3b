#!/bin/sh
# Nothing stays alive: GStreamer's leaks tracer finds no object, buffer, event or caps
# of a run, whatever way it went.
# SPDX-License-Identifier: Apache-2.0
#
# Environment: GST_PLUGIN_PATH, OVII2V_ENGINE_PATH (the fake engine), OVI_EXAMPLES.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
log=$folder/log

gst-inspect-1.0 --exists coretracers || gst-inspect-1.0 coretracers >/dev/null 2>&1 ||
  { echo "no leaks tracer here"; exit 77; }

run() {  # ok or error, arguments of gst-launch-1.0...
  want=$1
  shift
  # An error that comes before its main loop leaves gst-launch-1.0 waiting (with any
  # element): then it is interrupted, and ends as always.
  limit=120
  [ "$want" = ok ] || limit=10
  code=0
  GST_TRACERS=leaks GST_DEBUG_NO_COLOR=1 GST_DEBUG=GST_TRACER:7 timeout -k 60 -s INT $limit \
    gst-launch-1.0 -q "$@" >"$log" 2>&1 || code=$?
  ended=$code
  [ "$code" != 0 ] || ended=ok
  if grep -q "^ERROR: from element" "$log"; then ended=error; fi
  if [ "$ended" != "$want" ] || [ "$code" = 137 ]; then
    echo "FAILED: $* ended with $code" >&2
    tail -20 "$log" >&2
    exit 1
  fi
  if grep "object-alive, type-name=(string)[^%]" "$log" >&2; then
    echo "FAILED: alive after: $*" >&2
    exit 1
  fi
  grep -q "new format string: object-alive" "$log" || { echo "FAILED: the tracer said nothing" >&2; exit 1; }
}

sinks="s.video ! queue ! fakesink s.audio ! queue ! fakesink"
source="ovii2vsrc name=s model-path=. prompt=x seed=1 steps=2"
# shellcheck disable=SC2086
{
  run ok $source image="$OVI_EXAMPLES/astronaut.png" $sinks
  run ok $source num-clips=3 continuity=last-frame $sinks
  run ok $source s.video ! fakesink
  run error $source image=/nonexistent.png $sinks
  run error $source
  run error $source s.video ! video/x-raw,width=64 ! fakesink
  OVI_FAKE_FAIL=8 run error $source $sinks
  OVI_FAKE_FRAMES=12 run ok $source is-live=true num-clips=2 $sinks
}
echo "all well"
