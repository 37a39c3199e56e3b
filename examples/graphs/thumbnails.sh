#!/usr/bin/env bash
# Still pictures of a clip, some a second, as JPEG files of at most 320 pixels a side; no sound.
#
#   examples/graphs/thumbnails.sh [FOLDER]        RATE=4/1 examples/graphs/thumbnails.sh
#
# RATE is how many a second, as a fraction (2/1).
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
out=${1:-ovi-thumbnails}
rate=${RATE:-2/1}
mkdir -p "$out"
rm -f "$out"/clip-*.jpg

# Without sound the pad "audio" is left as it is. drop-only: a picture is never shown twice.
gst-launch-1.0 \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
  ovi.video ! videorate drop-only=true ! "video/x-raw,framerate=$rate" ! videoscale add-borders=false \
    ! 'video/x-raw,width=[1,320],height=[1,320],pixel-aspect-ratio=1/1' ! videoconvert \
    ! jpegenc quality=90 ! multifilesink location="$out/clip-%03d.jpg"
echo "Made $(ls "$out" | grep -c '^clip-.*\.jpg$') pictures in $out"
