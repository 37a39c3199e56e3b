#!/usr/bin/env bash
# A clip in the corner of a live camera's picture, into a Matroska file, with the clip's sound. The
# camera is seen from the start; the clip appears when it is made. Ctrl-C ends it.
#
#   examples/graphs/picture-in-picture.sh [FILE]
#   CAMERA='videotestsrc is-live=true num-buffers=300' examples/graphs/picture-in-picture.sh
#
# CAMERA is the element that stands for the camera (v4l2src); WIDTH and HEIGHT are the size of its
# picture (1280, 720).
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
out=${1:-ovi-camera.mkv}
width=${WIDTH:-1280} height=${HEIGHT:-720}
read -ra camera <<<"${CAMERA:-v4l2src}"

# -e: Ctrl-C ends the file properly. The small picture is a third of the large one, 16 pixels off
# its lower right corner.
gst-launch-1.0 -e \
  ovii2vsrc name=ovi seed="$SEED" is-live=true "${ovi[@]}" \
  compositor name=picture background=black \
    sink_0::width="$width" sink_0::height="$height" \
    sink_1::width="$((width / 3))" sink_1::height="$((height / 3))" \
    sink_1::xpos="$((width - width / 3 - 16))" sink_1::ypos="$((height - height / 3 - 16))" \
    sink_1::sizing-policy=keep-aspect-ratio \
    ! "video/x-raw,width=$width,height=$height,framerate=24/1" ! videoconvert \
    ! x264enc tune=zerolatency ! video/x-h264,profile=main ! queue ! mux. \
  "${camera[@]}" ! videoconvert ! videoscale ! videorate ! queue ! picture.sink_0 \
  ovi.video ! queue ! picture.sink_1 \
  ovi.audio ! audioconvert ! queue ! flacenc ! queue ! mux. \
  matroskamux name=mux ! filesink location="$out"
echo "Made $out"
