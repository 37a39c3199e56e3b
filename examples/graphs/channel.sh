#!/usr/bin/env bash
# A channel over a network: clip after clip in real time, and between two the last frame of the one
# before. Ctrl-C ends it.
#
#   examples/graphs/channel.sh [URL]        CLIPS=3 examples/graphs/channel.sh udp://127.0.0.1:5004
#
# URL says how, and where to:
#   srt://:7001?mode=listener       to all who come: ffplay srt://HOST:7001 (the default, on this
#                                   machine alone; PORT is another port)
#   srt://HOST:PORT                 to a receiver that listens
#   rtmp://HOST/APPLICATION/KEY     to a streaming service
#   udp://HOST:PORT                 to a receiver or a multicast group, without any answer
# CLIPS is how many clips are shown (0: without end).
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
url=${1:-srt://127.0.0.1:${PORT:-7001}?mode=listener}

# alignment=7: as many MPEG-TS packets as a datagram takes.
case $url in
  # Nobody is waited for, and nobody who leaves is missed.
  srt://*mode=listener*) out=(mpegtsmux alignment=7 name=mux ! srtsink uri="$url" wait-for-connection=false) ;;
  srt://*) out=(mpegtsmux alignment=7 name=mux ! srtsink uri="$url") ;;
  udp://*:*)
    address=${url#udp://}
    out=(mpegtsmux alignment=7 name=mux ! udpsink host="${address%:*}" port="${address##*:}")
    ;;
  # flvmux moves the timestamps of what comes out of turn: a second is waited for an encoder that is
  # held up on a busy machine.
  rtmp://* | rtmps://*) out=(flvmux streamable=true latency=1000000000 name=mux ! rtmp2sink location="$url") ;;
  *)
    echo "This graph knows srt://, rtmp:// and udp://HOST:PORT, not $url." >&2
    exit 1
    ;;
esac

gst-launch-1.0 -e \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
    is-live=true hold=last-frame continuity=last-frame num-clips="${CLIPS:-0}" \
  ovi.video ! queue ! videoconvert ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=24 \
    ! video/x-h264,profile=main ! queue ! mux. \
  ovi.audio ! queue ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! queue ! mux. \
  "${out[@]}"
