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
lists=(examples/farm/requirements.txt)
[ "${1:-}" != --tests ] || lists+=(tests/farm/requirements.txt)

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

# The lists that are installed, with what stood in them: one that is another by now is installed over it.
stamp=$environment/farm.stamp
sums() { (cd "$source" && sha256sum "$@"); }
new=()
for list in "${lists[@]}"; do
  grep -qxF "$(sums "$list")" "$stamp" 2>/dev/null || new+=("$list")
done
if [ "${#new[@]}" != 0 ]; then
  printf '\n== Fetching Ray Serve and what it needs (134 MB)\n' >&2
  [ -x "$environment/bin/pip" ] || "${PYTHON:-/usr/bin/python3}" -m venv "$environment"
  # All of them, so that what one asks for does not move what another has pinned.
  "$environment/bin/pip" install -q --disable-pip-version-check "${lists[@]/#/-r$source/}"
  { grep -vF "${new[@]/#/-e}" "$stamp" 2>/dev/null || true; sums "${new[@]}"; } >"$stamp.new"
  mv "$stamp.new" "$stamp"
fi
echo "$environment/bin/python"
