#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# No kernel uses a stack or spills registers, on any architecture: cuobjdump's report.
#
# cuda_resources.sh [LIBRARY]   libmdrn_cuda.so; without it the test is skipped (status 77)
set -euo pipefail
library=${1-}
cuobjdump=$(command -v cuobjdump || echo /usr/local/cuda/bin/cuobjdump)
if [[ -z $library ]]; then
    echo "skip - this build has no libmdrn_cuda.so (no nvcc or no cudnn.h)"
    exit 77
fi
if [[ ! -x $cuobjdump ]]; then
    echo "skip - no cuobjdump (of the toolkit, or PyPI: nvidia-cuda-cuobjdump)"
    exit 77
fi

"$cuobjdump" -res-usage "$library" | awk '
    /^Fatbin elf code/ { elf = 1 }
    /^arch = / { arch = $3 }
    $1 == "Function" { name = $2; sub(/:$/, "", name) }
    /REG:/ {
        kernels++
        seen[arch]++
        for (i = 1; i <= NF; i++) {
            split($i, part, ":")
            value[part[1]] = part[2]
        }
        if (value["STACK"] + 0 || value["LOCAL"] + 0) {
            printf "not ok - %s, %s: %s\n", arch, name, $0
            bad++
        }
        if (value["REG"] + 0 > most) { most = value["REG"] + 0; which = name " on " arch }
    }
    END {
        for (arch in seen) if (seen[arch] != seen["sm_75"]) {
            printf "not ok - %s has %d kernels, sm_75 %d\n", arch, seen[arch], seen["sm_75"]
            bad++
        }
        if (!kernels) { print "not ok - no kernels found"; bad++ }
        if (!bad) printf "ok - %d kernels without stack or spills; at most %d registers (%s)\n", kernels, most, which
        exit bad > 0
    }'

# The fused distillation's matrix instructions in its code on sm_75, where all are m16n8k8, against
# what its products need: C to C, C to D and, for each of a warp's rows, C to D, twice D to C (d_k,
# d_4) and C to dispersed; outputs in pairs of tiles of 8, but those of the last two all at once.
if ! "$cuobjdump" -sass -arch sm_75 "$library" >/dev/null 2>&1; then
    echo "skip - no nvdisasm (of the toolkit, or PyPI: nvidia-cuda-nvdisasm)"
    exit 0
fi
"$cuobjdump" -sass -arch sm_75 "$library" | awk '
    function tiles(channels) { return int((channels + 7) / 8) }
    function least(a, b) { return a < b ? a : b }
    function needed(c, rows,    d, all) {
        d = c / 2
        all = tiles(c)
        return all * least(all, 2) + all * least(tiles(d), 2) + rows * (all * 2 + 2 * (2 * all) + all * tiles(c / 4))
    }
    /Function : / {
        name = ""
        if (match($0, /fused_distillILi[0-9]+ELi[0-9]+E/)) {
            split(substr($0, RSTART, RLENGTH), part, /ILi|ELi|E/)
            name = part[2] " channels, " part[3] " rows a warp"
            want[name] = needed(part[2], part[3])
            found[name] = 0
        }
    }
    name != "" && /HMMA\.1688/ { found[name]++ }
    END {
        for (name in want) {
            verdict = found[name] == want[name] ? "ok" : "not ok"
            bad += found[name] != want[name]
            printf "%s - fused_distill, %s: HMMA: %d, needed %d\n", verdict, name, found[name], want[name]
        }
        exit bad > 0
    }'
