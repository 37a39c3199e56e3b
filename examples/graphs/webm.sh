#!/usr/bin/env bash
# A clip into a WebM file (VP8, Opus) for a web page.
#
#   examples/graphs/webm.sh [FILE]
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
out=${1:-ovi.webm}

# deadline=0 takes the time a good picture needs: the clip waits in memory.
gst-launch-1.0 \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
  ovi.video ! videoconvert ! vp8enc deadline=0 target-bitrate=2000000 ! mux. \
  ovi.audio ! audioconvert ! audioresample ! opusenc ! mux. \
  webmmux name=mux ! filesink location="$out"
echo "Made $out"
