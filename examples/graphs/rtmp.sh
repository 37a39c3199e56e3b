#!/usr/bin/env bash
# A clip over RTMP (H.264 and AAC), in real time, to a receiver that writes it down.
#
#   examples/graphs/rtmp.sh [FILE]        PORT=1935 examples/graphs/rtmp.sh
#
# To a streaming service: only the gst-launch-1.0, with the address and key it gave you.
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
source "$(dirname "$0")/receiver.sh"
out=${1:-ovi-rtmp.flv}
port=${PORT:-1935}

# FFmpeg calls it an "Input/output error" that a sender hangs up, as each does at its end. What leaves
# that out is started here, so that the end of this script waits for it.
exec {errors}> >(grep -v ': Input/output error$' >&2)
ffmpeg -nostdin -v error -listen 1 -i "rtmp://127.0.0.1:$port/live/ovi" -c copy -y "$out" 2>&"$errors" &
receiver=$!
exec {errors}>&-
wait_for_port tcp "$port" "$receiver"

gst-launch-1.0 \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
  ovi.video ! videoconvert ! x264enc bframes=0 key-int-max=48 ! video/x-h264,profile=main ! mux. \
  ovi.audio ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! mux. \
  flvmux name=mux streamable=true ! rtmp2sink location="rtmp://127.0.0.1:$port/live/ovi"
wait "$receiver"
echo "Received $out"
