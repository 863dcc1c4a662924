#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# For a machine with a GPU: builds mdrn with CUDA, runs the CUDA backend's tests
# on the device, some of them under compute-sanitizer too, times the network, and
# writes bench/results/DEVICE.md. Without a GPU it says so (status 77).
#
# gpu.sh [--gpu N] [--frames N]
#
#   --gpu     index of the device, 0 unless given
#   --frames  batches of eight frames for each timing, 20 unless given
#
# MDRN_REFERENCE_DIR is a folder with published weights and goldens; the tests
# that need it are skipped without.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
gpu=0 frames=20
usage() { sed -n '3,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
while (($#)); do
    case $1 in
    --gpu) gpu=${2-}; shift ;;
    --frames) frames=${2-}; shift ;;
    *) usage ;;
    esac
    [[ ${1-} =~ ^[0-9]+$ ]] || usage
    shift
done

query() { nvidia-smi -i "$gpu" --query-gpu="$1" --format=csv,noheader; }
if ! command -v nvidia-smi >/dev/null; then
    echo 'skip - no GPU: there is no nvidia-smi, which comes with the NVIDIA driver'
    exit 77
fi
if ! device=$(query name 2>&1) || [[ -z $device ]]; then
    echo "skip - no GPU $gpu: nvidia-smi says: ${device:-nothing}"
    exit 77
fi
# Index $gpu in the order that nvidia-smi has; programs then see one device.
export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=$gpu MDRN_SEED=1
export MDRN_REFERENCE_DIR=${MDRN_REFERENCE_DIR-}

logs=build/test-logs
mkdir -p "$logs"
bin=build/release/bin
report=() failed=0
say() { # a line that the report gets too
    echo "$1"
    report+=("$1")
}
counts() { # log of a GoogleTest program: what it says of itself
    awk '/^\[  PASSED  \]/ { passed = $4 } /^\[  SKIPPED \].*listed/ { skipped = $4 }
         END { printf "%d passed, %d skipped", passed, skipped }' "$1"
}
run() { # name, command...
    local log=$logs/gpu-${1//[^a-z0-9_]/-}.log started=$SECONDS
    if "${@:2}" >"$log" 2>&1; then
        say "ok - $1: $(counts "$log"), $((SECONDS - started)) s"
    else
        say "not ok - $1: $log"
        tail -n 20 "$log" | sed 's/^/#   /'
        failed=1
    fi
}

# --- build ------------------------------------------------------------------

tests=(convolution_test cuda_distill_test cuda_path_test cuda_picture_test cuda_test guest_test cuda_set5_test)
scripts/install.sh --tests
echo 'building'
if ! cmake --preset release -DMDRN_BENCH=ON "-DMDRN_REFERENCE_DIR=$MDRN_REFERENCE_DIR" >"$logs/gpu-build.log" 2>&1 ||
    ! cmake --build --preset release --target mdrn mdrn_cuda mdrn-bench "${tests[@]/%/_gpu}" >>"$logs/gpu-build.log" 2>&1; then
    grep -E '^-- CUDA: left out|rror' "$logs/gpu-build.log" || tail -n 20 "$logs/gpu-build.log"
    echo "not ok - build: $logs/gpu-build.log"
    exit 1
fi

# --- tests ------------------------------------------------------------------

for test in "${tests[@]}"; do
    run "$test" "$bin/${test}_gpu"
done

# The plain kernel, all stages of both models in both precisions, the network, every layout.
sanitized=("convolution_test_gpu --gtest_filter=*ThePlainKernel*:*Bands*"
    "cuda_test_gpu --gtest_filter=*CudaStages*/0:*CudaStages*/9:*CudaStages*/16:*CudaStages*/19:*CudaStages*/26:*CudaFused*/0:*CudaFused*/5:*CudaNetwork*"
    "cuda_picture_test_gpu --gtest_filter=*OfEveryLayout*x2_38x22"
    "guest_test_gpu --gtest_filter=-*Failures*")
sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
for tool in memcheck racecheck initcheck synccheck; do
    for test in "${sanitized[@]}"; do
        read -r program filter <<<"$test"
        if [[ -x $sanitizer ]]; then
            run "$tool ${program%_gpu}" "$sanitizer" --tool "$tool" --error-exitcode 1 "$bin/$program" "$filter"
        else
            say "skip - $tool ${program%_gpu}: no compute-sanitizer (of the toolkit, or PyPI: nvidia-cuda-sanitizer-api)"
        fi
    done
done

# --- times ------------------------------------------------------------------

times=()
measure() { # model, scale, size, precision, images
    local command line best median
    command="$bin/mdrn-bench --device cuda --model $1 --scale $2 --size $3 --precision $4 --images $5 --frames $frames"
    if ! line=$($command 2>&1); then
        say "not ok - $command: $line"
        failed=1
        return
    fi
    read -r _ best _ _ median _ <<<"$line"
    times+=("$(awk -v work="$1 x$2 | $3 | $4 | $5" -v best="$best" -v median="$median" \
        'BEGIN { printf "| %s | %.2f | %.2f | %.0f |", work, 1e3 * best, 1e3 * median, 1 / median }')")
    echo "${times[-1]}"
}
for precision in fp16 fp32; do
    for work in 'mdrn 2 1920x1080' 'mdrn 4 960x540' 'mdrn-s 4 960x540'; do
        read -r model scale size <<<"$work"
        measure "$model" "$scale" "$size" "$precision" cuda
    done
done
measure mdrn 2 1920x1080 fp16 host

# --- report -----------------------------------------------------------------

if ((!${#times[@]})); then
    echo 'not ok - report: nothing was timed, so none is written'
    exit 1
fi
results=bench/results/$(tr -cs 'a-z0-9\n' '-' <<<"${device,,}").md
cudnn=$(sed -n 's/^CUDNN_INCLUDE_DIR:PATH=//p' build/release/CMakeCache.txt)
cudnn=$(awk '/^#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) / { printf "%s%s", dot, $3; dot = "." }' "$cudnn/cudnn_version.h")
nvcc=$("$(sed -n 's/^CMAKE_CUDA_COMPILER:[A-Z]*=//p' build/release/CMakeCache.txt)" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')
{
    cat <<END
# $device

Measured on $(date -u +%Y-%m-%d) by \`tests/gpu.sh\`, at commit $(git describe --always --dirty).

- driver $(query driver_version), nvcc $nvcc, built against cuDNN $cudnn
- multiprocessors up to $(query clocks.max.sm), memory up to $(query clocks.max.mem), power limit $(query power.limit)
- $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) threads

## Times

\`$bin/mdrn-bench --device cuda --model M --scale N --size WxH --precision P --images I --frames $frames\`: milliseconds a
frame, planar 32-bit RGB. In CUDA memory eight frames are enqueued, then waited for; in host memory one at a time.

| network | from | precision | images in | best, ms | median, ms | frames a second |
|---|---|---|---|---|---|---|
END
    printf '%s\n' "${times[@]}"
    printf '\n## Tests\n\n'
    printf -- '- %s\n' "${report[@]}"
} >"$results.new"
mv "$results.new" "$results"
echo "written: $results"
exit "$failed"
