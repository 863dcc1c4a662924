#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# formats.sh FFMPEG...: prints formats.md, what the mdrn filter in each ffmpeg
# says of every pixel format that this ffmpeg has. To bring it up to date:
#   filter/formats.sh build/release/bin/ffmpeg-mdrn{,-7.1,-8.1,-9.0} >filter/formats.md
set -euo pipefail
export LC_ALL=C

# The filter is asked before it is known whether the graph can be: the graph
# fails at the hardware formats, when every mdrn in it has spoken.
verdicts() { # ffmpeg: lines of format, verdict, release line
    local line formats graph=''
    line=$("$1" -version | sed -n '1s/^ffmpeg version [a-z]*\([0-9]*\.[0-9]*\).*/\1/p')
    formats=$("$1" -hide_banner -v error -pix_fmts | sed '1,/^-----/d' | awk '{print $2}')
    for format in $formats; do
        graph+="nullsrc=s=16x16,format=$format,mdrn,nullsink;"
    done
    { "$1" -hide_banner -v warning -f lavfi -i "${graph}nullsrc[out0]" -t 0 -f null - 2>&1 || :; } |
        sed -nE 's/^\[.*mdrn.*\] ([^ ]*) is (converted first|not possible)[^:]*: ([^;]*).*/\1\tno: \3/p' |
        awk -F'\t' -v OFS='\t' -v line="$line" -v formats="$formats" '
            { no[$1] = $2 }
            END {
                if (!NR || line == "") exit 1
                count = split(formats, all, "\n")
                for (i = 1; i <= count; i++)
                    print all[i], all[i] in no ? no[all[i]] : "native", line
            }' || { echo "formats.sh: $1 did not say what it takes" >&2; return 1; }
}

cat <<'EOF'
# Pixel formats

What the filter does with each of FFmpeg's pixel formats: *native* means that the output has the format of the input, and that nothing is converted on the way. The others are refused for the reason given: FFmpeg converts software frames to the nearest native format before the filter, which warns; hardware frames need `hwdownload` first.

`cuda` stands for frames in CUDA memory, whatever lies in their planes (FFmpeg's `sw_format`): all that FFmpeg lets them hold is native.

This page is what [formats.sh](formats.sh) printed; the filter's tests compare it with each FFmpeg.

| Format | mdrn | in FFmpeg |
|---|---|---|
EOF
for ffmpeg; do verdicts "$ffmpeg"; done | awk -F'\t' '
    { key = "| `" $1 "` | " $2 " |"; lines[key] = lines[key] " " $3 }
    END { for (key in lines) print key lines[key] " |" }' | sort
