#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# mdrn-train fit in two processes under the torchrun of a PyTorch wheel.
#
# torchrun_test.sh MDRN-TRAIN PYTHON
set -uo pipefail
export LC_ALL=C OMP_NUM_THREADS=1
program=$(realpath "${1:?MDRN-TRAIN}") python=${2:?PYTHON}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/tests/tap.sh"

mkdir "$tmp/pictures"
for i in 1 2 3; do
    ffmpeg -loglevel error -f lavfi -i "testsrc2=s=96x80:r=1" -ss "$i" -frames:v 1 "$tmp/pictures/$i.png"
done
cat >"$tmp/recipe.yml" <<END
scale: 2
network_g.type: MDRN-S
device: cpu
threads: 1
num_worker_per_gpu: 1
gt_size: 32
optim_g.lr: 1e-3
print_freq: 1
total_iter: 6
dataroot_gt: $tmp/pictures
END
fit=("$program" fit "$tmp/recipe.yml")
torchrun=("$python" -m torch.distributed.run --standalone --no-python --nproc-per-node 2)
# That $tmp/$2's weights are a hundred times nearer to $tmp/$1's than those of $tmp/$3, which learnt
# from other pictures: rounding alone is between the first two.
nearer() {
    "$python" - "$tmp"/{"$1","$2","$3"}/mdrn-s_x2_raw.safetensors <<'END'
import json, struct, sys, torch

def weights(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        file.seek(8 + length)
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32).double()

one, two, other = map(weights, sys.argv[1:])
rounding, difference = (one - two).norm().item(), (one - other).norm().item()
print(f"{rounding:.3g} apart, another run {difference:.3g}")
sys.exit(not 0 <= 100 * rounding < difference)
END
}
# One of two workers is killed: torchrun and the other one must end, with an error.
killed() {
    local agent worker status=0
    "${torchrun[@]}" "${fit[@]}" "out=$tmp/killed" batch_size_per_gpu=1 total_iter=1000000 &
    agent=$!
    for ((i = 0; i < 600; i++)); do
        [[ ! -s $tmp/killed/log.jsonl ]] || break
        sleep 0.1
    done
    [[ -s $tmp/killed/log.jsonl ]] || { kill "$agent"; echo 'no step was done'; return 1; }
    for worker in $(pgrep -P "$agent"); do
        ! tr '\0' '\n' <"/proc/$worker/environ" | grep -qx RANK=1 || kill -9 "$worker"
    done
    (sleep 60; kill -9 "$agent") &
    local watch=$!
    wait "$agent" || status=$?
    kill "$watch" 2>/dev/null || { echo 'torchrun did not end'; return 1; }
    ((status)) || { echo 'torchrun told no error'; return 1; }
    ! pgrep -f "out=$tmp/killed" || { echo 'a worker is left'; return 1; }
}

check 'one process, four pictures a step' "${fit[@]}" "out=$tmp/one" batch_size_per_gpu=4
check 'one process, two pictures a step' "${fit[@]}" "out=$tmp/other" batch_size_per_gpu=2
check 'two processes under torchrun, two pictures each' \
    "${torchrun[@]}" "${fit[@]}" "out=$tmp/two" batch_size_per_gpu=2
check 'two processes give the weights of one with as many pictures' nearer one two other
check 'a worker that is killed ends the run with an error' killed
exit "$failed"
