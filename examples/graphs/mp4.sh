#!/usr/bin/env bash
# A clip into an MP4 file (H.264, AAC) that plays everywhere, also while it downloads.
#
#   examples/graphs/mp4.sh [FILE]
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
out=${1:-ovi.mp4}

gst-launch-1.0 \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
  ovi.video ! videoconvert ! x264enc ! video/x-h264,profile=high ! mux. \
  ovi.audio ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! mux. \
  mp4mux name=mux faststart=true ! filesink location="$out"
echo "Made $out"
