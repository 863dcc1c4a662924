#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Upscales a long video in segments, on as many machines as share a folder; after
# any kill, the same command goes on where it was.
#
# segments.sh split INPUT FOLDER [SECONDS [FILTERS [ENCODER OPTION...]]]
# segments.sh upscale FOLDER NUMBER
# segments.sh join FOLDER OUTPUT
#
#   split    lists in FOLDER/segments the parts of INPUT's video, which begin at
#            keyframes and last SECONDS (60) or longer; nothing is copied. FILTERS
#            are mdrn=scale=2 unless given, ENCODER OPTIONs -c:v libx264 -crf 18
#            FILTERS must make one frame of each frame, and look at no other
#   upscale  makes segment NUMBER (a line of FOLDER/segments begins with it), unless
#            it is there
#   join     puts the segments together, with INPUT's sound, subtitles and chapters
#
# FFMPEG and FFPROBE name the programs: ffmpeg-mdrn and ffprobe unless set.
set -euo pipefail
export LC_ALL=C

die() { printf 'segments.sh: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '3,20s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
ffmpeg() { command "${FFMPEG:-ffmpeg-mdrn}" -hide_banner -nostdin -v warning "$@"; }
probe() { command "${FFPROBE:-ffprobe}" -v error "$@"; }

# Number, first timestamp, timestamp behind the last ("-": the video's own ends),
# seconds where it begins, frames; separated by tabs. Timestamps are of the
# stream's unit. Frames are "-" where packets lack timestamps.
list_segments() { # time base, seconds; packets as pts,flags on stdin
    sort -t, -k1,1n | awk -F, -v OFS='\t' -v base="$1" -v seconds="$2" '
        function begin(pts, named) {first[++last] = pts; from[last] = named}
        BEGIN {split(base, unit, "/"); tick = unit[1] / unit[2]}
        $1 !~ /^-?[0-9]+$/ {bare = 1; next}
        $2 ~ /D/ {next}
        !last {begin($1, "-")}
        $2 ~ /K/ && ($1 - first[last]) * tick >= seconds {begin($1, $1)}
        {frames[last]++}
        END {
            from[last + 1] = "-"
            for (n = 1; n <= last; n++)
                print n - 1, from[n], from[n + 1], sprintf("%.6f", first[n] * tick),
                    bare ? "-" : frames[n]
        }'
}

split() { # INPUT FOLDER [SECONDS [FILTERS [OPTION...]]]
    (($# >= 2)) || usage
    local input folder=$2 seconds=${3:-60} filters=${4:-mdrn=scale=2} base
    local options=(-c:v libx264 -crf 18)
    (($# < 5)) || options=("${@:5}")
    input=$(realpath -e -- "$1") || die "$1: there is no such file"
    [[ ! -e $folder/segments ]] || die "$folder/segments exists: go on with upscale, or name another folder"
    [[ $seconds =~ ^[0-9]+([.][0-9]+)?$ ]] || die "'$seconds' is no number of seconds"
    base=$(probe -select_streams V:0 -show_entries stream=time_base -of csv=p=0 "file:$input" | sed -n 1p)
    [[ -n $base ]] || die "$input: there is no video in it"
    mkdir -p "$folder/large"
    ln -sfn "$input" "$folder/input"
    printf '%s\n' "$filters" >"$folder/filters"
    printf '%s\n' "${options[@]}" >"$folder/options"
    probe -select_streams V:0 -show_entries packet=pts,flags -of csv=p=0 "file:$input" |
        list_segments "$base" "$seconds" >"$folder/segments.part"
    [[ -s $folder/segments.part ]] || die "$input: no packet of its video has a timestamp; remux it first"
    mv "$folder/segments.part" "$folder/segments"
    printf '%s: %d segments\n' "$folder" "$(wc -l <"$folder/segments")" >&2
}

frames_of() { probe -select_streams v:0 -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$1" | tr -dc 0-9; }

upscale() { # FOLDER NUMBER
    (($# == 2)) || usage
    local folder=$1 number=$2 from to start frames
    IFS=$'\t' read -r _ from to start frames < <(awk -v n="$number" '$1 == n' "$folder/segments") ||
        die "$folder/segments has no line that begins with '$number'"
    local large=$folder/large/$number.nut
    [[ ! -e $large ]] || return 0

    local trim='' options units=demux
    [[ $from == - ]] || trim+=:start_pts=$from
    [[ $to == - ]] || trim+=:end_pts=$to
    mapfile -t options <"$folder/options"
    [[ $(ffmpeg -version) != 'ffmpeg version 5.'* ]] || units=-1 # the same, by its older name
    # Under a name of its own until it is whole.
    part=$folder/large/.$number.$HOSTNAME.$$.nut
    trap 'rm -f "$part"' EXIT
    enlarge() { # options of the input
        ffmpeg -stats -y -copyts "$@" -i "$folder/input" -map 0:V:0 \
            -vf "${trim:+trim=${trim#:},}$(<"$folder/filters")" \
            -fps_mode passthrough -enc_time_base "$units" "${options[@]}" "$part"
    }
    # Not every file can be sought to the frame: from some seconds earlier, and where frames are
    # missing all the same, from the file's begin.
    local earlier made
    earlier=$(awk -v s="$start" 'BEGIN {printf "%.6f", s - 5}')
    if [[ $from == - || $frames == - ]]; then
        enlarge
    else
        enlarge -noaccurate_seek -seek_timestamp 1 -ss "$earlier"
        made=$(frames_of "$part")
        if [[ $made != "$frames" ]]; then
            echo "segments.sh: segment $number: $made frames of $frames; once more, from the file's begin" >&2
            enlarge
        fi
    fi
    mv "$part" "$large"
}

join() { # FOLDER OUTPUT
    (($# == 2)) || usage
    local folder=$1 output=$2 number start last='' missing=() begin first
    [[ -s $folder/segments ]] || die "$folder/segments: there is no such list; make it with split"
    [[ ! -e $output ]] || die "$output exists; move it away, or name another output"
    # How long a segment lasts is when the next one begins.
    while IFS=$'\t' read -r number _ _ start _; do
        [[ -e $folder/large/$number.nut ]] || missing+=("$number")
        [[ -z $last ]] || awk -v a="$last" -v b="$start" 'BEGIN {printf "duration %.6f\n", b - a}'
        echo "file 'large/$number.nut'"
        last=$start
    done <"$folder/segments" >"$folder/list"
    ((!${#missing[@]})) || die "segments to do: ${missing[*]}"
    part=${output%.*}.part-$$.${output##*.}
    trap 'rm -f "$part"' EXIT
    first=$(head -n 1 "$folder/segments" | cut -f 4)
    begin=$(probe -show_entries format=start_time -of csv=p=0 "$folder/input")
    ffmpeg -stats -itsoffset "$(awk -v a="$first" -v b="$begin" 'BEGIN {printf "%.6f", a - b}')" \
        -f concat -i "$folder/list" -i "$folder/input" -map 0:v:0 -map 1 -map -1:V:0 -map -1:d \
        -map_metadata 1 -map_chapters 1 -c copy "file:$part"
    mv "$part" "$output"
}

case ${1-} in
split|upscale|join) "$@" ;;
*) usage ;;
esac
