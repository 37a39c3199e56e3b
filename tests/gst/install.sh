#!/bin/sh
# Installed, and the build tree forgotten: the plug-in is found, finds the engine beside it
# and the engine its LibTorch, and a clip comes out.
# SPDX-License-Identifier: Apache-2.0
#
# Environment: MESON, BUILD (what is installed), MODEL, PICTURE, LIBTORCH, HARDENING (the test that looks at
# files, with its options).
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
log=$folder/log
fail() {
  echo "FAILED: $1" >&2
  cat "$log" >&2
  exit 1
}

"$MESON" install -C "$BUILD" --no-rebuild --destdir "$folder/root" >"$log" 2>&1 || fail "meson install"
plugin=$(find "$folder/root" -name libgstovii2v.so)
engine=$(find "$folder/root" -name libovii2v-engine.so.1)
decoder=$(find "$folder/root" -name ovii2v-picture)
worker=$(find "$folder/root" -name ovii2v-worker)
tool=$(find "$folder/root" -path '*/bin/ovi')
[ -n "$plugin" ] && [ -n "$engine" ] && [ -n "$decoder" ] && [ -n "$worker" ] && [ -n "$tool" ] || fail "not everything was installed"
for beside in man1/ovi.1 bash-completion/completions/ovi site-functions/_ovi include/ovi/inspect.h include/ovi/convert.h; do
  [ -n "$(find "$folder/root" -path "*/$beside")" ] || fail "$beside was not installed"
done

# Nothing that is installed looks for anything in the tree it was built in.
for library in "$plugin" "$engine" "$decoder" "$worker" "$tool"; do
  readelf -d "$library" >"$log"
  if grep "RUNPATH\|RPATH" "$log" | grep -q "$BUILD"; then fail "$library looks into the build tree"; fi
done

# Every library and program of it.
$HARDENING --installed "$LIBTORCH" "$folder/root" >"$log" 2>&1 || fail "what is installed is not hardened"

readelf -d "$plugin" >"$log"
if grep -q "NEEDED.*\(torch\|c10\|ovii2v-engine\)" "$log"; then fail "a scan would load the engine"; fi

unset OVII2V_ENGINE_PATH OVII2V_PICTURE_PATH OVII2V_WORKER_PATH LD_LIBRARY_PATH GST_PLUGIN_PATH_1_0
export GST_PLUGIN_PATH="${plugin%/*}" GST_REGISTRY="$folder/registry" G_DEBUG=fatal-criticals
gst-inspect-1.0 ovii2vsrc >"$log" 2>&1 || fail "gst-inspect-1.0"
grep -q "Filename *$plugin" "$log" || fail "another plug-in was found"
gst-inspect-1.0 -b >"$log" 2>&1
if grep -q ovii2v "$log"; then fail "it is on the black list"; fi
timeout 300 gst-launch-1.0 -q ovii2vsrc name=s model-path="$MODEL" prompt=x seed=1 steps=1 slg-layer=1 \
  s.video ! fakesink s.audio ! audio/x-raw,format=S16LE ! filesink location="$folder/sound" \
  >"$log" 2>&1 || fail "gst-launch-1.0"
[ -s "$folder/sound" ] || fail "no sound came out"

# And the same from the worker, which finds the engine as the plug-in does.
isolated() {
  timeout 300 gst-launch-1.0 -q ovii2vsrc name=s isolation=process model-path="$MODEL" prompt=x seed=1 steps=1 slg-layer=1 \
    s.video ! fakesink s.audio ! audio/x-raw,format=S16LE ! filesink location="$folder/isolated" >"$log" 2>&1
}
isolated || fail "gst-launch-1.0 with isolation=process"
cmp "$folder/sound" "$folder/isolated" >"$log" || fail "the worker makes other sound"
mv "$worker" "$worker.away"
if isolated; then fail "another worker than the installed one was started"; fi
grep -q "The Ovi worker $worker cannot be started" "$log" || fail "the worker's path is not told"
mv "$worker.away" "$worker"

# `ovi` finds the plug-in that is installed with it, and through it the engine and the decoder.
GST_PLUGIN_PATH= GST_REGISTRY="$folder/other-registry" timeout 300 "$tool" make "$PICTURE" x -m "$MODEL" -s 1 --steps 1 \
  -p slg-layer=1 -o "$folder/clip.wav" >"$log" 2>&1 || fail "ovi make"
GST_PLUGIN_PATH= GST_REGISTRY="$folder/other-registry" "$tool" check "$MODEL" --device cpu >"$log" 2>&1 || fail "ovi check"
grep -q "engine .*: $engine" "$log" || fail "ovi found another engine"

# The decoder beside the engine is the one that reads pictures, and the only one.
picture_of() {
  timeout 300 gst-launch-1.0 -q ovii2vsrc name=s model-path="$MODEL" prompt=x seed=1 steps=1 slg-layer=1 \
    image="$PICTURE" s.video ! fakesink s.audio ! fakesink >"$log" 2>&1
}
picture_of || fail "a picture is not read"
rm "$decoder"
if picture_of; then fail "a picture was read by another decoder than the installed one"; fi
grep -q "The picture decoder $decoder cannot be started" "$log" || fail "the decoder's path is not told"
echo "all well"
