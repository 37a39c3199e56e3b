#!/usr/bin/env bash
# A clip for HTTP Live Streaming: a playlist and MPEG-TS segments, to be served by any web server.
#
#   examples/graphs/hls.sh [FOLDER]
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
out=${1:-ovi-hls}
mkdir -p "$out"
rm -f "$out"/playlist.m3u8 "$out"/segment*.ts

# hlssink asks the encoder for a key frame where a segment is to begin. Both lengths 0: the playlist
# names the whole clip, and no segment is deleted. hlssink2 would take both streams without a muxer, but
# the one of GStreamer 1.22 does not end after one short stream of eight.
gst-launch-1.0 \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
  ovi.video ! videoconvert ! x264enc bframes=0 key-int-max=24 ! video/x-h264,profile=main ! h264parse ! mux. \
  ovi.audio ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! aacparse ! mux. \
  mpegtsmux name=mux ! hlssink target-duration=1 playlist-length=0 max-files=0 \
    playlist-location="$out/playlist.m3u8" location="$out/segment%05d.ts"
echo "Made $out/playlist.m3u8 and $(ls "$out" | grep -c '\.ts$') segments"
