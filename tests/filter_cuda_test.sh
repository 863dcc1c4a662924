#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# filter_cuda_test.sh FFMPEG FOLDER: CUDA frames in an ffmpeg and its mdrn filter,
# on the emulated device, whose libcuda.so.1 and libmdrn_cuda.so lie in the folder.
set -uo pipefail
export LC_ALL=C

ffmpeg=${1:?usage: filter_cuda_test.sh FFMPEG FOLDER}
folder=$(realpath -m "${2:?}")
mdrn=mdrn=model=mdrn-s:precision=fp32
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

# Runs ffmpeg with a CUDA device called cu; raw frames to $tmp/raw, the log to
# $tmp/log, the device's account to $tmp/report.
run() { # ffmpeg's options
    rm -f "$tmp/raw" "$tmp/report"
    LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
        MDRN_CUDA_LIBRARY=${library-$folder/libmdrn_cuda.so} \
        MDRN_EMULATED_TWICE=0 MDRN_EMULATED_REPORT=$tmp/report \
        timeout 120 "$ffmpeg" -hide_banner -nostdin -v info -init_hw_device cuda=cu -filter_hw_device cu \
        "$@" -f rawvideo -y "$tmp/raw" 2>"$tmp/log"
}
chain() { # filters, which hardware frames may pass [output options]
    run -f lavfi -i "testsrc2=s=32x24:d=0.12" -lavfi "$@"
}
software() { # filters, without the device; raw frames to $tmp/expected
    "$ffmpeg" -v error -nostdin -f lavfi -i "testsrc2=s=32x24:d=0.12" -lavfi "$1" \
        -f rawvideo -y "$tmp/expected"
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
        software "format=$format"
        if ! chain "format=$format,hwupload,hwdownload,format=$format"; then
            fail "$name"
        elif ! cmp -s "$tmp/expected" "$tmp/raw"; then
            fail "$name" 'other pixels than without'
        elif clean "$name"; then
            pass "$name"
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

# The largest difference between two files of samples; unit: of a code value.
difference() { # pack's letter, unit
    # shellcheck disable=SC2016  # for perl
    perl -e '
        my ($letter, $unit, @names) = @ARGV;
        my ($a, $b) = map { open my $f, "<:raw", $_ or die; local $/; [unpack "$letter*", <$f>] } @names;
        die "sizes differ" if @$a != @$b or !@$a;
        my $most = 0;
        for (0 .. $#$a) { my $d = abs($a->[$_] - $b->[$_]) / $unit; $most = $d if $d > $most }
        print $most' "$1" "$2" "$tmp/expected" "$tmp/raw" 2>&1
}

# Every format that libavutil has for CUDA frames, against the CPU.
test_formats() {
    local format letter unit name found count=0
    while read -r format letter unit; do
        name="enlarged, $format"
        software "format=$format" 2>/dev/null || continue # not in this version
        if ! chain "format=$format,hwupload,hwdownload,format=$format"; then
            grep -q "Invalid output format $format\|'format' with args '$format'" "$tmp/log" ||
                fail "$name" 'it cannot be uploaded'
            continue # not in this version's CUDA frames
        fi
        count=$((count + 1))
        software "format=$format,$mdrn:device=cpu"
        if ! chain "format=$format,hwupload,$mdrn,hwdownload,format=$format"; then
            fail "$name"
        elif found=$(difference "$letter" "$unit") && [[ $found == [01] ]]; then
            ! clean "$name" || pass "$name"
        else
            fail "$name" "a difference of $found"
        fi
    done <<'END'
nv12 C 1
nv16 C 1
yuv420p C 1
yuv422p C 1
yuv444p C 1
yuva420p C 1
p010le v 64
p012le v 16
p016le v 1
p210le v 64
p212le v 16
p216le v 1
yuv420p10le v 1
yuv422p10le v 1
yuv444p10le v 1
yuv444p10msble v 64
yuv444p12msble v 16
yuv444p16le v 1
bgr0 C 1
rgb0 C 1
bgra C 1
rgba C 1
END
    ((count >= 9)) || fail 'enlarged, every format' "only $count can be uploaded"
}

works() { # name, bytes of the output, words of the log, filters
    if ! chain "$4"; then
        fail "$1"
    elif (($(stat -c %s "$tmp/raw") != $2)); then
        fail "$1" "$(stat -c %s "$tmp/raw") bytes instead of $2"
    elif ! grep -q "$3" "$tmp/log"; then
        fail "$1" "no '$3'"
    elif clean "$1"; then
        pass "$1"
    fi
}

test_graphs() {
    local up=format=nv12,hwupload down=hwdownload,format=nv12
    works 'fp16, and what showinfo sees' $((3 * 64 * 48 * 3 / 2)) 'fmt:cuda .*s:64x48' \
        "$up,mdrn=model=mdrn-s,showinfo=checksum=0,$down"
    works 'two filters, one behind the other' $((3 * 192 * 144 * 3 / 2)) 'fmt:cuda .*s:192x144' \
        "$up,$mdrn,$mdrn:scale=3,showinfo=checksum=0,$down"
    works 'two filters, side by side' $((3 * 64 * 48 * 3 / 2)) 'average:inf' \
        "$up,split[a][b];[a]$mdrn,${down}[c];[b]$mdrn:async_depth=4:device=cuda,${down}[d];[c][d]psnr"
    works 'odd sizes' $((3 * 29 * 3 * 21 * 3 * 3)) 's:87x63' \
        "format=yuv444p,crop=29:21:0:0:exact=1,hwupload,$mdrn:scale=3,hwdownload,format=yuv444p,showinfo"
    works 'crop marks a part' $((3 * 64 * 48 * 3 / 2)) 'fmt:cuda .*s:64x48' \
        "$up,crop=16:12:2:4,$mdrn,showinfo=checksum=0,$down"
    if [[ $("$ffmpeg" -hide_banner -filters 2>/dev/null) == *' hwupload_cuda '* ]]; then
        works 'hwupload_cuda' $((3 * 64 * 48 * 3 / 2)) 'fmt:cuda .*s:64x48' \
            "format=nv12,hwupload_cuda,$mdrn,showinfo=checksum=0,$down"
    else
        skip 'hwupload_cuda' 'this ffmpeg has none'
    fi

    local sizes=0 size
    for size in 32x24 20x10; do
        "$ffmpeg" -v error -nostdin -f lavfi -i "testsrc2=s=$size" -frames:v 1 -f image2 \
            -y "$tmp/$((++sizes)).ppm"
    done
    if run -i "$tmp/%d.ppm" -vf "$up,$mdrn,$down,showinfo" -fps_mode passthrough &&
        grep -q 's:64x48' "$tmp/log" && grep -q 's:40x20' "$tmp/log"; then
        ! clean 'another size on the way' || pass 'another size on the way'
    else
        fail 'another size on the way'
    fi
}

refused() { # name, words of the message, filters
    if chain "$3"; then
        fail "refused: $1" 'accepted'
    elif ! grep -qF -- "$2" "$tmp/log"; then
        fail "refused: $1" "no '$2'"
    elif clean "refused: $1" contexts; then # of the device that ffmpeg made
        pass "refused: $1"
    fi
}

test_refused() {
    local up=format=nv12,hwupload down=hwdownload,format=nv12 library
    refused 'device=cpu' 'leave device out, or put hwdownload' "$up,$mdrn:device=cpu,$down"
    refused 'another gpu' 'the frames are on gpu 0' "$up,$mdrn:gpu=1,$down"
    refused 'ICtCp' 'CUDA cannot convert pictures of matrix 14 (ICtCp)' \
        "$up,setparams=colorspace=ictcp:color_trc=smpte2084,$mdrn,$down"
    library=/nowhere/libmdrn_cuda.so
    refused 'without libmdrn_cuda.so' 'there is no libmdrn_cuda.so' "$up,$mdrn,$down"
    refused 'with advice' 'put hwdownload and format before the filter' "$up,$mdrn,$down"
}

# What fails once, be it libavutil's or libmdrn's, is an error; or the frames are
# right, where no one needed it. An error of its copies, libavutil only logs.
test_failures() { # what is counted, variable, step
    local what=$1 variable=$2 step=$3 nth last status errors=0
    local filters="format=nv12,hwupload,$mdrn,hwdownload,format=nv12"
    chain "$filters"
    cp "$tmp/raw" "$tmp/expected"
    last=$(sed -n "s/^$what //p" "$tmp/report")
    if ((!last)); then
        fail "$what fail" 'there were none'
        return
    fi
    for ((nth = 1; nth <= last; nth += step)); do
        (export "$variable=$nth" && chain "$filters")
        status=$?
        if [[ ! -e $tmp/report ]]; then
            fail "of $last $what, number $nth fails" "it ended early, with status $status"
            return
        elif ((status)); then
            errors=$((errors + 1))
            clean "of $last $what, number $nth fails" contexts || return
        elif ! cmp -s "$tmp/expected" "$tmp/raw" && ! grep -q 'cu->.* failed' "$tmp/log"; then
            fail "of $last $what, number $nth fails" 'no error, and another picture'
            return
        fi
    done
    if ((2 * errors > last / step)); then
        pass "of $last $what, each one in $step fails, $errors with an error"
    else
        fail "of $last $what, each one in $step fails" "only $errors with an error"
    fi
}

# Without the emulated device: what this machine has, or has not, is said.
test_real() {
    local lib
    lib=$(dirname "$folder")
    if ldconfig -p 2>/dev/null | grep 'libcuda\.so\.1' >/dev/null; then
        skip 'no driver' 'there is one here'
        return
    fi
    if "$ffmpeg" -hide_banner -nostdin -v error -f lavfi -i testsrc2=s=16x16:d=0.04 \
        -vf mdrn=device=cuda -f null - 2>"$tmp/log"; then
        fail 'no driver' 'accepted'
    elif [[ -e $lib/libmdrn_cuda.so ]]; then
        if grep -q 'there is no NVIDIA driver .*install one, or use device cpu' "$tmp/log"; then
            pass 'no driver'
        else
            fail 'no driver'
        fi
    elif grep -q 'there is no libmdrn_cuda.so' "$tmp/log"; then
        pass 'no libmdrn_cuda.so'
    else
        fail 'no libmdrn_cuda.so'
    fi
}

test_real
if [[ ! -e $folder/libcuda.so.1 ]]; then
    skip 'CUDA frames' "no emulated device (Debian: libboost-context-dev)"
elif ! "$ffmpeg" -hide_banner -v error -init_hw_device list 2>&1 | grep -x cuda >/dev/null; then
    skip 'CUDA frames' 'this ffmpeg has no CUDA'
else
    test_frames_come_back
    test_no_device
    if [[ ! -e $folder/libmdrn_cuda.so ]]; then
        skip 'CUDA frames enlarged' 'no emulated libmdrn_cuda.so (cudnn.h)'
    elif ! command -v perl >/dev/null; then
        skip 'CUDA frames enlarged' 'no perl here'
    else
        test_formats
        test_graphs
        test_refused
        test_failures allocations MDRN_EMULATED_FAIL_ALLOCATION 1
        test_failures calls MDRN_EMULATED_FAIL_CALL 19
    fi
fi
((!failed))
