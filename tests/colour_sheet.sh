#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# colour_sheet.sh FFMPEG OUT.png: bars, ramps and saturated edges in several
# formats, matrices and ranges, to look at. Each pair is the picture with its
# pixels doubled beside what mdrn made of it; their colours must be the same.
set -euo pipefail

ffmpeg=${1:?usage: colour_sheet.sh FFMPEG OUT.png}
out=${2:?usage: colour_sheet.sh FFMPEG OUT.png}
cases='yuv420p:bt709:tv yuv420p:smpte170m:pc yuv422p:fcc:tv yuv444p:smpte240m:pc
    nv12:bt709:tv yuv420p10:bt2020nc:tv yuv444p10:bt2020nc:pc rgb24:gbr:pc gray:unknown:pc'

# 96x96: bars, a ramp of gray and of each primary, edges between saturated colours.
parts="smptebars=s=96x32:d=0.04:r=25,format=gbrp[bars];
    color=s=96x32:d=0.04:r=25,format=gbrp,geq=r='if(between(floor(Y/8),0,1),X*255/95,0)':g='if(eq(mod(floor(Y/8),2),0),X*255/95,0)':b='if(eq(floor(Y/8),0)+eq(floor(Y/8),3),X*255/95,0)'[ramps];
    color=s=96x32:d=0.04:r=25,format=gbrp,geq=r='255*mod(floor((X+Y)/12),2)':g='255*mod(floor((X-Y+64)/16),2)':b='255*mod(floor(Y/8),2)'[edges];
    [bars][ramps][edges]vstack=3"

pairs=() layout=() graph='' n=0
for case in $cases; do
    IFS=: read -r format matrix range <<<"$case"
    case $matrix in
    gbr | unknown) convert="scale,format=$format" ;;
    *) convert="scale=out_color_matrix=${matrix%nc}:out_range=$range,format=$format,setparams=colorspace=$matrix:range=$range" ;;
    esac
    graph+="[p$n]$convert,split[small$n][in$n];
        [small$n]scale,format=gbrp,scale=iw*2:ih*2:flags=neighbor[before$n];
        [in$n]mdrn=device=cpu,scale,format=gbrp[after$n];
        [before$n][after$n]hstack,pad=iw+8:ih+8:4:4:gray,setparams=colorspace=gbr[pair$n];"
    pairs+=("[pair$n]")
    # shellcheck disable=SC2017  # the row is a whole number
    layout+=("$((n % 3 * 392))_$((n / 3 * 200))")
    echo "row $((n / 3 + 1)), column $((n % 3 + 1)): $format $matrix $range"
    n=$((n + 1))
done
pictures=$(printf '[p%d]' $(seq 0 $((n - 1))))
layouts=$(IFS='|'; echo "${layout[*]}")
"$ffmpeg" -hide_banner -nostdin -v error -f lavfi -i "$parts" -filter_complex \
    "[0:v]split=$n$pictures;$graph${pairs[*]}xstack=inputs=$n:layout=$layouts" \
    -frames:v 1 -update 1 -y "$out"
