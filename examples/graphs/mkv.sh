#!/usr/bin/env bash
# A clip into a Matroska file: H.264, and the sound without loss (FLAC).
#
#   examples/graphs/mkv.sh [FILE]
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
out=${1:-ovi.mkv}

gst-launch-1.0 \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
  ovi.video ! videoconvert ! x264enc pass=quant quantizer=18 ! mux. \
  ovi.audio ! flacenc ! mux. \
  matroskamux name=mux ! filesink location="$out"
echo "Made $out"
