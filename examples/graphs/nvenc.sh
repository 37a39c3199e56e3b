#!/usr/bin/env bash
# A clip into an MP4 file, encoded by the encoder of an NVIDIA GPU.
#
#   examples/graphs/nvenc.sh [FILE]
#
# Needs an NVIDIA GPU and the GStreamer element nvh264enc (gstreamer1.0-plugins-bad); says so and
# ends well where they are not.
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
out=${1:-ovi-nvenc.mp4}

# The element exists only where the driver and such a GPU are.
if ! gst-inspect-1.0 nvh264enc >/dev/null 2>&1; then
  echo 'Skipped: there is no NVENC here (no NVIDIA GPU, or no element nvh264enc).'
  exit 0
fi

gst-launch-1.0 \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
  ovi.video ! queue ! nvh264enc ! h264parse ! mux. \
  ovi.audio ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! mux. \
  mp4mux name=mux faststart=true ! filesink location="$out"
echo "Made $out"
