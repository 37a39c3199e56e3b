#!/usr/bin/env bash
# Brings a fresh Debian 12 or 13, or Ubuntu 24.04, to a built ovii2vsrc: system packages,
# LibTorch, build. Does only what is missing, so a second run is instant and needs
# no network.
#
#   examples/setup.sh            what is needed to run
#   examples/setup.sh --tests    and to test
#
# LIBTORCH=PATH uses a LibTorch that is there already (the folder that holds include/
# and lib/); BUILD=DIR builds elsewhere than in build/.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD

torch_version=2.11.0
build=${BUILD:-$source/build}
deps=$source/.deps
tests=false
[ "${1:-}" = --tests ] && tests=true

say() { printf '\n== %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# --- system packages -------------------------------------------------------------
packages=(
  g++ ccache meson ninja-build pkg-config python3 python3-venv ca-certificates
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev nlohmann-json3-dev
  libjpeg-dev libpng-dev libwebp-dev libgif-dev libtiff-dev libheif-dev libseccomp-dev
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
  ffmpeg
  # Of the examples in Python.
  python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-gst-rtsp-server-1.0
)
if $tests; then
  packages+=(libgtest-dev gstreamer1.0-plugins-base-apps gir1.2-ges-1.0
    locales
    python3-pil libheif-examples libjpeg-turbo-progs libtiff-tools clang openmpi-bin)
fi
# clang's run time for libFuzzer is a package of its own, named after the version.
fuzzes() {
  echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
    clang++ -x c++ - -fsanitize=fuzzer,address -o /dev/null 2>/dev/null
}

missing_packages() {
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      echo "$package"
  done
}

command -v apt-get >/dev/null ||
  die "this set-up knows Debian and Ubuntu. Elsewhere install what corresponds to: ${packages[*]}; then see CONTRIBUTING.md."
missing=$(missing_packages)
if [ -n "$missing" ] || { $tests && ! fuzzes; }; then
  say "Installing system packages: $(echo $missing)"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "needs root or sudo to install: $(echo $missing)"
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -q
  # Where libheif has its decoders apart (Debian 13, Ubuntu 24.04): AVIF and HEIC.
  for plugin in libheif-plugin-dav1d libheif-plugin-libde265; do
    [ -z "$(apt-cache show "$plugin" 2>/dev/null)" ] || missing="$missing $plugin"
  done
  ! $tests ||
    missing="$missing $(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9]*\)$/libclang-rt-\1-dev/p' | head -n 1)"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
fi

# --- LibTorch ----------------------------------------------------------------------
# The PyPI wheel, unpacked beside the source. It needs two small CUDA libraries even
# on a CPU; the other 3 GB, and the compiler of the fused kernels, come only where there
# is an NVIDIA GPU.
libtorch=${LIBTORCH:-$deps/torch}
cuda=false
[ -e /dev/nvidiactl ] || [ -e /usr/lib/wsl/lib/libcuda.so.1 ] && cuda=true
stamp=$deps/torch-$torch_version-$($cuda && echo cuda || echo cpu).ready
licences=$deps/torch-$torch_version.dist-info
if [ -z "${LIBTORCH:-}" ] && { [ ! -e "$stamp" ] || [ ! -e "$licences" ]; }; then
  if $cuda; then size='4.1 GB'; else size='1.3 GB'; fi
  say "Fetching LibTorch $torch_version ($size unpacked)"
  mkdir -p "$deps"
  [ -x "$deps/venv/bin/pip" ] || python3 -m venv "$deps/venv"
  # Into a new folder first: an interrupted download leaves nothing half-made behind.
  rm -rf "$deps/new"
  # Each call a folder of its own: pip leaves a folder that is there already as it is.
  fetch() { "$deps/venv/bin/pip" install --disable-pip-version-check --no-cache-dir --target "$@"; }
  fetch "$deps/new" --no-deps torch==$torch_version
  if $cuda; then
    mapfile -t nvidia < <(sed -n 's/^Requires-Dist: \(\(cuda-toolkit\|nvidia-\)[^;]*\).*/\1/p' \
      "$deps/new/torch-$torch_version.dist-info/METADATA")
    nvidia+=(nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88)
    fetch "$deps/new/for-nvidia" "${nvidia[@]}"
  else
    fetch "$deps/new/for-nvidia" --no-deps nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85
  fi
  mv "$deps/new/for-nvidia/nvidia" "$deps/new/nvidia"
  if $cuda; then
    lost=$(ldd "$deps/new/torch/lib/libtorch_cuda.so" | sed -n 's/ => not found//p' | grep -v libcuda.so || true)
    [ -z "$lost" ] || die "LibTorch lacks" $lost "of CUDA. Run this again; LIBTORCH=PATH takes another LibTorch."
  fi
  for part in torch nvidia; do
    rm -rf "${deps:?}/$part"
    mv "$deps/new/$part" "$deps/$part"
  done
  # Name, version and licence of each: who passes LibTorch on passes these on (packaging/libtorch.py).
  rm -rf "$deps"/*.dist-info
  mv "$deps"/new/*.dist-info "$deps"/new/for-nvidia/*.dist-info "$deps"
  rm -rf "$deps/new" "$deps/venv" "$deps"/*.ready
  touch "$stamp"
fi

# --- build ---------------------------------------------------------------------------
want_tests=$($tests && echo enabled || echo disabled)
if [ ! -e "$build/build.ninja" ]; then
  say "Configuring"
  nvcc=$deps/nvidia/cu13/bin/nvcc
  [ -x "$nvcc" ] || nvcc=auto
  meson setup "$build" "$source" -Dlibtorch="$libtorch" -Dnvcc="$nvcc" -Dtests="$want_tests"
elif $tests; then
  meson configure "$build" -Dtests=enabled
fi
# What ccache wants before it keeps what is compiled with a header compiled once.
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}
if ! ninja -C "$build" -n 2>/dev/null | grep -q 'no work to do'; then
  say "Building (about 10 minutes on 2 cores the first time)"
  ninja -C "$build"
fi
