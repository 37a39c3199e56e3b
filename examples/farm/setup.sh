#!/usr/bin/env bash
# Brings what a farm needs into a Python environment of its own, .deps/farm: Ray Serve and fsspec (134 MB to
# fetch, 0.5 GB unpacked). Does only what is missing. What examples/setup.sh brings has to be there too.
# SPDX-License-Identifier: Apache-2.0
#
#   examples/farm/setup.sh            what is needed to run
#   examples/farm/setup.sh --tests    and to test
#
# FARM_ENV=FOLDER puts the environment elsewhere; PYTHON=PROGRAM takes another Python than python3 (3.10 to 3.13).
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
environment=${FARM_ENV:-$source/.deps/farm}
lists=(-r "$source/examples/farm/requirements.txt")
[ "${1:-}" != --tests ] || lists+=(-r "$source/tests/farm/requirements.txt")

# PyGObject belongs to the system's Python, in which the process that makes clips runs.
missing=()
/usr/bin/python3 -c 'import gi; gi.require_version("Gst", "1.0"); from gi.repository import Gst' 2>/dev/null ||
  missing+=(python3-gi gir1.2-gst-plugins-base-1.0)
[ -n "${PYTHON:-}" ] || /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" != 0 ]; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

# The lists themselves are the stamp: other ones are installed over it.
wanted=$(cat "${lists[@]/#-r/\/dev\/null}" | sha256sum)
if [ "$(cat "$environment/farm.stamp" 2>/dev/null)" != "$wanted" ]; then
  [ -x "$environment/bin/pip" ] || "${PYTHON:-/usr/bin/python3}" -m venv "$environment"
  "$environment/bin/pip" install -q --disable-pip-version-check "${lists[@]}"
  echo "$wanted" >"$environment/farm.stamp"
fi
echo "$environment/bin/python"
