#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Seconds a frame of mdrn and of ONNX Runtime on the same network, pictures and
# threads, taking turns; each one's best. The machine should be idle.
#
# run.sh [--threads N] [--rounds N]
#
# The peer's .onnx files are mdrn-train convert's. With MDRN_REFERENCE_DIR the
# published weights are used, and the peer is first compared with their goldens;
# without, the bundled ones.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
threads=2 rounds=3
while (($#)); do
    case $1 in
    --threads) threads=${2:?--threads needs a number}; shift ;;
    --rounds) rounds=${2:?--rounds needs a number}; shift ;;
    *) sed -n '3,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
    shift
done

scripts/install.sh --training
cmake --preset release -DMDRN_BENCH=ON >/dev/null
cmake --build --preset release --target mdrn-bench mdrn-train >&2

cache=${MDRN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mdrn}
venv=$cache/bench-venv
[[ -x $venv/bin/python ]] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import numpy, onnxruntime' 2>/dev/null ||
    "$venv/bin/pip" install --quiet numpy onnxruntime >&2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
best() { sed -n 's/.*best \([0-9.]*\) s.*/\1/p'; }
least() { sort -g | head -n 1; }
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
printf '%s, %d threads, ONNX Runtime %s; best of %d rounds of 3 frames\n\n' "${cpu:-$(uname -m)}" "$threads" \
    "$("$venv/bin/python" -c 'import onnxruntime; print(onnxruntime.__version__)')" "$rounds"
printf '| network | from | mdrn, s | ONNX Runtime, s | mdrn / ORT |\n|---|---|---|---|---|\n'
for work in 'mdrn 4 320x180' 'mdrn-s 4 320x180' 'mdrn 2 640x360'; do
    read -r model scale size <<<"$work"
    weights=$root/models/${model}_x$scale.safetensors golden=()
    reference=${MDRN_REFERENCE_DIR-}/reference
    if [[ -n ${MDRN_REFERENCE_DIR-} && -e $reference/weights/${model}_x$scale.official.safetensors ]]; then
        weights=$reference/weights/${model}_x$scale.official.safetensors
        golden=(--golden "$reference/golden/${model}_x${scale}_37x29.safetensors")
    fi
    build/release/bin/mdrn-train convert "$weights" "$scratch/peer.onnx" >&2
    ours=() theirs=()
    for ((round = 0; round < rounds; round++)); do
        ours+=("$(build/release/bin/mdrn-bench --model "$weights" --scale "$scale" --size "$size" \
            --threads "$threads" --frames 3 | best)")
        theirs+=("$("$venv/bin/python" bench/peers/onnx_peer.py "$scratch/peer.onnx" ${golden[@]+"${golden[@]}"} \
            --size "$size" --threads "$threads" --frames 3 | best)")
        golden=() # once is enough
    done
    our=$(printf '%s\n' "${ours[@]}" | least) their=$(printf '%s\n' "${theirs[@]}" | least)
    printf '| %s x%s | %s | %s | %s | %s |\n' "$model" "$scale" "$size" "$our" "$their" \
        "$(awk -v a="$our" -v b="$their" 'BEGIN {printf "%.2f", a / b}')"
done
