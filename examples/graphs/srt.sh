#!/usr/bin/env bash
# A clip over SRT (MPEG-TS with H.264 and AAC), in real time, to a receiver that writes it down.
#
#   examples/graphs/srt.sh [FILE]         PORT=7001 examples/graphs/srt.sh
#
# To a receiver of your own: only the second gst-launch-1.0, with its address.
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
source "$(dirname "$0")/receiver.sh"
out=${1:-ovi-srt.ts}
port=${PORT:-7001}

gst-launch-1.0 -q srtsrc uri="srt://127.0.0.1:$port?mode=listener" ! filesink location="$out" &
receiver=$!
wait_for_port udp "$port" "$receiver"

# A receiver hands out what came in only after SRT's latency (125 ms here), and forgets the rest
# when the connection ends. So the connection must outlast the clip: the fakesink hears the sound
# one second late, and the pipeline ends when its last sink does.
gst-launch-1.0 \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
  ovi.video ! videoconvert ! x264enc bframes=0 key-int-max=48 ! video/x-h264,profile=main ! mux. \
  ovi.audio ! audioresample ! audio/x-raw,rate=48000 ! tee name=sound \
    sound. ! queue ! avenc_aac ! mux. \
    sound. ! queue max-size-time=0 max-size-buffers=0 ! fakesink sync=true ts-offset=1000000000 \
  mpegtsmux name=mux alignment=7 ! srtsink uri="srt://127.0.0.1:$port?mode=caller"
wait "$receiver"
echo "Received $out"
