#!/usr/bin/env bash
# Builds with sanitizers and runs the tests that they can judge:
#
#   tests/sanitize.sh plugin     AddressSanitizer and UBSan: the element on the fake engine
#   tests/sanitize.sh engine     AddressSanitizer and UBSan: readers, text, kernels, C door, pipeline
#   tests/sanitize.sh threads    ThreadSanitizer: what the engine does with threads
#   tests/sanitize.sh --build-of KIND    says where KIND is built
set -euo pipefail
cd "$(dirname "$0")/.."
libtorch=${LIBTORCH:-$PWD/.deps/torch}

build_of() {
  case ${1:-} in
    plugin) echo build-asan ;;
    engine) echo build-asan-engine ;;
    threads) echo build-tsan ;;
    *) sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
  esac
}
if [ "${1:-}" = --build-of ]; then
  build_of "${2:-}"
  exit
fi
build=$(build_of "${1:-}")

# clang, no optimizer, headers read once and the lines of a stack alone: all compiles a quarter as long
# as with GCC -O1 (UBSan's checks of one file: 13 s there, 3 s so). An enum of the C door may hold what
# an engine of tomorrow says.
configure() {
  [ -e "$build/build.ninja" ] ||
    CXX=${SANITIZE_CXX:-clang++} CC=${SANITIZE_CC:-clang} meson setup "$build" -Doptimization=0 \
      -Ddebug=true -Dcpp_args='-g1 -fno-sanitize=enum' -Dc_args=-g1 -Db_lundef=false -Dnvcc=none -Dtests=enabled "$@"
}
# What ccache wants before it keeps what was compiled with such headers.
export CCACHE_SLOPPINESS=pch_defines,time_macros
run() { meson test -C "$build" --no-rebuild --print-errorlogs --timeout-multiplier 10 "$@"; }
rm -f "$build"/meson-logs/{testlog,images}.json

export OMP_NUM_THREADS=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# What counts is what our own code leaks; the list names what others keep to the end.
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0

case $1 in
  plugin)
    configure -Db_sanitize=address,undefined -Dengine=disabled
    ninja -C "$build"
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
    # The scan of the plugins in a process of its own cannot open a sanitized one, and in
    # this process each plugin keeps what its libraries keep: only those that tests use.
    export GST_REGISTRY_FORK=no
    installed=$(pkg-config --variable=pluginsdir gstreamer-1.0)
    plugins=$PWD/$build/plugins
    mkdir -p "$plugins"
    for name in coreelements coretracers typefindfunctions playback app gio png jpeg videoconvertscale \
      videofilter videorate videotestsrc audiotestsrc audioconvert audioresample audiomixer \
      compositor rawparse avi; do
      [ ! -e "$installed/libgst$name.so" ] || ln -sf "$installed/libgst$name.so" "$plugins/"
    done
    export GST_PLUGIN_SYSTEM_PATH_1_0=$plugins
    rm -f "$build"/tests/gst/*.registry
    # The programs alone: scripts that run gst-launch-1.0 would judge that one too.
    programs=()
    for program in tests/gst/{,channel/,clip/,engine/,stream/}*_test.cpp tests/gst/picture/image_sample_test.cpp; do
      program=$(basename "$program" _test.cpp)
      case $program in
        real_engine | image | web_image | no_memory) ;;
        *) programs+=("gst-$program") ;;
      esac
    done
    programs+=(gst-isolation-messages)
    # Films need libav and servers libsoup, which keep memory to the end: all but leaks is judged.
    more=("$plugins"/libgst{libav,videoparsersbad,isomp4,soup,multifile,udp,rtsp}.so)
    for plugin in "${more[@]}"; do ln -sf "$installed/${plugin##*/}" "$plugin"; done
    ASAN_OPTIONS=detect_leaks=0 run --logbase images gst-image gst-web_image gst-picture_chain gst-picture_reach
    rm -f "${more[@]}" "$build"/tests/gst/*.registry
    # A player that is a program of its own cannot load a sanitized plug-in; encoders are not here.
    GST_CHECKS_IGNORE=gst_play_plays_it,muxers_keep_it run "${programs[@]}"
    ;;
  engine)
    configure -Db_sanitize=address,undefined -Dlibtorch="$libtorch"
    ninja -C "$build" tests/engine/{weights/weights,text/text,kernels/kernels,capi/capi,pipeline/pipeline}-test \
      tests/engine/emulated_cuda/gpu-code-test
    # LibTorch is not built with the sanitizer, so that new and delete do not match it.
    export ASAN_OPTIONS=detect_leaks=1:alloc_dealloc_mismatch=0
    # Each weight spoilt by itself goes the same ways a thousand times; texts of 1 MB are for a clock;
    # clang's check of alignment does not see the copies by which the emulated GPU loads.
    GTEST_FILTER='-*EveryWeight*:LongText.*:*EndsAtALoadThatIsNotAligned' run weights text kernels gpu-code capi pipeline-0 pipeline-1
    ;;
  threads)
    # Without the headers that are read before all others: here it shows who forgot an include.
    configure -Db_sanitize=thread -Db_pch=false -Dlibtorch="$libtorch"
    ninja -C "$build" tests/engine/{runtime/runtime,weights/loading,pipeline/pipeline,capi/capi}-test
    export TSAN_OPTIONS=halt_on_error=1
    GTEST_FILTER='-*EveryWeight*' run runtime loading pipeline-0 pipeline-1 capi
    ;;
esac
