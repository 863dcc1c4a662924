#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Makes a video two times larger; installs and builds what that takes first.
#
# quickstart.sh [--model NAME|FILE] [--scale 2|3|4] [INPUT [OUTPUT]]
#
#   INPUT    anything that ffmpeg reads; without one, a clip is made up
#   OUTPUT   INPUT's name with -x2 added, in the current folder, unless given
#   --model  mdrn (default), mdrn-s (more than twice as fast), or a .safetensors file
#   --scale  2 unless given
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/release
say() { printf '%s\n' "$*" >&2; }
usage() { sed -n '3,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

model=mdrn scale=2 names=()
while (($#)); do
    case $1 in
    --model) model=${2:?--model needs a name or a file}; shift ;;
    --scale) scale=${2:?--scale needs a number}; shift ;;
    -h|--help) usage; exit 0 ;;
    --) shift; names+=("$@"); break ;;
    -?*) usage >&2; say "unknown option: $1"; exit 2 ;;
    *) names+=("$1") ;;
    esac
    shift
done
((${#names[@]} <= 2)) || { usage >&2; exit 2; }
input=${names[0]-} output=${names[1]-}
if [[ -n $input && ! -e $input && $input != *://* ]]; then
    say "$input: there is no such file"
    exit 1
fi

# --- build ------------------------------------------------------------------

"$root/scripts/install.sh"

# A name with a colon or a leading dash is a file all the same.
local_file() { if [[ $1 == *://* ]]; then printf '%s' "$1"; else printf 'file:%s' "$1"; fi; }
[[ -z $input ]] || ffprobe -v error -i "$(local_file "$input")" >/dev/null

mkdir -p "$build"
log=$build/quickstart.log
step() { # what, command...
    say "$1 ..."
    (cd "$root" && "${@:2}") >"$log" 2>&1 ||
        { tail -n 30 "$log" >&2; say "failed; all of it: $log"; exit 1; }
}
step 'Configuring' cmake --preset release
step 'Building libmdrn (a minute or two the first time)' cmake --build --preset release --target mdrn
say "Building the filter for this machine's ffmpeg (some minutes the first time) ..."
ffmpeg=$("$root/patches/build-ffmpeg.sh" --system | tail -n 1)

# --- what to do -------------------------------------------------------------

if [[ -z $input ]]; then
    mkdir -p "$build/quickstart"
    input=$build/quickstart/clip.mp4
    output=${output:-$build/quickstart/clip-x$scale.mp4}
    rm -f "$build/quickstart/clip-x$scale.mp4" # ours, of an earlier run
    "$ffmpeg" -hide_banner -nostdin -v error -y \
        -f lavfi -i 'mandelbrot=size=160x120:rate=12:start_scale=0.4:end_scale=0.05:end_pts=48' \
        -f lavfi -i 'sine=frequency=440' -t 2 -pix_fmt yuv420p -c:v libx264 -c:a aac "$input"
    say "No input given: made $input (160x120, 2 s, with sound)"
fi
if [[ -z $output ]]; then
    name=${input##*/} extension=
    [[ $name != ?*.* ]] || extension=.${name##*.}
    case $extension in
    .mp4|.mkv|.mov|.m4v|.webm|.png|.jpg|.jpeg|.webp|.tif|.tiff|.bmp) ;;
    *) extension=.mkv ;;
    esac
    name=${name%.*}
    output=$PWD/$name-x$scale$extension
fi
in=$(local_file "$input") out=$(local_file "$output")
if [[ -e $output ]]; then
    if [[ -t 0 ]]; then
        read -r -p "$output exists. Overwrite it? [y/N] " answer
        [[ $answer == [yY]* ]] || exit 1
    else
        say "$output exists; move it away, or name another output"
        exit 1
    fi
fi
[[ ! $output -ef $input ]] || { say 'input and output are the same file'; exit 1; }

# Values of filter options: a quote, then what ends one, escaped.
quoted() {
    local value=${1//\\/\\\\}
    value=${value//\'/\\\'}
    value=${value//:/\\:}
    value=${value//\\/\\\\}
    value=${value//\'/\\\'}
    value=${value//,/\\,} value=${value//;/\\;} value=${value//\[/\\[} value=${value//]/\\]}
    printf '%s' "$value"
}
filter=mdrn=scale=$scale:model=$(quoted "$model")

field() { # of the first video stream
    ffprobe -v error -select_streams V:0 "${@:2}" -show_entries "stream=$1" \
        -of default=nw=1:nk=1 "$in" 2>/dev/null | head -n 1
}
codec=$(field codec_name)
[[ -n $codec ]] || { say "$input: there is no video in it"; exit 1; }
count=$(field nb_frames)
if [[ ! $count =~ ^[1-9][0-9]*$ ]]; then
    count=$(field nb_read_packets -count_packets)
fi
[[ $count =~ ^[1-9][0-9]*$ ]] || count=1

# Seconds that one frame takes: those of three frames less those of one.
timed() {
    local start=$EPOCHREALTIME
    "$ffmpeg" -hide_banner -nostdin -v error -i "$in" -map 0:V:0 -frames:v "$1" -an \
        -vf "$filter:reuse=0" -f null - >&2 || return 1
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {print b - a}'
}
export LC_ALL=C # EPOCHREALTIME with a point
one=$(timed 1)
if ((count > 2)); then
    three=$(timed 3)
    frame=$(awk -v a="$one" -v b="$three" 'BEGIN {f = (b - a) / 2; print (f > 0 ? f : a)}')
else
    frame=$one
fi
clock() { awk -v s="$1" 'BEGIN {s = int(s + .5); if (s >= 3600) printf "%d h %d min", s / 3600, s % 3600 / 60; else if (s >= 60) printf "%d min %d s", s / 60, s % 60; else printf "%d s", s}'; }
total=$(awk -v n="$count" -v f="$frame" 'BEGIN {print n * f}')
say "$input: $count frames, $(printf '%.3f' "$frame") s a frame: about $(clock "$total") with model=$model"
[[ $model != mdrn ]] || say '(--model mdrn-s is more than twice as fast, its pictures a little less sharp.)'

# --- upscale ----------------------------------------------------------------

common=(-hide_banner -nostdin -v warning -stats -n)
[[ ! -e $output ]] || rm -f -- "$output" # agreed to above
case $output in
*.png|*.jpg|*.jpeg|*.webp|*.tif|*.tiff|*.bmp)
    "$ffmpeg" "${common[@]}" -i "$in" -vf "$filter" -frames:v 1 -update 1 "$out"
    ;;
*)
    # Timestamps in the input's own units: an encoder's default would round them.
    units=demux
    [[ $("$ffmpeg" -version) != 'ffmpeg version 5.'* ]] || units=-1 # the same, by its older name
    keep=()
    if [[ -n $(ffprobe -v error -select_streams s -show_entries stream=index -of csv=p=0 "$in") ]]; then
        case $output in
        *.mp4|*.m4v) container=mp4 ;;
        *.mov) container=mov ;;
        *.webm) container=webm ;;
        *) container=matroska ;;
        esac
        if "$ffmpeg" -nostdin -v quiet -y -i "$in" -map 0:s -c copy -t 1 -f "$container" /dev/null; then
            keep=(-map 0:s -c:s copy)
        else
            say "$container does not hold the subtitles of the input: they are left out."
        fi
    fi
    "$ffmpeg" "${common[@]}" -i "$in" -map 0:V:0 -map '0:a?' ${keep[@]+"${keep[@]}"} \
        -vf "$filter" -fps_mode passthrough -enc_time_base "$units" -c:a copy "$out"
    ;;
esac

# Beside each other: the input enlarged by bicubic, and the output. Where the input does not tell its
# matrix, the output tells what was assumed.
picture=${output%.*}-before-after.png
matrix=$(ffprobe -v error -select_streams V:0 -show_entries stream=color_space -of default=nw=1:nk=1 "$out")
case $matrix in
bt709|fcc|bt470bg|smpte170m|smpte240m|bt2020nc|bt2020c) same=setparams=colorspace=$matrix ;;
*) same=null ;;
esac
"$ffmpeg" -hide_banner -nostdin -v error -y -i "$in" -i "$out" -filter_complex \
    "[0:V]$same,scale=iw*$scale:ih*$scale:flags=bicubic,format=rgb24[before];[1:V]format=rgb24[after];[before][after]hstack" \
    -frames:v 1 -update 1 "$(local_file "$picture")" || picture=

say
say "Done: $output"
[[ -z $picture ]] || say "Before (bicubic) and after, side by side: $picture"
say "The ffmpeg with the filter: $ffmpeg"
say 'Next, for example:'
say "    $(printf '%q' "$ffmpeg") -i in.mp4 -vf mdrn=scale=$scale -c:a copy out.mp4"
