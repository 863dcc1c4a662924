#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What a frame should take on a GPU, reckoned from the list of launches that the
# CUDA backend gives: a model, not a measurement. No GPU is needed.
#
# cuda-model.sh [--model NAME|FILE] [--scale N] [--size WxH] [--precision fp16|fp32] [--path cudnn|fused]
#
# Its last lines are "passes per block: N", how often a map of C channels is read
# or written in one block of the network, and before it what blocks of threads
# read again around their own pixels, mostly from a cache.
#
# MDRN_BUILD is the build folder (build/release) with mdrn-cuda-launches, from
# tests/, and libmdrn_cuda.so, from whose cuobjdump report the registers are.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${MDRN_BUILD:-$root/build/release}
usage() { sed -n '3,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
fail() { echo "cuda-model.sh: $1" >&2; exit 1; }

model=mdrn scale=2 size=1920x1080 precision=fp16 path=cudnn
while (($#)); do
    case $1 in
    --model) model=${2:?--model needs a name or a file}; shift ;;
    --scale) scale=${2:?--scale needs a number}; shift ;;
    --size) size=${2:?--size needs WxH}; shift ;;
    --precision) precision=${2:?--precision needs fp16 or fp32}; shift ;;
    --path) path=${2:?--path needs cudnn or fused}; shift ;;
    *) usage ;;
    esac
    shift
done
[[ $precision == fp16 || $precision == fp32 ]] || usage
[[ $path == cudnn || $path == fused && $precision == fp16 ]] || usage

launches=$build/bin/mdrn-cuda-launches
[[ -x $launches ]] ||
    fail "there is no $launches: cmake --build --preset release --target mdrn-cuda-launches (needs Boost.Context and cudnn.h)"

# Peaks without sparsity; tensor: TFLOP/s of fp16 summed in fp32. From NVIDIA's "H100 Tensor Core
# GPU Architecture" and H200 data sheet (both SXM), "Ada GPU Architecture" (appendix A) and "Ampere
# GA102 GPU Architecture" (its rates for each multiprocessor, at the RTX 3060's clock); limits of a
# multiprocessor from the CUDA Programming Guide, "Technical Specifications per Compute Capability".
#   GPU, capability, multiprocessors, GHz, tensor, GB/s; a multiprocessor's threads, blocks, KiB
gpus='gpu|H100|90|132|1.98|989.4|3350|2048|32|228
gpu|H200|90|132|1.98|989.4|4800|2048|32|228
gpu|RTX 4090|89|128|2.52|165.2|1008|1536|24|100
gpu|RTX 3060|86|28|1.777|25.5|360|1536|16|100'

library=$build/lib/libmdrn_cuda.so
cuobjdump=$(command -v cuobjdump || echo /usr/local/cuda/bin/cuobjdump)
registers() { # capability, kernel's mangled name and registers; nothing where there is no report
    [[ -e $library && -x $cuobjdump ]] || return 0
    "$cuobjdump" -res-usage "$library" | awk '
        /^arch = / { arch = substr($3, 4) }
        $1 == "Function" { name = $2 }
        match($0, /REG:[0-9]+/) { print "registers|" arch "|" name "|" substr($0, RSTART + 4, RLENGTH - 4) }'
}

# Tiles are those of the shared memory that an H100 has.
list=$(MDRN_EMULATED_CAPABILITY=90 "$launches" --model "$model" --scale "$scale" --size "$size" --precision "$precision" --path "$path")

printf '%s x%s from %s, %s, %s path, NV12 frames in CUDA memory.\n' "$model" "$scale" "$size" "$precision" "$path"
cat <<'END'
This is a model, not a measurement: for each launch the largest of bytes / bandwidth, padded matrix
work / the tensor cores' peak, and other instructions / the plain cores' peak, and 3 us more. Caches,
latencies, clocks that sink and what cuDNN really does are not in it.

END
awk -F '|' -v precision="$precision" '
    # Blocks of this many threads that a multiprocessor takes at once, of its warps in percent.
    function occupancy(g, registers, threads, shared,    warps, blocks, most) {
        warps = int((threads + 31) / 32)
        blocks = int(gpu[g, "threads"] / (warps * 32))
        most = int(65536 / (int((registers * 32 + 255) / 256) * 256 * warps))
        if (most < blocks) blocks = most
        most = int(gpu[g, "KiB"] * 1024 / (int((shared + 1024 + 127) / 128) * 128))
        if (most < blocks) blocks = most
        if (gpu[g, "blocks"] < blocks) blocks = gpu[g, "blocks"]
        return 100 * blocks * warps * 32 / gpu[g, "threads"]
    }
    # Of a kernel on a capability: its name with its length is in the mangled one, before its type
    # or channels. Of several that may run, the most.
    function registers_of(kernel, arch,    type, key, part, most) {
        type = precision == "fp16" ? "I6__halfE" : "IfE"
        most = ""
        for (key in registers) {
            split(key, part, SUBSEP)
            if (part[1] == arch && (index(part[2], length(kernel) kernel type) ||
                index(part[2], length(kernel) kernel "ILi" channels "E") ||
                index(part[2], length(kernel) kernel "E")) && registers[key] > most) most = registers[key]
        }
        return most
    }
    function larger(a, b) { return a > b ? a : b }
    function of_memory(g, name) { return 1e3 * (read[name] + written[name]) / (gpu[g, "GB/s"] * 1e9) }
    function of_tensor(g, name) { return 1e3 * 2 * matrix[name] / (gpu[g, "tensor"] * 1e12) }
    function of_plain(g, name) {
        return 1e3 * (instructions[name] + work[name]) / (gpu[g, "SMs"] * 128 * gpu[g, "GHz"] * 1e9)
    }
    function milliseconds(g, name) {
        return 3e-3 * launches[name] + larger(of_memory(g, name), larger(of_tensor(g, name), of_plain(g, name)))
    }
    # What bounds it: memory, tensor cores, plain cores or its start.
    function bound(g, name,    most) {
        most = milliseconds(g, name) - 3e-3 * launches[name]
        if (most < 3e-3 * launches[name]) return "start"
        return most == of_memory(g, name) ? "memory" : most == of_tensor(g, name) ? "tensor" : "plain"
    }

    $1 == "gpu" {
        gpus++
        gpu[gpus, "name"] = $2; gpu[gpus, "arch"] = $3; gpu[gpus, "SMs"] = $4; gpu[gpus, "GHz"] = $5
        gpu[gpus, "tensor"] = $6; gpu[gpus, "GB/s"] = $7
        gpu[gpus, "threads"] = $8; gpu[gpus, "blocks"] = $9; gpu[gpus, "KiB"] = $10
    }
    $1 == "registers" { registers[$2, $3] = $4 }
    $1 == "map" { map = $2; channels = $3 }
    $1 == "launch" {
        name = $3
        if (!launches[name]++) {
            order[++kernels] = name
            grid[name] = $4 "x" $5 "x" $6
            threads[name] = $7
            shared[name] = $8
        }
        by_tensor = name ~ /^convolution/ && precision == "fp16"
        read[name] += $9; written[name] += $10; instructions[name] += $12
        work[name] += by_tensor ? 0 : $11
        matrix[name] += by_tensor ? $11 : $13
        if ($2 == "block") { passes += ($9 + $10) / map / 6; again += $14 / map / 6 }
    }
    END {
        head = "| kernel | launches | read, MB | written, MB | multiply-adds, M | by tensor cores, M | other instructions, M |"
        head = head " grid | threads | registers | occupancy, % |"
        rule = "|---|---|---|---|---|---|---|---|---|---|---|"
        for (g = 1; g <= gpus; g++) { head = head " " gpu[g, "name"] ", ms | bound |"; rule = rule "---|---|" }
        print head; print rule
        for (k = 1; k <= kernels; k++) {
            name = order[k]
            report = ""; busy = ""
            for (g = 1; g <= gpus; g++) {
                if (gpu[g, "arch"] == gpu[g - 1, "arch"]) continue
                here = registers_of(name, gpu[g, "arch"])
                if (here == "") continue
                report = report (report == "" ? "" : "/") here
                busy = busy (busy == "" ? "" : "/") sprintf("%.0f", occupancy(g, here, threads[name], shared[name]))
            }
            cudnn = name ~ /^convolution/
            printf "| %s | %d | %.1f | %.1f | %.0f | %.0f | %.0f | %s | %s | %s | %s |", name, launches[name],
                read[name] / 1e6, written[name] / 1e6, work[name] / 1e6, matrix[name] / 1e6, instructions[name] / 1e6,
                cudnn ? "-" : grid[name], cudnn ? "-" : threads[name],
                report == "" ? "-" : report, busy == "" ? "-" : busy
            for (g = 1; g <= gpus; g++) {
                time = milliseconds(g, name)
                total[g] += time
                printf " %.3f | %s |", time, bound(g, name)
            }
            print ""
            all_launches += launches[name]
            all_read += read[name]; all_written += written[name]
            all_work += work[name]; all_matrix += matrix[name]; all_instructions += instructions[name]
        }
        printf "| all | %d | %.1f | %.1f | %.0f | %.0f | %.0f | | | | |", all_launches, all_read / 1e6,
            all_written / 1e6, all_work / 1e6, all_matrix / 1e6, all_instructions / 1e6
        for (g = 1; g <= gpus; g++) printf " %.2f | |", total[g]
        printf "\n| frames a second | | | | | | | | | | |"
        for (g = 1; g <= gpus; g++) printf " %.0f | |", 1000 / total[g]
        print "\n\nRegisters and occupancy: for compute capability 9.0/8.9/8.6; where there is no report, and for"
        print "cuDNN\047s kernels, \"-\". Multiply-adds include padding (of convolutions in fp16 to tiles of 16) and halo.\n"
        printf "halos read again per block: %.2f\n", again
        printf "passes per block: %.2f\n", passes
    }' < <(printf '%s\n' "$gpus"; registers; tr '\t' '|' <<<"$list")
