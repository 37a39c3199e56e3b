#!/usr/bin/env bash
# Builds with sanitizers and runs the tests that they can judge:
#
#   tests/sanitize.sh plugin     AddressSanitizer and UBSan: the element on the fake engine
#   tests/sanitize.sh engine     AddressSanitizer and UBSan: readers, text, C door, pipeline
#   tests/sanitize.sh threads    ThreadSanitizer: what the engine does with threads
#
# Builds lie in build-asan, build-asan-engine and build-tsan.
set -euo pipefail
cd "$(dirname "$0")/.."
libtorch=${LIBTORCH:-$PWD/.deps/torch}

configure() {  # folder, options...
  local folder=$1
  shift
  [ -e "$folder/build.ninja" ] ||
    meson setup "$folder" -Dbuildtype=debugoptimized -Db_lundef=false -Dtests=enabled "$@"
}

# LibTorch, GLib and the plugins of others keep memory until the process ends: what
# counts is what our own code leaks.
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export OMP_NUM_THREADS=1

case ${1:-} in
  plugin)
    configure build-asan -Db_sanitize=address,undefined -Dengine=disabled
    ninja -C build-asan
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
    export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
    # The scan of the plugins in a process of its own cannot open a sanitized one, and in
    # this process each plugin keeps what its libraries keep: only those that tests use.
    export GST_REGISTRY_FORK=no
    installed=$(pkg-config --variable=pluginsdir gstreamer-1.0)
    plugins=$PWD/build-asan/plugins
    mkdir -p "$plugins"
    for name in coreelements coretracers typefindfunctions playback app gio png jpeg videoconvertscale \
      videofilter videorate videotestsrc audiotestsrc audioconvert audioresample audiomixer \
      compositor rawparse avi; do
      [ ! -e "$installed/libgst$name.so" ] || ln -sf "$installed/libgst$name.so" "$plugins/"
    done
    export GST_PLUGIN_SYSTEM_PATH_1_0=$plugins
    rm -f build-asan/tests/gst/*.registry
    meson test -C build-asan --no-rebuild --print-errorlogs --suite gst --timeout-multiplier 5
    ;;
  engine)
    configure build-asan-engine -Db_sanitize=address,undefined -Dlibtorch="$libtorch"
    ninja -C build-asan-engine tests/engine/weights/weights-test tests/engine/text/text-test \
      tests/engine/capi/capi-test tests/engine/pipeline/pipeline-test tests/fuzz/weights-fuzz
    export ASAN_OPTIONS=detect_leaks=1:alloc_dealloc_mismatch=0
    export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
    meson test -C build-asan-engine --no-rebuild --print-errorlogs --timeout-multiplier 5 \
      weights text capi pipeline weights-fuzz
    ;;
  threads)
    configure build-tsan -Db_sanitize=thread -Dlibtorch="$libtorch"
    ninja -C build-tsan tests/engine/pipeline/pipeline-test tests/engine/capi/capi-test tests/engine/runtime/runtime-test
    export TSAN_OPTIONS=halt_on_error=1
    meson test -C build-tsan --no-rebuild --print-errorlogs --timeout-multiplier 10 pipeline capi runtime
    ;;
  *)
    sed -n '2,9p' "$0" | sed 's/^# \{0,1\}//'
    exit 2
    ;;
esac
