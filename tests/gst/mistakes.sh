#!/bin/sh
# What a user may get wrong, in gst-launch-1.0: one sentence and the end, each time. An error that
# comes before its main loop would be forgotten, and it would wait for ever.
# SPDX-License-Identifier: Apache-2.0
#
# Environment: GST_PLUGIN_PATH, OVII2V_ENGINE_PATH (the fake engine), OVI_EXAMPLES, PLUGINS
# (where GStreamer's own plug-ins lie).
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
log=$folder/log
times=20

sinks="s.video ! queue ! fakesink s.audio ! queue ! fakesink"
told() {  # the sentence, the value of "image"
  # shellcheck disable=SC2086
  launch "$1" "image=$2" $sinks
}
launch() {  # the sentence, what follows the source
  sentence=$1
  shift
  run=0
  while [ $((run += 1)) -le $times ]; do
    code=0
    timeout 20 gst-launch-1.0 ovii2vsrc name=s model-path=. prompt=x "$@" >"$log" 2>&1 || code=$?
    # 1: told while it ran; 255: by the state change. Others are a timeout or a crash.
    if { [ $code != 1 ] && [ $code != 255 ]; } || ! grep -q "$sentence" "$log"; then
      echo "FAILED: $* ended with $code in run $run, for: $sentence" >&2
      cat "$log" >&2
      exit 1
    fi
  done
}

unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
picture=$OVI_EXAMPLES/astronaut.png
echo '<!DOCTYPE html><html><body>404</body></html>' >"$folder/page.png"

# What the state change tells.
told "foo: is not among the image-schemes (file,http,https,data)" foo://x
# shellcheck disable=SC2086
launch "no GStreamer plug-in reads foo: URIs" image=foo://x image-schemes=foo $sinks
told "is malformed" data:nonsense
told "does not exist" "$folder/none.png"
# What is told later: the page is read, the port is not listened to.
told "is not a picture" "$folder/page.png"
if gst-inspect-1.0 --exists souphttpsrc; then
  told "cannot be read: check its address and the network" http://127.0.0.1:1/a.png
fi

launch "does not take 128x64 video" s.video ! video/x-raw,width=64 ! fakesink
launch "Neither pad is linked"
# shellcheck disable=SC2086
OVI_FAKE_FAIL=8 launch "It was made to fail" $sinks

# With fewer plug-ins than a picture takes.
few() {  # names of the plug-ins that there are
  rm -rf "$folder/few" && mkdir "$folder/few"
  for name in "$@"; do ln -s "$PLUGINS/libgst$name.so" "$folder/few/"; done
  export GST_PLUGIN_SYSTEM_PATH_1_0="$folder/few" GST_REGISTRY="$folder/few/registry"
}
few coreelements
told "The image .* cannot be decoded: the GStreamer element decodebin, .*; install gstreamer1.0-plugins-base" \
  "$folder/page.png"
told "no GStreamer plug-in reads http: URIs. Install gstreamer1.0-plugins-good" http://127.0.0.1:1/a.png
OVII2V_PICTURE_PATH=$folder/none told "The picture decoder $folder/none cannot be started: install" "$picture"
echo "all well"
