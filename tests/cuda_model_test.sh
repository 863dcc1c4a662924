#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# bench/cuda-model.sh: its table, and that a block reads and writes maps of C
# channels no more than 40 times by cuDNN and 8.5 on the fused path.
#
# cuda_model_test.sh BUILD   the build folder
# shellcheck disable=SC2317  # check calls the functions
set -uo pipefail
export LC_ALL=C MDRN_BUILD=${1:?usage: cuda_model_test.sh BUILD}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
failed=0
check() { # name, command...
    if "${@:2}"; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        failed=1
    fi
}
few_passes() { # what the model printed, more than, at most
    tail -n 1 <<<"$1" | grep -E '^passes per block: [0-9.]+$' | awk -v over="$2" -v most="$3" '{ exit !($4 > over && $4 <= most) }'
}
# The time of every kernel is more than that of its bytes, and all of them make up the last.
times_add_up() {
    awk -F ' *[|] *' '
        /^\| [a-z]/ && $3 ~ /^[0-9]+$/ {
            bytes = ($4 + $5) / 3350
            if ($2 == "all") all = $13
            else sum += $13
            if ($13 + 0.02 < bytes + 3e-3 * $3) wrong = 1
        }
        END { exit wrong || !all || (all - sum) ^ 2 > 0.02 ^ 2 }' <<<"$1"
}
fails() { # status, text, command...
    local said status=0
    said=$("${@:3}" 2>&1) || status=$?
    [[ $status == "$1" && $said == *"$2"* ]]
}

for model in mdrn mdrn-s; do
    for precision in fp16 fp32; do
        printed=$("$root/bench/cuda-model.sh" --model "$model" --size 160x96 --precision "$precision")
        check "$model, $precision: at most 40 passes a block" few_passes "$printed" 30 40
        check "$model, $precision: the times add up" times_add_up "$printed"
        check "$model, $precision: said to be a model" grep -q 'a model, not a measurement' <<<"$printed"
    done
    printed=$("$root/bench/cuda-model.sh" --model "$model" --size 160x96 --path fused)
    check "$model, fused: at most 8.5 passes a block" few_passes "$printed" 7 8.5
    check "$model, fused: the times add up" times_add_up "$printed"
done
check 'the fused path is for fp16' fails 2 --path "$root/bench/cuda-model.sh" --path fused --precision fp32
check 'what is no size is refused' fails 2 --size "$root/bench/cuda-model.sh" --size 160
check 'what is no option is refused' fails 2 cuda-model.sh "$root/bench/cuda-model.sh" --sizes 160x96
check 'what is no model is refused' fails 1 'model "none"' "$root/bench/cuda-model.sh" --model none
exit "$failed"
