#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# cluster_test.sh FFMPEG: samples/cluster/segments.sh. What it joins has the frames
# and timestamps of a single run, to the bit, also when a worker was killed.
# shellcheck disable=SC2317  # check calls the functions
set -uo pipefail
export LC_ALL=C

export FFMPEG
FFMPEG=$(realpath -e "${1:?usage: cluster_test.sh FFMPEG}") || exit
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
segments=$root/samples/cluster/segments.sh
mdrn=mdrn=model=mdrn-s:device=cpu
units=demux
[[ $("$FFMPEG" -version) != 'ffmpeg version 5.'* ]] || units=-1
# shellcheck source=tests/tap.sh
source "$root/tests/tap.sh"
cd "$tmp" || exit
says() { # words, command that fails with them
    local said
    ! said=$("${@:2}" 2>&1) && echo "$said" && [[ $said == *"$1"* ]]
}

# --- inputs -----------------------------------------------------------------

make() { # file, options behind the sources: 6 s, a frame missing here and there
    ffmpeg -v error -nostdin -f lavfi -i "testsrc2=s=32x24:r=25:d=6,noise=alls=20:allf=t,select='mod(n,7)'" \
        -f lavfi -i sine=d=6 -i captions.srt -i chapters.txt -fps_mode passthrough -map_metadata 3 \
        -map 0 -map 1 "${@:2}" "$1"
}
printf '1\n00:00:01,000 --> 00:00:05,000\nWords\n' >captions.srt
printf ';FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=3\ntitle=One\n' >chapters.txt
printf '[CHAPTER]\nTIMEBASE=1/1\nSTART=3\nEND=6\ntitle=Two\n' >>chapters.txt
make film.mkv -map 2 -c:v libx264 -g 20 -bf 3 -c:a flac
make late.mp4 -c:v libx264 -g 20 -bf 3 -c:a aac -output_ts_offset 2.5
make open.mkv -c:v libx265 -x265-params log-level=error:keyint=20:min-keyint=20:open-gop=1:bframes=3
make stream.ts -c:v mpeg2video -g 12 -bf 2 -c:a mp2
make unsought.avi -c:v mpeg4 -g 20 -fps_mode cfr -c:a mp2

frames_of() { # file: each frame's timestamp, size and hash
    ffmpeg -v error -nostdin -i "$1" -map 0:v:0 -fps_mode passthrough -enc_time_base -1 -f framehash - |
        grep -v '^#software'
}
once() { # input, output: what the whole must be
    "$FFMPEG" -v error -nostdin -i "$1" -map 0 -map -0:d -vf "$mdrn" -fps_mode passthrough \
        -enc_time_base "$units" -c copy -c:v ffv1 "$2"
}
same_as_once() { # input, joined
    [[ -e once-$1.mkv ]] || once "$1" "once-$1.mkv" || return
    frames_of "once-$1.mkv" >expected
    frames_of "$2" >got
    [[ $(grep -vc '^#' expected) -ge 120 ]] && diff expected got
}

# --- one worker, each kind of input -----------------------------------------

one_worker() { # input
    local number
    "$segments" split "$1" "work-$1" 1 "$mdrn" -c:v ffv1 || return
    (($(wc -l <"work-$1/segments") >= 4)) || { cat "work-$1/segments"; return 1; }
    while read -r number _; do
        "$segments" upscale "work-$1" "$number" || return
    done <"work-$1/segments"
    "$segments" join "work-$1" "joined-$1.mkv" && same_as_once "$1" "joined-$1.mkv"
}
for input in film.mkv late.mp4 open.mkv stream.ts unsought.avi; do
    check "$input: joined, it is what one run makes" one_worker "$input"
done
same_rest() { # input
    local file
    for file in once joined; do
        ffprobe -v error -show_chapters -show_entries stream=codec_name "$file-$1.mkv" &&
            ffmpeg -v error -i "$file-$1.mkv" -map 0:a -f framehash - || return
    done >rest # both, one behind the other
    [[ $(grep -c codec_name=ffv1 rest) == 2 ]] && diff <(head -n $(($(wc -l <rest) / 2)) rest) \
        <(tail -n $(($(wc -l <rest) / 2)) rest)
}
check 'sound, subtitles and chapters are there' same_rest film.mkv
check 'sound and video are as far apart' same_rest late.mp4

# --- refused ----------------------------------------------------------------

check 'split: a folder in use' says 'go on with upscale' "$segments" split film.mkv work-film.mkv
check 'split: no such file' says 'there is no such file' "$segments" split none.mkv work-none
check 'split: no video' says 'no video' "$segments" split captions.srt work-none
check 'split: no seconds' says 'no number of seconds' "$segments" split film.mkv work-none soon
check 'upscale: no such segment' says "begins with '77'" "$segments" upscale work-film.mkv 77
check 'join: output exists' says 'exists' "$segments" join work-film.mkv joined-film.mkv.mkv

# --- GNU parallel, a worker killed ------------------------------------------

by_parallel() { parallel -a work/segments --colsep '\t' -j 2 "$segments" upscale work '{1}'; }
kill_a_worker() { # as soon as it is at segment 2
    local pid='' i workers
    by_parallel &
    workers=$!
    for ((i = 0; i < 300; i++)); do
        pid=$(find work/large -name '.2.*.nut' -size +0 | sed 's/.*[.]\([0-9]*\)[.]nut/\1/')
        [[ -z $pid ]] || break
        sleep 0.1
    done
    [[ -n $pid ]] && kill -9 "$pid" && kill -9 "$(pgrep -f "^[^ ]*ffmpeg .*/.2.*.$pid.nut")"
    ! wait "$workers" && [[ ! -e work/large/2.nut && -e work/large/1.nut ]]
}
if ! command -v parallel >/dev/null; then
    echo 'skip - GNU parallel: it is not installed (Debian: parallel)'
else
    # At the speed of 3 s of video a second, for the killer to meet it.
    "$segments" split film.mkv work 1 "$mdrn,realtime=speed=3" -c:v ffv1 2>/dev/null
    check 'a killed worker is a failure' kill_a_worker
    check 'what is to do is said' says 'segments to do: 2' "$segments" join work joined.mkv
    made=$(stat -c %y work/large/1.nut)
    check 'the same command goes on' by_parallel
    check 'what was done is not done again' test "$made" == "$(stat -c %y work/large/1.nut)"
    check 'join' "$segments" join work joined.mkv
    check 'killed and resumed, it is what one run makes' same_as_once film.mkv joined.mkv
fi
exit "$failed"
