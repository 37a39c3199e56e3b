#!/usr/bin/env bash
# Two clips of the same picture and prompt, with different seeds, side by side in one MP4 file;
# the left one is heard on the left, the right one on the right. Both elements share one loaded
# model.
#
#   examples/graphs/compositor.sh [FILE]
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
out=${1:-ovi-pair.mp4}
# Of one half; a clip of another shape is fitted in.
width=${WIDTH:-480} height=${HEIGHT:-480}

gst-launch-1.0 \
  ovii2vsrc name=left seed="$SEED" "${ovi[@]}" \
  ovii2vsrc name=right seed="$((SEED + 1))" "${ovi[@]}" \
  left.video ! queue ! picture.sink_0 \
  right.video ! queue ! picture.sink_1 \
  left.audio ! audioconvert ! audiopanorama panorama=-1 ! queue ! sound.sink_0 \
  right.audio ! audioconvert ! audiopanorama panorama=1 ! queue ! sound.sink_1 \
  compositor name=picture background=black \
    sink_0::width="$width" sink_0::height="$height" sink_0::sizing-policy=keep-aspect-ratio \
    sink_1::width="$width" sink_1::height="$height" sink_1::sizing-policy=keep-aspect-ratio \
    sink_1::xpos="$width" \
    ! video/x-raw,framerate=24/1 ! videoconvert ! x264enc ! video/x-h264,profile=high ! mux. \
  audiomixer name=sound ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! mux. \
  mp4mux name=mux faststart=true ! filesink location="$out"
echo "Made $out"
