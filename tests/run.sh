#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs, builds and tests everything that this machine can; the last line is
# "N passed, N failed, N skipped", and the exit status follows it.
#
# run.sh [--all] [--fuzz SECONDS]
#
#   --all   what CI runs, an hour of it: also FFmpeg 7.1, 8.1 and 9.0, which take
#           minutes each to build, how FFmpeg is built and sent upstream, Debian
#           packages, aarch64 under qemu, Windows under wine, tests that are slow,
#           mdrn-train with a PyTorch wheel, sanitizers and fuzzers
#   --fuzz  seconds for each fuzzer, 60 unless given
#
# MDRN_REFERENCE_DIR is a folder with published weights and goldens; the tests
# that need it are skipped without.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
all=0 fuzz=60
while (($#)); do
    case $1 in
    --all) all=1 ;;
    --fuzz) fuzz=${2:?--fuzz needs seconds}; shift ;;
    *) sed -n '3,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
    shift
done
export MDRN_REFERENCE_DIR=${MDRN_REFERENCE_DIR-}
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 # what another checkout compiled serves here too
logs=$root/build/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0

tier() { started=$SECONDS; printf '== %s\n' "$1"; }
count() { # passed failed skipped
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    printf '   %d passed, %d failed, %d skipped, %d s\n' "$1" "$2" "$3" $((SECONDS - started))
}
finish() {
    printf '\n%d s in all\n%d passed, %d failed, %d skipped\n' "$SECONDS" "$passed" "$failed" "$skipped"
    exit $((failed > 0))
}
fail() { printf 'not ok - %s\n' "$1"; count 0 1 0; }
skip() { printf 'skip - %s\n' "$1"; count 0 0 1; }
logged() { # log, command...: shows the log's last line each minute
    local ticker status=0
    : >"$logs/$1"
    while sleep 60 >&- 2>&-; do
        printf '   %d s: %s\n' $((SECONDS - started)) "$(tail -n 1 "$logs/$1" | cut -c 1-100)"
    done &
    ticker=$!
    "${@:2}" >"$logs/$1" 2>&1 || status=$?
    kill "$ticker"
    wait "$ticker" 2>/dev/null || :
    return "$status"
}
quietly() { # log, command...: shows the end of the log where the command fails
    logged "$@" || { tail -n 40 "$logs/$1"; return 1; }
}

build() { # preset [cmake options]
    quietly "build-$1.log" cmake --preset "$1" "-DMDRN_REFERENCE_DIR=$MDRN_REFERENCE_DIR" "${@:2}" &&
        quietly "build-$1.log" cmake --build --preset "$1"
}

run_ctest() { # preset [ctest options]
    local log=$logs/ctest-$1.log junit=$logs/ctest-$1.xml status=0
    rm -f "$junit"
    logged "ctest-$1.log" ctest --test-dir "build/$1" -j"$(nproc)" --output-on-failure \
        --output-junit "$junit" "${@:2}" || status=$?
    # A crash of LeakSanitizer itself is no finding: what it hit is run once more.
    local again=0
    if ((status)) && grep -q 'LeakSanitizer has encountered a fatal error' "$log"; then
        ! logged "ctest-$1-again.log" ctest --test-dir "build/$1" --rerun-failed --output-on-failure || again=1
    fi
    grep -E 'Skipped|\*\*\*|^ERROR|^SUMMARY|runtime error' "$log" | head -n 60 || :
    ((!status)) || grep -vE '^ *[0-9]+/[0-9]+ Test .*Passed|^ *Start ' "$log" | tail -n 60
    local tests failures disabled skips
    read -r tests failures disabled skips < <(sed -n '/<testsuite /,/>/p' "$junit" 2>/dev/null |
        tr -s '[:space:]' ' ' | sed -E 's/.* tests="([0-9]+)".* failures="([0-9]+)".* disabled="([0-9]+)".* skipped="([0-9]+)".*/\1 \2 \3 \4\n/') || :
    if [[ ! ${tests-} =~ ^[1-9][0-9]*$ ]]; then
        fail "$1: no test was run; $log"
        return
    fi
    ((!status || failures)) || failures=1
    ((!again)) || failures=0
    count $((tests - failures - disabled - skips)) "$failures" $((disabled + skips))
}

# --- what is always run -----------------------------------------------------

tier 'install what is missing'
if ((all)); then scripts/install.sh --all; else scripts/install.sh --tests; fi
printf '   %d s\n' $((SECONDS - started))

tier 'unit tests'
fast=(-LE slow)
((!all)) || fast=()
if build release; then run_ctest release ${fast[@]+"${fast[@]}"}; else fail 'the release build'; fi

run_lines() { # log, command...: a test that prints "ok - ", "not ok - " and "skip - "
    local log=$logs/$1 status=0 ok bad gone
    logged "$1" "${@:2}" || status=$?
    grep -vE '^ok - ' "$log" || :
    ok=$(grep -c '^ok - ' "$log" || :) bad=$(grep -c '^not ok - ' "$log" || :)
    gone=$(grep -c '^skip - ' "$log" || :)
    ((!status || bad)) || bad=1 # it ended before its time
    ((ok + bad + gone)) || bad=1
    count "$ok" "$bad" "$gone"
}

build_ffmpeg() { # build-ffmpeg.sh's arguments; sets built
    built=$(patches/build-ffmpeg.sh "$@" | tail -n 1) && [[ -n $built ]] && return
    fail "patches/build-ffmpeg.sh $*"
    return 1
}
test_filter() { # version
    tier "filter, FFmpeg ${1#--}"
    build_ffmpeg "$1" || return 0
    run_lines "filter-${1#--}.log" tests/filter_test.sh "$built"
    run_lines "filter-cuda-${1#--}.log" tests/filter_cuda_test.sh "$built" build/release/lib/emulated
}
test_filter_api() { # version
    tier "filter through libavfilter, FFmpeg $1"
    ! build_ffmpeg "$1" --libraries || run_lines "filter-api-$1.log" tests/filter_api_test.sh "$built"
}
test_fate() { # version
    tier "FFmpeg's own tests of the filter, FFmpeg $1"
    run_lines "fate-$1.log" tests/fate.sh "$1"
}

test_filter --system
tier 'samples, and the commands in the documents'
if build_ffmpeg --system; then
    run_lines documents.log tests/documents_test.sh "$built" build/release/lib/emulated
    run_lines cluster.log tests/cluster_test.sh "$built"
    run_lines signals.log tests/signals_test.sh "$built"
fi
test_filter_api 5.1
test_fate 5.1
if ((!all)); then
    tier 'what is left'
    skip 'FFmpeg 7.1, 8.1 and 9.0, packages, other systems, a PyTorch wheel, slow tests, sanitizers and fuzzers: with --all'
    finish
fi
for version in 7.1 8.1 9.0; do
    test_filter_api "$version"
    test_fate "$version"
    test_filter "$version"
done
tier 'soak'
! build_ffmpeg 9.0 --libraries || run_lines soak.log tests/filter_api_test.sh "$built" --soak
tier 'building FFmpeg'
run_lines build.log tests/build_test.sh
tier 'Debian packages'
if quietly packages-build.log cmake --workflow --preset package; then
    run_lines packages.log tests/packages_test.sh build/package/packages
else
    fail 'cmake --workflow --preset package'
fi
tier 'the patch for upstream'
run_lines upstream.log tests/upstream_test.sh

tier "mdrn-train with a PyTorch wheel"
pythons=(python3 "${MDRN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mdrn}/torch-venv/bin/python")
[[ -z ${MDRN_TORCH_VENV-} ]] || pythons=("$MDRN_TORCH_VENV/bin/python")
for python in "${pythons[@]}"; do
    torch=$("$python" -c '
import torch
assert torch.__version__[0] > "1"  # Debian has 1.13
print(torch.utils.cmake_prefix_path)' 2>/dev/null) && break
done || :
if [[ -z $torch ]]; then
    skip "no PyTorch: MDRN_TORCH_VENV can name a Python environment that has it (pip install torch)"
elif build wheel "-DTorch_DIR=$torch/Torch"; then
    run_ctest wheel -L '^fit$'
    run_lines torchrun.log tests/torchrun_test.sh build/wheel/bin/mdrn-train "$python"
else
    fail 'the build with a PyTorch wheel'
fi

# --- other systems ----------------------------------------------------------

cross() { # system, its compiler, what runs its programs, targets, ctest's options
    local program targets
    tier "$1"
    for program in "$2" "$3"; do
        command -v "$program" >/dev/null && continue
        skip "there is no $program (scripts/install.sh --all)"
        return
    done
    read -ra targets <<<"$4"
    if quietly "cross-$1.log" cross/libraries.sh "$1" &&
        quietly "build-$1.log" cmake --preset "$1" "-DMDRN_REFERENCE_DIR=$MDRN_REFERENCE_DIR" &&
        quietly "build-$1.log" cmake --build --preset "$1" --target "${targets[@]}"; then
        run_ctest "$1" "${@:5}"
    else
        fail "the build for $1"
    fi
}
# Every instruction is emulated: small pictures only.
cross aarch64 aarch64-linux-gnu-g++ qemu-aarch64-static 'mdrn checkops golden_test bits' \
    -R '^same_bits$|Golden.*(15x15|37x29_NEON)|CheckOps.*(15x15|17x64)'
# What needs minutes of arithmetic, and differs in nothing else from what is run here.
cross windows x86_64-w64-mingw32-g++-posix /usr/lib/wine/wine64 all \
    -E 'CheckOps.*(x3[13]|x16|x65|x203)|SameBits|Functions|Accumulated|EveryMatrix'

# --- sanitizers -------------------------------------------------------------
# Not the tests whose minutes of arithmetic run no code of their own.
slow='^exports$|Set5|Paper|Accumulated|Functions|401x203|203x90|130x47|127x65'
slow+='|CudaFused.*(17x64|65x15|31x33)|CudaNetwork.SameBits'

for sanitizer in asan ubsan tsan; do
    tier "$sanitizer"
    chosen=()
    [[ $sanitizer != tsan ]] || chosen=(-R 'Api|SameBits|Threads|Loader|Pieces') # what starts threads
    if build "$sanitizer"; then
        run_ctest "$sanitizer" -LE slow -E "$slow" --timeout 900 ${chosen[@]+"${chosen[@]}"}
    else
        fail "the $sanitizer build"
    fi
done

tier "fuzzing, $fuzz s each"
rm -f build/fuzz/bin/filter_fuzzer
if ! command -v clang++ >/dev/null; then
    skip 'no clang here (Debian: clang, libclang-rt-14-dev)'
elif ! echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char *, unsigned long) { return 0; }' |
    clang++ -x c++ -fsanitize=fuzzer,address -o /dev/null - 2>/dev/null; then
    skip 'this clang has no libFuzzer (Debian: libclang-rt-14-dev)'
elif ! build_ffmpeg 9.0 --libraries --sanitize fuzzer-no-link,address,undefined; then
    :
elif ! build fuzz "-DMDRN_FFMPEG=$built"; then
    fail 'the fuzz build'
else
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    ok=0 bad=0
    for fuzzer in build/fuzz/bin/*_fuzzer; do
        name=$(basename "$fuzzer" _fuzzer)
        mkdir -p "build/fuzz/corpus/$name"
        if (cd build/fuzz && quietly "fuzz-$name.log" "$root/$fuzzer" -max_total_time="$fuzz" -timeout=25 \
            -rss_limit_mb=3000 "corpus/$name" "$root/tests/fuzz/corpus/$name"); then
            ok=$((ok + 1))
        else
            bad=$((bad + 1))
        fi
    done
    count "$ok" "$bad" 0
fi

finish
