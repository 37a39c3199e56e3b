#!/usr/bin/env bash
# A channel for HTTP Live Streaming: clip after clip, and between two the last frame of the one
# before, into MPEG-TS segments and a playlist of the newest, to be served by any web server. Ctrl-C
# ends it.
#
#   examples/graphs/hls-channel.sh [FOLDER]        CLIPS=3 examples/graphs/hls-channel.sh
#
# CLIPS is how many clips are shown (0: without end); KEEP how many segments of 2 s the playlist
# names (6; 0: all, and none is deleted).
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
out=${1:-ovi-channel}
keep=${KEEP:-6}
mkdir -p "$out"
rm -f "$out"/playlist.m3u8 "$out"/segment*.ts

# A segment is deleted some time after it has left the playlist, for those who still read it.
gst-launch-1.0 -e \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
    is-live=true hold=last-frame continuity=last-frame num-clips="${CLIPS:-0}" \
  ovi.video ! queue ! videoconvert ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=48 \
    ! video/x-h264,profile=main ! h264parse ! queue ! mux. \
  ovi.audio ! queue ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! aacparse ! queue ! mux. \
  mpegtsmux name=mux ! hlssink target-duration=2 playlist-length="$keep" max-files="$((keep ? keep + 4 : 0))" \
    playlist-location="$out/playlist.m3u8" location="$out/segment%05d.ts"
echo "Made $out/playlist.m3u8"
