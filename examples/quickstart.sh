#!/usr/bin/env bash
# From a fresh machine to a clip with sound: sets everything up, then runs
# ovii2vsrc on examples/astronaut.png into quickstart.mp4 and a contact sheet.
set -euo pipefail
cd "$(dirname "$0")/.."
examples/setup.sh

build=${BUILD:-$PWD/build}
model=${OVI_MODEL_PATH:-examples/demo-model}
out=quickstart.mp4
sheet=quickstart.png
settings=()
if [ "$model" = examples/demo-model ]; then
  echo
  echo 'Using the 14 MB demonstration model of this repository (a slow pan over a soft chord; it'
  echo 'ignores the prompt). For the real weights: OVI_MODEL_PATH=/path/to/ckpts examples/quickstart.sh'
  settings=(steps=10 video-guidance-scale=1.5 audio-guidance-scale=1.5 slg-layer=1)
fi

export GST_PLUGIN_PATH=$build/gst
rm -f "$out" "$sheet"
gst-launch-1.0 \
  ovii2vsrc name=ovi model-path="$model" image=examples/astronaut.png seed=103 "${settings[@]}" \
    prompt="An astronaut in an orange suit smiles at the camera and says, <S>We are ready for launch.<E> <AUDCAP>Warm female voice, a soft chord in the background.<ENDAUDCAP>" \
  ovi.video ! videoconvert ! x264enc ! video/x-h264,profile=high ! mp4mux name=mux ! filesink location="$out" \
  ovi.audio ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! mux.

ffmpeg -v error -y -i "$out" -vf 'select=not(mod(n\,6)),scale=256:-2,tile=3x3' -frames:v 1 "$sheet"
echo
echo "Made $out ($(ffprobe -v error -show_entries format=duration -of csv=p=0 "$out") s) and its contact sheet $sheet."
