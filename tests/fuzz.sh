#!/usr/bin/env bash
# Builds the parsers with clang's libFuzzer, AddressSanitizer and UBSan, and runs each for a
# while on its seeds and on what was found before; prints a line a target.
#
#   tests/fuzz.sh                      every target, 60 s each, as many at once as there are cores
#   tests/fuzz.sh -s 3600 prompt still some, for an hour each
#   tests/fuzz.sh --keep               of what earlier runs found, what reaches each edge, into tests/fuzz/found/
#
# FUZZ_SEED=N tries the same each time; otherwise each run is another. FUZZ_TIMEOUT=N: the seconds that
# one input may take, 10 where nothing else runs.
#
# An input that ends a target fails the run and stays in build-fuzz/crashes/. Copied into
# tests/fuzz/found/TARGET/ it is replayed by the ordinary tests for good.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${FUZZ_BUILD:-build-fuzz}
libtorch=${LIBTORCH:-$PWD/.deps/torch}
seconds=60 jobs=$(nproc) keep=false
while [ $# -gt 0 ]; do
  case $1 in
    -s) seconds=$2; shift 2 ;;
    -j) jobs=$2; shift 2 ;;
    --keep) keep=true; shift ;;
    -*) sed -n '2,13p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 2 ;;
    *) break ;;
  esac
done
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for source in tests/fuzz/*_fuzz.cpp; do targets+=("$(basename "$source" _fuzz.cpp)"); done
fi

[ -e "$build/build.ninja" ] ||
  CXX=${FUZZ_CXX:-clang++} CC=${FUZZ_CC:-clang} meson setup "$build" -Dfuzzers=true -Dtests=enabled \
    -Dnvcc=none -Dlibtorch="$libtorch" -Doptimization=1 -Ddebug=true -Db_lundef=false \
    -Db_sanitize=address,undefined -Dcpp_args='-g1 -fsanitize=fuzzer-no-link' >"$build.log" ||
  { cat "$build.log" >&2; exit 1; }
ninja -C "$build" "${targets[@]/#/tests/fuzz/fuzz-}" >"$build/fuzz-build.log" ||
  { tail -n 40 "$build/fuzz-build.log" >&2; exit 1; }

# The length, in bytes, that a target's inputs need at most.
longest() {
  case $1 in
    prompt) echo 2048 ;;
    torch_zip | still) echo 8192 ;;
    orientation) echo 512 ;;
    *) echo 4096 ;;
  esac
}
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# LibTorch is not built with the sanitizer, so that new and delete do not match it.
export ASAN_OPTIONS=alloc_dealloc_mismatch=0:allocator_may_return_null=0:detect_leaks=1
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
export OMP_NUM_THREADS=1

fuzz() {
  local target=$1 corpus=$build/corpus/$1 log=$build/$1.log
  # What a codec takes at once for a picture of its own size is bounded by the process's limit.
  local most=512
  local leaks=1
  # Its process reads one picture and ends: what a codec keeps is nobody's.
  [ "$target" != still ] || most=65536 leaks=0
  local options=(-max_len="$(longest "$target")" -rss_limit_mb=1536 -malloc_limit_mb=$most -timeout="${FUZZ_TIMEOUT:-10}"
    -seed="${FUZZ_SEED:-0}" -detect_leaks=$leaks)
  mkdir -p "$corpus" "$build/crashes" "tests/fuzz/found/$target"
  [ ! -e "tests/fuzz/dictionaries/$target.dict" ] ||
    options+=(-dict="tests/fuzz/dictionaries/$target.dict")
  if $keep; then
    local merged
    merged=$(mktemp -d)
    "$build/tests/fuzz/fuzz-$target" -set_cover_merge=1 -use_counters=0 "${options[@]}" "$merged" \
      "tests/fuzz/seeds/$target" "tests/fuzz/found/$target" "$corpus" >"$log" 2>&1 || return 1
    # What the seeds are is there already.
    local input
    for input in tests/fuzz/seeds/"$target"/*; do
      rm -f "$merged/$(sha1sum "$input" | cut -d' ' -f1)"
    done
    find "tests/fuzz/found/$target" -type f -name '????????????????????????????????????????' -delete
    find "$merged" -type f -exec cp -t "tests/fuzz/found/$target" {} +
    rm -r "$merged"
    printf '%-15s %s inputs, %s KB kept\n' "$target" "$(ls "tests/fuzz/found/$target" | wc -l)" \
      "$(cat "tests/fuzz/found/$target"/* 2>/dev/null | wc -c | awk '{print int($1/1024)}')"
    return
  fi
  local status=0
  ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=$leaks "$build/tests/fuzz/fuzz-$target" "${options[@]}" -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="$build/crashes/$target-" "$corpus" \
    "tests/fuzz/seeds/$target" "tests/fuzz/found/$target" >"$log" 2>&1 || status=$?
  local line edges inputs runs
  line=$(grep -aE '^#[0-9]+.*cov: ' "$log" | tail -n 1)
  edges=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' <<<"$line")
  inputs=$(sed -n 's/.* corp: \([0-9]*\).*/\1/p' <<<"$line")
  runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
  # A target that ran nothing has shown nothing.
  [ "${runs:-0}" -gt 0 ] && [ "${edges:-0}" -gt 0 ] || status=1
  printf '%-4s %-15s %9s executions, %5s edges, %5s inputs, %s s\n' \
    "$([ $status = 0 ] && echo ok || echo FAIL)" "$target" "${runs:-?}" "${edges:-?}" "${inputs:-?}" "$seconds"
  [ $status = 0 ] || { tail -n 30 "$log" >&2; return 1; }
}

failed=0 running=0
rm -f "$build/results.json"
note() { if wait -n; then result=OK; else result=FAIL; failed=1; fi
  printf '{"result": "%s"}\n' $result >>"$build/results.json"; running=$((running - 1)); }
for target in "${targets[@]}"; do
  [ $running -lt "$jobs" ] || note
  fuzz "$target" &
  running=$((running + 1))
done
while [ $running -gt 0 ]; do note; done
exit $failed
