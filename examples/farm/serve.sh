#!/usr/bin/env bash
# A farm on this machine, or on the cluster that this machine is the head of: sets up what is missing, makes a
# first key where there is no file of keys, and serves until Ctrl-C.
# SPDX-License-Identifier: Apache-2.0
#
#   examples/farm/serve.sh model=/data/ckpts                      one GPU
#   examples/farm/serve.sh model=/data/ckpts replicas=8           eight, on this machine or on others
#   examples/farm/serve.sh                                        the demonstration model, on the CPU
#   examples/farm/serve.sh --help                                 everything that can be set
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build}
python=$("$here/setup.sh" | tail -n 1)
if [ -d "$build/gst" ]; then
  export GST_PLUGIN_PATH=$build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
fi
export RAY_USAGE_STATS_ENABLED=${RAY_USAGE_STATS_ENABLED:-0} PYTHONPATH=$here

settings=("$@")
if [ $# = 0 ]; then
  settings=(model="$root/examples/demo-model" gpus=0
    properties='{steps: 10, video-guidance-scale: 1.5, audio-guidance-scale: 1.5, slg-layer: 1}')
fi
case " ${settings[*]} " in
*" keys="* | *" --help "* | *" -h "*) ;;
*)
  keys=${OVI_KEYS:-$HOME/.config/ovi-farm/keys}
  if [ ! -e "$keys" ]; then
    mkdir -p "$(dirname "$keys")"
    echo "A key, shown this once: $("$python" -m ovi_farm.keys "$keys" add first)"
  fi
  settings+=(keys="$keys")
  ;;
esac
exec "$python" -m ovi_farm "${settings[@]}"
