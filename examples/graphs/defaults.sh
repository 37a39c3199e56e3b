# What every graph of this folder starts from; each of these can be set from outside:
#
#   OVI_MODEL_PATH  folder of the model         (the demonstration model of this repository)
#   IMAGE           picture the clip begins with (the astronaut of this repository)
#   PROMPT          what is to be seen and heard
#   SEED            the same seed makes the same clip
#   SETTINGS        more properties of ovii2vsrc, such as "steps=30 device=cuda"
#   BUILD           where examples/setup.sh built, if not in build/

# --help: what the head of the script says, and the above.
if [ "${1:-}" = --help ]; then
  sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"
  echo
  sed -n '1,/^$/{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  exit 0
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

demo=$root/examples/demo-model
: "${OVI_MODEL_PATH:=$demo}"
: "${IMAGE:=$root/examples/astronaut.png}"
: "${PROMPT:=An astronaut in an orange suit smiles at the camera and says, <S>We are ready for launch.<E> <AUDCAP>Warm female voice, a soft chord in the background.<ENDAUDCAP>}"
: "${SEED:=103}"
# The demonstration model is small, and was trained for few steps and little guidance.
if [ "$OVI_MODEL_PATH" = "$demo" ]; then
  : "${SETTINGS:=steps=10 video-guidance-scale=1.5 audio-guidance-scale=1.5 slg-layer=1}"
fi

read -ra settings <<<"${SETTINGS:-}"
# gst-launch-1.0 reads backslashes, quotes and line breaks of its own.
quoted=${PROMPT//\\/\\\\}
quoted=\"${quoted//\"/\\\"}\"
ovi=(model-path="$OVI_MODEL_PATH" image="$IMAGE" prompt="$quoted" "${settings[@]}")

: "${BUILD:=$root/build}"
# An installed plug-in needs no path.
if [ -d "$BUILD/gst" ]; then
  export GST_PLUGIN_PATH=$BUILD/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
fi
if ! gst-inspect-1.0 ovii2vsrc >/dev/null; then
  echo 'ovii2vsrc is not there: run examples/setup.sh first.' >&2
  exit 1
fi
