#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# filter_test.sh FFMPEG: the mdrn filter inside an ffmpeg. Formats, colours,
# sizes, timestamps and properties; the network's values are tested elsewhere.
set -uo pipefail
export LC_ALL=C

ffmpeg=${1:?usage: filter_test.sh FFMPEG}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0 skipped=0
mdrn=mdrn=model=mdrn-s:device=cpu

pass() { echo "ok - $1"; passed=$((passed + 1)); }
skip() { echo "skip - $1: $2"; skipped=$((skipped + 1)); }
fail() { # name, why
    echo "not ok - $1${2:+: $2}"
    grep -i 'mdrn\|error' "$tmp/log" | head -n 4 | sed 's/^/#   /'
    failed=$((failed + 1))
}

# Runs a chain of lavfi filters; raw frames to $tmp/raw, the log to $tmp/log.
chain() { # filters [output options]
    local filters=$1
    shift
    "$ffmpeg" -hide_banner -nostdin -v info -f lavfi -i "$filters,showinfo" \
        "$@" -f rawvideo -y "$tmp/raw" 2>"$tmp/log"
}

source_of() { echo "testsrc2=s=$1:r=25:d=${2:-0.04}"; } # WxH [seconds]
bytes() { stat -c %s "$tmp/raw"; }
shows() { grep -q "showinfo.*$1" "$tmp/log"; }

same_size() { # name, bytes that there should be, what showinfo should say
    if (($(bytes) != $2)); then
        fail "$1" "$(bytes) bytes instead of $2"
    elif ! shows "$3"; then
        fail "$1" "no '$3': $(grep -m1 'showinfo.* fmt:' "$tmp/log")"
    else
        pass "$1"
    fi
}

formats='yuv420p yuv422p yuv444p yuvj420p yuvj422p yuvj444p
    yuva420p yuva422p yuva444p
    yuv420p9 yuv422p9 yuv444p9 yuv420p10 yuv422p10 yuv444p10
    yuv420p12 yuv422p12 yuv444p12 yuv420p14 yuv422p14 yuv444p14
    yuv420p16 yuv422p16 yuv444p16 yuva420p9 yuva422p9 yuva444p9
    yuva420p10 yuva422p10 yuva444p10 yuva422p12 yuva444p12
    yuva420p16 yuva422p16 yuva444p16 nv12 p010 p012 p016
    rgb24 bgr24 argb rgba abgr bgra rgb48 bgr48 rgba64 bgra64
    gbrp gbrp9 gbrp10 gbrp12 gbrp14 gbrp16
    gbrap gbrap10 gbrap12 gbrap14 gbrap16 gbrpf32 gbrapf32
    gray gray9 gray10 gray12 gray14 gray16 grayf32 ya8 ya16'

test_formats() {
    local known format name want
    known=$("$ffmpeg" -hide_banner -v error -pix_fmts | awk '{print $2}')
    for format in $formats; do
        name=$(grep -xE "${format}(le)?" <<<"$known" | tail -n 1)
        if [[ -z $name ]]; then
            skip "format $format" 'unknown to this ffmpeg'
            continue
        fi
        chain "$(source_of 68x52),format=$name"
        want=$(bytes)
        rm -f "$tmp/raw"
        if chain "$(source_of 34x26),format=$name,$mdrn"; then
            same_size "format $format" "$want" "fmt:$name .*s:68x52"
        else
            fail "format $format"
        fi
    done
}

# A smooth picture enlarged by the network and by bicubic differs little; in a
# wrong matrix, range, order or depth it differs much.
test_colours() {
    local format smooth graph psnr
    smooth='testsrc2=s=96x64:r=25:d=0.04,format=gbrp,gblur=sigma=4'
    for format in $formats; do
        graph="$smooth,format=$format,split[a][b];
            [a]$mdrn,scale,format=gbrp[c];
            [b]scale=iw*2:ih*2:flags=bicubic,format=$format,scale,format=gbrp[d];
            [c][d]psnr"
        if ! "$ffmpeg" -hide_banner -nostdin -v info -f lavfi -i "$graph" -f null - \
            2>"$tmp/log"; then
            grep -q 'Unable to parse\|Invalid pixel format\|No such filter' "$tmp/log" &&
                skip "colours $format" 'unknown to this ffmpeg' && continue
        fi
        psnr=$(grep -oE 'average:[0-9]+' "$tmp/log" | cut -d: -f2)
        if ((${psnr:-0} >= 36)); then
            pass "colours $format"
        else
            fail "colours $format" "${psnr:-no} dB against bicubic instead of 36"
        fi
    done
}

test_sizes() {
    local size w h scale format want
    for size in 1x1 15x17 33x31; do
        w=${size%x*} h=${size#*x}
        for format in yuv420p rgb24; do
            # lavfi's sources do not make every size: crop makes them.
            if chain "$(source_of 64x64),format=yuv444p,crop=$w:$h:0:0:exact=1,format=$format,$mdrn"; then
                want=$((w * h * 4 * 3))
                [[ $format != yuv420p ]] || want=$((w * h * 4 + w * h * 2))
                same_size "size $size $format" "$want" "s:$((w * 2))x$((h * 2))"
            else
                fail "size $size $format"
            fi
        done
    done
    for scale in 2 3 4; do
        if chain "$(source_of 20x18),format=gray,$mdrn:scale=$scale"; then
            same_size "scale $scale" $((20 * 18 * scale * scale)) "s:$((20 * scale))x$((18 * scale))"
        else
            fail "scale $scale"
        fi
    done
}

test_timestamps() {
    local vfr depth
    vfr="$(source_of 16x16 0.5),format=gray,select='eq(n,1)+eq(n,2)+eq(n,5)+eq(n,11)'"
    stamps() {
        "$ffmpeg" -hide_banner -nostdin -v error -f lavfi -i "$1" \
            -fps_mode passthrough -f framecrc - 2>"$tmp/log" |
            awk -F, '!/^#/ {print $2, $3}'
    }
    stamps "$vfr" >"$tmp/want"
    for depth in 1 2 5; do
        stamps "$vfr,$mdrn:async_depth=$depth" >"$tmp/got"
        if [[ $(wc -l <"$tmp/want") -eq 4 ]] && cmp -s "$tmp/want" "$tmp/got"; then
            pass "timestamps, async_depth=$depth"
        else
            fail "timestamps, async_depth=$depth" "$(tr '\n' ';' <"$tmp/got")"
        fi
        chain "$(source_of 16x16 0.28),format=gray,$mdrn:async_depth=$depth"
        same_size "frames at the end, async_depth=$depth" $((7 * 32 * 32)) 'n: *6 '
    done
}

test_properties() {
    chain "$(source_of 16x16),format=yuv420p,setsar=4/3,$mdrn"
    same_size 'sample aspect ratio' 1536 'sar:4/3'

    chain "$(source_of 16x16),format=yuv420p,setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc,$mdrn"
    same_size 'colour tags' 1536 'color_range:tv color_space:bt2020nc color_primaries:bt2020 color_trc:smpte2084'

    chain "$(source_of 16x16),format=yuv420p,setparams=range=pc:colorspace=bt709,$mdrn"
    same_size 'full range' 1536 'color_range:pc color_space:bt709'

    local untagged=setparams=colorspace=unknown
    chain "$(source_of 640x2),format=yuv420p,$untagged,$mdrn"
    same_size 'untagged, small: BT.601' 7680 'color_space:smpte170m'
    chain "$(source_of 1280x2),format=yuv420p,$untagged,$mdrn"
    same_size 'untagged, wide: BT.709' 15360 'color_space:bt709'

    if chain "$(source_of 16x16 0.12),format=yuv420p,setfield=tff,$mdrn" &&
        (($(grep -c 'is interlaced' "$tmp/log") > 1)); then
        fail 'interlaced: warned once'
    fi
    chain "$(source_of 16x16),format=yuv420p,$mdrn"
    cp "$tmp/raw" "$tmp/first"
    chain "$(source_of 16x16),format=yuv420p,$mdrn"
    if cmp -s "$tmp/first" "$tmp/raw"; then pass 'same bits twice'; else fail 'same bits twice'; fi
}

refused() { # options, words of the message
    if chain "$(source_of 16x16),format=gray,mdrn=$1"; then
        fail "refused: $1" 'accepted'
    elif grep -qF -- "$2" "$tmp/log"; then
        pass "refused: $1"
    else
        fail "refused: $1" "no '$2'"
    fi
}

test_options() {
    local option
    refused scale=5 '2, 3, 4'
    refused scale=1 '2, 3, 4'
    refused scale=-2 '2, 3, 4'
    refused device=tpu 'auto, cpu, cuda'
    refused precision=int8 'auto, fp32, fp16, bf16'
    refused gpu=-2 '-1 for the first GPU'
    refused async_depth=-1 '1 to 64'
    refused async_depth=65 '1 to 64'
    refused memory=-1 'number of bytes'
    refused model= 'mdrn-s and the path'
    refused model=/nowhere/net.safetensors:device=cpu /nowhere/net.safetensors

    "$ffmpeg" -hide_banner -h filter=mdrn >"$tmp/help" 2>"$tmp/log"
    for option in scale model device gpu precision async_depth memory; do
        if grep -q "^ *$option  *<" "$tmp/help"; then
            pass "help: $option"
        else
            fail "help: $option"
        fi
    done
}

test_options
test_sizes
test_timestamps
test_properties
test_formats
test_colours
echo "# $passed passed, $failed failed, $skipped skipped"
((failed == 0))
