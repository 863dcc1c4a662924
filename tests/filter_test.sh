#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# filter_test.sh FFMPEG: the mdrn filter inside an ffmpeg. Formats, colours,
# sizes, timestamps and properties; the network's values are tested elsewhere.
set -uo pipefail
export LC_ALL=C

ffmpeg=${1:?usage: filter_test.sh FFMPEG}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
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

# formats.md says of this ffmpeg what its filter says.
test_table() {
    local line
    line=$("$ffmpeg" -version | sed -n '1s/^ffmpeg version [a-z]*\([0-9]*\.[0-9]*\).*/\1/p')
    awk -F' [|] ' -v line="$line" \
        'index(" " $3 " ", " " line " ") {print $1 " | " $2 " | " line " |"}' \
        "$root/filter/formats.md" >"$tmp/want"
    sed -n '/^| `/p' "$tmp/table" >"$tmp/got"
    if cmp -s "$tmp/want" "$tmp/got"; then
        pass 'formats.md'
    else
        fail 'formats.md' "it differs from what the filter says (<: formats.md)"
        diff "$tmp/want" "$tmp/got" | grep '^[<>]' | head -n 20 | sed 's/^/#   /'
    fi
}

# How to make a format from one that says the same in another order: that one,
# then what repack.pl needs. Nothing for those that FFmpeg's scaler makes.
recipe() {
    local depth=${1//[!0-9]/} shift=''
    case $1 in
    yuvj*) echo "yuv${1#yuvj} P P C C" ;;
    x2*be | xv30be | v30xbe | *f32be) echo "${1%be}le P P V N" ;;
    *be) echo "${1%be}le P P v n" ;;
    *msble) echo "${1%msble}le P P$((16 - ${depth: -2})) v v" ;;
    nv12) echo 'yuv420p Y4U1V1 Y|UV C C' ;;
    nv21) echo 'yuv420p Y4U1V1 Y|VU C C' ;;
    nv16) echo 'yuv422p Y2U1V1 Y|UV C C' ;;
    nv20le) echo 'yuv422p10le Y2U1V1 Y|UV v v' ;;
    nv24) echo 'yuv444p YUV Y|UV C C' ;;
    nv42) echo 'yuv444p YUV Y|VU C C' ;;
    p[024]1[026]le | y21[026]le)
        shift=$((16 - ${depth: -2}))
        case $1 in
        p0*) echo "yuv420p${depth: -2}le Y4U1V1 Y$shift|U${shift}V$shift v v" ;;
        p2*) echo "yuv422p${depth: -2}le Y2U1V1 Y$shift|U${shift}V$shift v v" ;;
        p4*) echo "yuv444p${depth: -2}le YUV Y$shift|U${shift}V$shift v v" ;;
        y2*) echo "yuv422p${depth: -2}le Y2U1V1 Y${shift}U${shift}Y${shift}V$shift v v" ;;
        esac ;;
    yuyv422) echo 'yuv422p Y2U1V1 YUYV C C' ;;
    uyvy422) echo 'yuv422p Y2U1V1 UYVY C C' ;;
    yvyu422) echo 'yuv422p Y2U1V1 YVYU C C' ;;
    vuyx) echo 'yuv444p YUV VUYX C C' ;;
    vyu444) echo 'yuv444p YUV VYU C C' ;;
    vuya | ayuv | uyva) echo "yuva444p YUVA ${1^^} C C" ;;
    ayuv64le) echo 'yuva444p16le YUVA AYUV v v' ;;
    xv30le) echo 'yuv444p10le YUV V20+Y10+U v V' ;;
    v30xle) echo 'yuv444p10le YUV V22+Y12+U2 v V' ;;
    xv36le) echo 'yuv444p12le YUV U4Y4V4X v v' ;;
    xv48le) echo 'yuv444p16le YUV UYVX v v' ;;
    x2rgb10le) echo 'gbrp10le GBR R20+G10+B v V' ;;
    x2bgr10le) echo 'gbrp10le GBR B20+G10+R v V' ;;
    rgb24 | bgr24) echo "gbrp GBR $(tr -d 0-9 <<<"${1^^}") C C" ;;
    0rgb | rgb0 | 0bgr | bgr0) echo "gbrp GBR $(tr 0 X <<<"${1^^}") C C" ;;
    rgba | argb | abgr | bgra) echo "gbrap GBRA ${1^^} C C" ;;
    rgb48le | bgr48le) echo "gbrp16le GBR $(tr -d 0-9LE <<<"${1^^}") v v" ;;
    rgba64le | bgra64le) echo "gbrap16le GBRA $(tr -d 0-9LE <<<"${1^^}") v v" ;;
    ya8) echo 'gray Y Y- C C' ;;
    ya16le) echo 'gray16le Y Y- v v' ;;
    yaf16le) echo 'grayf32le Y Y- V v half' ;;
    yaf32le) echo 'grayf32le Y Y- V V' ;;
    rgbf16le) echo 'gbrpf32le GBR RGB V v half' ;;
    rgbf32le) echo 'gbrpf32le GBR RGB V V' ;;
    rgbaf16le) echo 'gbrapf32le GBRA RGBA V v half' ;;
    rgbaf32le) echo 'gbrapf32le GBRA RGBA V V' ;;
    grayf16le) echo 'grayf32le Y Y V v half' ;;
    gbrpf16le) echo 'gbrpf32le GBR G|B|R V v half' ;;
    gbrapf16le) echo 'gbrapf32le GBRA G|B|R|A V v half' ;;
    esac
}

repack() { perl "$root/tests/repack.pl" "$@"; }

# A frame of 96x64 in $tmp/FORMAT. To what the scaler makes, low bits are added
# that differ from sample to sample, in alpha too; floats are halves as well.
make() { # format
    local like how
    [[ ! -e $tmp/$1 ]] || return 0
    read -r like how < <(recipe "$1")
    if [[ -n $like ]]; then
        make "$like"
        # shellcheck disable=SC2086  # words
        repack $how <"$tmp/$like" >"$tmp/$1"
        return
    fi
    chain "$(source_of 96x64),format=$1"
    # shellcheck disable=SC2016  # for perl
    local word=C low='$_ ^ $i++ * 40503 >> 7 & 15'
    # shellcheck disable=SC2016
    case $1 in
    *f32le) word=V low='($_ ^ ($i++ * 40503 >> 7 & 15) << 16) & ~0x1fff' ;;
    *[0-9]le) word=v ;;
    esac
    perl -0777 -ne "print pack '$word*', map { $low } unpack '$word*', \$_" "$tmp/raw" >"$tmp/$1"
}

# The frame of $tmp/FORMAT enlarged, in $tmp/RESULT.
enlarge() { # format result [filters]
    [[ ! -e $tmp/$2 ]] || return 0
    timeout 60 "$ffmpeg" -hide_banner -nostdin -v info -f rawvideo -pix_fmt "$1" \
        -video_size 96x64 -i "$tmp/$1" -vf "${3-}$mdrn,showinfo" -f rawvideo -y "$tmp/$2" \
        2>"$tmp/log" && shows "fmt:$1 .*s:192x128"
}

# The same samples in another order come out the same, to the bit.
test_repacked() { # format, recipe
    local format=$1 like=$2 full='' large=$2.large
    shift 2
    [[ $format != yuvj* ]] || full=setparams=range=pc, large=$like.full
    if ! command -v perl >/dev/null; then
        skip "format $format" 'no perl here'
        return
    fi
    make "$format"
    if ! enlarge "$like" "$large" "$full" || ! enlarge "$format" "$format.large"; then
        fail "format $format" "$(grep -m1 'showinfo.* fmt:' "$tmp/log")"
        return
    fi
    repack "$@" <"$tmp/$large" >"$tmp/want"
    if [[ -s $tmp/want ]] && cmp -s "$tmp/want" "$tmp/$format.large"; then
        pass "format $format"
    else
        fail "format $format" "not as $like: $(cmp "$tmp/want" "$tmp/$format.large" 2>&1)"
    fi
}

# A smooth picture enlarged by the network and by bicubic differs little; with
# input and output not alike in range, order, depth or siting it differs much.
# Where a sample has few bits it says little, and the means are compared.
test_smooth() { # format
    local format=$1 read blur=null want=36 psnr
    read='scale=in_h_chr_pos=0:flags=bicubic+accurate_rnd+full_chroma_int,format=gbrp'
    [[ ! $format =~ ^(rgb|bgr)(444le|8|4_byte)$ ]] || blur=gblur=sigma=6 want=32
    timeout 60 "$ffmpeg" -hide_banner -nostdin -v info -f lavfi -i "
        testsrc2=s=96x64:r=25:d=0.04,format=gbrp,gblur=sigma=4,
        scale=out_h_chr_pos=0,format=$format,split[a][b];
        [a]$mdrn,showinfo,$read,${blur}[c];
        [b]$read,scale=iw*2:ih*2:flags=bicubic,${blur}[d];
        [c][d]psnr" -f null - 2>"$tmp/log"
    psnr=$(grep -oE 'average:([0-9]+|inf)' "$tmp/log" | cut -d: -f2)
    if ! shows "fmt:$format .*s:192x128"; then
        fail "format $format" "$(grep -m1 'showinfo.* fmt:' "$tmp/log")"
    elif [[ $psnr != inf ]] && ((${psnr:-0} < want)); then
        fail "format $format" "${psnr:-no} dB against bicubic instead of $want"
    else
        pass "format $format"
    fi
}

# What libavfilter chooses where the input is refused, or could be anything.
test_negotiation() {
    chain "$(source_of 16x16),format=monow,$mdrn"
    if ! grep -q 'monow is converted first' "$tmp/log"; then
        fail 'a refused format is said'
    else
        same_size 'a refused format is said and converted' 1024 'fmt:gray '
    fi
    if chain "nullsrc=s=16x16,format=vaapi,null,$mdrn"; then
        fail 'hardware frames are refused' 'accepted'
    elif grep -q 'vaapi is not possible: .*put hwdownload' "$tmp/log"; then
        pass 'hardware frames are refused with advice'
    else
        fail 'hardware frames are refused with advice'
    fi
    chain "$(source_of 16x16),format=rgb565le,null,$mdrn"
    same_size 'few bits stay few, behind other filters too' 2048 'fmt:rgb565le'
    chain "$(source_of 16x16),scale=16:16,showinfo,$mdrn,format=rgb8"
    if shows 'fmt:rgb8 .*s:32x32' && ! shows 'fmt:rgb8 .*s:16x16'; then
        pass 'few bits are not chosen for the output alone'
    else
        fail 'few bits are not chosen for the output alone'
    fi
}

test_formats() {
    local format how
    while read -r format; do
        read -ra how < <(recipe "$format")
        if ((${#how[@]})); then
            test_repacked "$format" "${how[@]}"
        else
            test_smooth "$format"
        fi
    done < <(awk -F'`' '/[|] native [|]/ && $2 != "cuda" {print $2}' "$tmp/table")
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
    # Two pixels share chroma: a row ends with a whole pair.
    if chain "$(source_of 64x64),format=yuv444p,crop=15:17:0:0:exact=1,format=yuyv422,$mdrn:scale=3"; then
        same_size 'size 15x17 yuyv422' $((51 * 46 * 2)) s:45x51
    else
        fail 'size 15x17 yuyv422'
    fi
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
    chain "$(source_of 16x16 0.12),format=yuv420p,setparams=color_trc=linear,$mdrn"
    if (($(grep -c 'linear light' "$tmp/log") == 1)); then
        same_size 'linear light: warned once' 4608 'color_trc:linear'
    else
        fail 'linear light: warned once'
    fi
    chain "$(source_of 16x16),format=yuv420p,$mdrn"
    cp "$tmp/raw" "$tmp/first"
    chain "$(source_of 16x16),format=yuv420p,$mdrn"
    if cmp -s "$tmp/first" "$tmp/raw"; then pass 'same bits twice'; else fail 'same bits twice'; fi
}

# Nothing but the tags changes: each matrix must be read and written.
test_matrices() {
    local tags said
    for tags in bt709 fcc bt470bg smpte170m smpte240m ycgco bt2020nc bt2020c \
        ictcp:color_trc=smpte2084 ictcp:color_trc=arib-std-b67; do
        if chain "$(source_of 16x16),format=yuv420p10,setparams=colorspace=$tags,$mdrn"; then
            same_size "matrix $tags" 3072 "color_space:${tags%%:*}"
        else
            fail "matrix $tags"
        fi
    done
    if chain "$(source_of 16x16),format=yuv444p,setparams=colorspace=gbr,$mdrn"; then
        same_size 'matrix gbr' 3072 'color_space:gbr'
    else
        fail 'matrix gbr'
    fi
    while read -r tags said; do
        if "$ffmpeg" -hide_banner -nostdin -v info -f lavfi -i "$(source_of 16x16),format=yuv420p" \
            -vf "setparams=colorspace=$tags,$mdrn" -f null - 2>"$tmp/log"; then
            fail "refused: matrix $tags" 'accepted'
        elif grep -qF -- "$said" "$tmp/log"; then
            pass "refused: matrix $tags"
        else
            fail "refused: matrix $tags" "no '$said'"
        fi
    done <<'END'
smpte2085 matrix is 11 (SMPTE 2085)
chroma-derived-nc matrix is 12 (chromaticity-derived non-constant luminance)
chroma-derived-c matrix is 13 (chromaticity-derived constant luminance)
ictcp:color_trc=bt709 ICtCp), but the transfer is 1
bt2020c:color_trc=smpte2084 constant luminance), but the transfer is 16
gbr but the layout is subsampled
END
}

# Matroska's element: identifier and contents in hexadecimal.
element() { printf '%s01%014x%s' "$1" $((${#2} / 2)) "$2"; }
double() { element "$1" "${2}000000000000"; } # its first four digits
text() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }

# A gray 16x16 frame, raw 10-bit 4:2:0, with all that HDR10 says about a stream.
hdr_clip() {
    local display colour video track samples
    display=$(double 55d1 3fe8; double 55d2 3fd0; double 55d3 3fd0; double 55d4 3fe0
        double 55d5 3fc0; double 55d6 3fb0; double 55d7 3fd4; double 55d8 3fd5
        double 55d9 408f; double 55da 3f80)
    colour=$(element 55b1 09; element 55b9 01; element 55ba 10; element 55bb 09
        element 55bc 03e8; element 55bd 0190; element 55d0 "$display")
    video=$(element b0 10; element ba 10; element 2eb524 59330b0a; element 55b0 "$colour")
    track=$(element d7 01; element 73c5 01; element 83 01
        element 86 "$(text V_UNCOMPRESSED)"; element e0 "$video")
    samples=$(printf '0002%.0s' {1..384})
    printf '%b' "$(printf '%s' "$(element 1a45dfa3 "$(element 4282 "$(text matroska)")")" \
        "$(element 18538067 "$(element 1549a966 "$(element 2ad7b1 0f4240)"
            element 1654ae6b "$(element ae "$track")"
            element 1f43b675 "$(element e7 00; element a3 "81000080$samples")")")" |
        sed 's/../\\x&/g')" >"$tmp/hdr.mkv"
}

test_hdr() {
    hdr_clip
    "$ffmpeg" -hide_banner -nostdin -v info -i "$tmp/hdr.mkv" -vf "showinfo,$mdrn,showinfo" \
        -f null - 2>"$tmp/log" || { fail 'HDR'; return; }
    said_by() { # which showinfo, what: each line without its prefix
        grep -F "Parsed_showinfo_$1 " "$tmp/log" | grep -iE "$2" | sed 's/^[^]]*\] *//'
    }
    local what
    for what in 'mastering display' 'content light level'; do
        if [[ -n $(said_by 0 "$what") && $(said_by 0 "$what") == "$(said_by 2 "$what")" ]]; then
            pass "HDR: $what"
        else
            fail "HDR: $what" "$(said_by 0 "$what") became $(said_by 2 "$what")"
        fi
    done
    if said_by 2 'fmt:yuv420p10le .*s:32x32' | grep -q . &&
        said_by 2 'color_range:tv color_space:bt2020nc color_primaries:bt2020 color_trc:smpte2084' |
        grep -q .; then
        pass 'HDR: 10 bits and tags'
    else
        fail 'HDR: 10 bits and tags' "$(said_by 2 'fmt:|color_')"
    fi
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
    for option in scale model device gpu precision async_depth memory reuse; do
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
"$root/filter/formats.sh" "$ffmpeg" >"$tmp/table"
test_table
test_negotiation
test_matrices
test_hdr
test_formats
echo "# $passed passed, $failed failed, $skipped skipped"
((failed == 0))
