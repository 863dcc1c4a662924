#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Seconds a training step of mdrn-train's network and of a plain PyTorch loop of
# the same network on the same libtorch, patches and threads, in float32, taking
# turns; each one's best. The machine should be idle.
#
# train.sh [--threads N] [--rounds N] [--batch N] [--size N] [--build DIR]
#
# PyTorch is that of the environment $MDRN_TORCH_VENV, which is made where it
# lacks, in ~/.cache/mdrn unless set.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
threads=2 rounds=3 batch=8 size=48 build=build/wheel
while (($#)); do
    case $1 in
    --threads) threads=${2:?--threads needs a number}; shift ;;
    --rounds) rounds=${2:?--rounds needs a number}; shift ;;
    --batch) batch=${2:?--batch needs a number}; shift ;;
    --size) size=${2:?--size needs a number}; shift ;;
    --build) build=${2:?--build needs a folder}; shift ;;
    *) sed -n '3,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
    shift
done

venv=${MDRN_TORCH_VENV:-${MDRN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mdrn}/torch-venv}
python=$venv/bin/python
[[ -x $python ]] || python3 -m venv "$venv"
"$python" -c 'import torch' 2>/dev/null || "$venv/bin/pip" install --quiet torch numpy >&2
torch=$("$python" -c 'import torch; print(torch.utils.cmake_prefix_path)')
cmake -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DMDRN_BENCH=ON -DTorch_DIR="$torch/Torch" >/dev/null
cmake --build "$build" --target mdrn-train-bench >&2

best() { sed -n 's/.*best \([0-9.]*\) s.*/\1/p'; }
least() { sort -g | head -n 1; }
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
printf '%s, %d threads, PyTorch %s; %d patches of %dx%d, fp32; best of %d rounds of 4 steps\n\n' "${cpu:-$(uname -m)}" \
    "$threads" "$("$python" -c 'import torch; print(torch.__version__)')" "$batch" "$size" "$size" "$rounds"
ours=() theirs=()
for ((round = 0; round < rounds; round++)); do
    ours+=("$("$build/bin/mdrn-train-bench" --threads "$threads" --batch "$batch" --size "$size" | best)")
    theirs+=("$("$python" bench/peers/torch_step.py --threads "$threads" --batch "$batch" --size "$size" | best)")
done
our=$(printf '%s\n' "${ours[@]}" | least) their=$(printf '%s\n' "${theirs[@]}" | least)
printf '| network | mdrn-train, s | PyTorch, s | PyTorch / mdrn-train |\n|---|---|---|---|\n'
printf '| mdrn x2 | %s | %s | %s |\n' "$our" "$their" "$(awk -v a="$our" -v b="$their" 'BEGIN {printf "%.2f", b / a}')"
