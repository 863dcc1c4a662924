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
