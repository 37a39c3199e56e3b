#!/bin/sh
# The element in gst-launch-1.0, as a user runs it: a file with the right streams,
# an interrupt that ends at once, an error that is told.
# SPDX-License-Identifier: Apache-2.0
#
# Environment: GST_PLUGIN_PATH, OVII2V_ENGINE_PATH, OVI_EXAMPLES; FRAMES, SAMPLES and
# MODEL say what the engine gives. HOLDS is 1 when the engine can be held
# (OVI_FAKE_HOLD), so that interrupts are tried.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
clip=$folder/clip.mp4
log=$folder/log
fail() {
  echo "FAILED: $1" >&2
  cat "$log" >&2
  exit 1
}

for needed in x264enc avenc_aac mp4mux; do
  gst-inspect-1.0 --exists "$needed" || { echo "no $needed here"; exit 77; }
done

source="ovii2vsrc name=s image=$OVI_EXAMPLES/astronaut.png seed=7 steps=2 slg-layer=1
  model-path=$MODEL prompt=astronaut"

# A file, and what is in it.
# shellcheck disable=SC2086
timeout 300 gst-launch-1.0 $source \
  s.video ! queue ! videoconvert ! x264enc ! mp4mux name=m ! filesink location="$clip" \
  s.audio ! queue ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! m. >"$log" 2>&1 || fail "gst-launch-1.0"
grep -q "Progress: (generate) Clip 1 of 1: generating, step 2 of 2, [0-9]* % of the clip" "$log" || fail "no progress was told"
timeout 60 gst-discoverer-1.0 -v "$clip" >"$log" 2>&1 || fail "gst-discoverer-1.0"
grep -q "video.*: H.264" "$log" || fail "no H.264 stream"
grep -q "audio.*: MPEG-4 AAC" "$log" || fail "no AAC stream"
grep -q "Frame rate: 24/1" "$log" || fail "not 24 frames a second"
grep -q "astronaut" "$log" || fail "the prompt is not in the tags"

count_frames() {
  timeout 60 gst-launch-1.0 -v "$@" ! identity silent=false ! fakesink silent=true 2>&1 |
    grep -c "identity0: last-message = chain" || true
}
frames=$(count_frames filesrc location="$clip" ! qtdemux ! h264parse ! avdec_h264)
[ "$frames" = "$FRAMES" ] || fail "$frames frames instead of $FRAMES"

# Raw, so that every byte counts: frames and samples, the same for the same seed.
for run in 1 2; do
  # shellcheck disable=SC2086
  timeout 300 gst-launch-1.0 -q $source \
    s.video ! queue ! video/x-raw,format=RGB ! filesink location="$folder/video$run" \
    s.audio ! queue ! audio/x-raw,format=S16LE ! filesink location="$folder/audio$run" \
    >"$log" 2>&1 || fail "the raw run"
done
[ "$(wc -c <"$folder/audio1")" = $((SAMPLES * 2)) ] || fail "not $SAMPLES samples"
[ $(($(wc -c <"$folder/video1") % (FRAMES * 3 * 32 * 32))) = 0 ] || fail "not $FRAMES frames"
cmp "$folder/video1" "$folder/video2" || fail "the same seed gave other frames"
cmp "$folder/audio1" "$folder/audio2" || fail "the same seed gave other sound"

# A missing picture is an error that names it, and ends.
code=0
timeout 60 gst-launch-1.0 ovii2vsrc name=s image=/nonexistent.png model-path="$MODEL" prompt=x \
  s.video ! fakesink >"$log" 2>&1 || code=$?
[ "$code" != 0 ] || fail "a missing picture was no error"
[ "$code" != 124 ] || fail "a missing picture did not end it"
grep -q "nonexistent.png does not exist" "$log" || fail "the error does not name the picture"

# Interrupted with -e in the midst: EOS and a clean end, not a wait.
if [ "${HOLDS:-0}" = 1 ]; then
  for stage in load generate decode; do
    mkfifo "$folder/$stage"
    OVI_FAKE_HOLD=$stage timeout 60 gst-launch-1.0 -e ovii2vsrc name=s model-path="$MODEL" \
      prompt=x s.video ! queue ! fakesink s.audio ! queue ! fakesink \
      >"$log" 2>"$folder/$stage" &
    launch=$!
    # Blocks until the engine says that it stands there; kept open to the end.
    exec 3<"$folder/$stage"
    reached=no
    while read -r line <&3; do
      case $line in *"holding at $stage"*) reached=yes; break ;; esac
    done
    [ "$reached" = yes ] || fail "$stage was not reached"
    kill -INT "$launch"
    code=0
    wait "$launch" || code=$?
    exec 3<&-
    # gst-launch itself ends with 130 when the interrupt meets it between two states.
    case $code in
      0) grep -q "Got EOS" "$log" || fail "no EOS after an interrupt in $stage" ;;
      130) ;;
      *) fail "an interrupt in $stage ended with $code" ;;
    esac
  done
fi
echo "all well"
