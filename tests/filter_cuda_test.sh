#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# filter_cuda_test.sh FFMPEG FOLDER: an ffmpeg's CUDA frames on the emulated
# device, whose libcuda.so.1 lies in the folder.
set -uo pipefail
export LC_ALL=C

ffmpeg=${1:?usage: filter_cuda_test.sh FFMPEG FOLDER} folder=${2:?}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

pass() { echo "ok - $1"; }
skip() { echo "skip - $1: $2"; }
fail() { # name, why
    echo "not ok - $1${2:+: $2}"
    grep -i 'cuda\|emulated\|error' "$tmp/log" | head -n 4 | sed 's/^/#   /'
    failed=$((failed + 1))
}

# Runs a chain of lavfi filters with a CUDA device called cu, hardware frames
# among them; raw frames to $tmp/raw, the log to $tmp/log, the device's account
# to $tmp/report.
chain() { # filters [output options]
    local filters=$1
    shift
    rm -f "$tmp/raw" "$tmp/report"
    LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} MDRN_EMULATED_REPORT=$tmp/report \
        "$ffmpeg" -hide_banner -nostdin -v info -init_hw_device cuda=cu -filter_hw_device cu \
        -f lavfi -i testsrc2=s=66x50:d=0.2 -vf "$filters" "$@" -f rawvideo -y "$tmp/raw" \
        2>"$tmp/log"
}

# Everything was given back, and nothing was wrong that no error code told.
clean() { # name [what ffmpeg itself may leave]
    local left
    left=$(grep -E '^(bytes|contexts|streams|events|graphs) [1-9]|^fault' "$tmp/report" |
        grep -vE "^(${2-}) ") || return 0
    fail "$1" "$left"
    return 1
}

test_frames_come_back() {
    local format name
    for format in nv12 yuv420p p010 yuv444p; do
        name="upload and download, $format"
        "$ffmpeg" -v error -nostdin -f lavfi -i testsrc2=s=66x50:d=0.2 -vf "format=$format" \
            -f rawvideo -y "$tmp/expected"
        if ! chain "format=$format,hwupload,hwdownload,format=$format"; then
            fail "$name"
        elif ! cmp -s "$tmp/expected" "$tmp/raw"; then
            fail "$name" 'other pixels than without'
        elif clean "$name"; then
            pass "$name"
        fi
    done
}

# No allocation may be missed: each in turn fails, and so does ffmpeg, orderly.
test_out_of_memory() {
    local nth=1 last status
    last=$(sed -n 's/^allocations //p' "$tmp/report")
    if ((!last)); then
        fail 'out of memory' 'nothing was allocated'
        return
    fi
    for ((; nth <= last; nth++)); do
        MDRN_EMULATED_FAIL_ALLOCATION=$nth chain 'format=nv12,hwupload,hwdownload,format=nv12'
        status=$?
        if ((!status || status >= 128)); then
            fail "allocation $nth fails" "status $status"
        elif clean "allocation $nth fails" contexts; then # of the device that it made
            pass "allocation $nth fails"
        fi
    done
}

test_no_device() {
    if MDRN_EMULATED_DEVICES=0 chain null || ! grep -qi 'no CUDA-capable device' "$tmp/log"; then
        fail 'no device'
    else
        pass 'no device'
    fi
}

if [[ ! -e $folder/libcuda.so.1 ]]; then
    skip 'CUDA frames' "no emulated device (Debian: libboost-context-dev)"
elif ! "$ffmpeg" -hide_banner -v error -init_hw_device list 2>&1 | grep -qx cuda; then
    skip 'CUDA frames' 'this ffmpeg has no CUDA'
else
    test_frames_come_back
    test_out_of_memory
    test_no_device
fi
((!failed))
