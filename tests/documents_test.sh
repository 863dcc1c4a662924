#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# documents_test.sh FFMPEG [FOLDER]: runs the commands of README.md and
# samples/README.md, each block marked sh, on small inputs under the names that they
# use, and looks at what came out. FOLDER has the emulated CUDA device.
# shellcheck disable=SC2317  # check calls the functions
set -uo pipefail
export LC_ALL=C

usage='usage: documents_test.sh FFMPEG [FOLDER]'
mdrn=$(realpath -e "${1:?$usage}") || exit
emulated=$(realpath -m "${2:-/none}")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
pass() { echo "ok - $1"; }
fail() { # name
    echo "not ok - $1"
    tr '\r' '\n' <"$tmp/log" | tr -cd '[:print:]\n' | tail -n 12 | sed 's/^/#   /'
    failed=1
}
check() { # name, command...
    if "${@:2}" >"$tmp/log" 2>&1; then pass "$1"; else fail "$1"; fi
}

# --- what the commands find -------------------------------------------------

mkdir -p "$tmp/bin" "$tmp/dir/frames" && cd "$tmp/dir" || exit
ln -s "$mdrn" "$tmp/bin/ffmpeg-mdrn"
ln -s "$root/samples" samples
cmake --install "$root/build/release" --prefix "$tmp/prefix" --component library >/dev/null &&
    cmake --install "$root/build/release" --prefix "$tmp/prefix" --component development >/dev/null || exit
export PATH=$tmp/bin:$PATH PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$tmp/prefix" -name libmdrn.pc)")

ff() { ffmpeg -v error -nostdin -y "$@"; }
picture=testsrc2=s=96x72:r=25 # hardware encoders refuse less than 145 pixels in width
make_inputs() {
    printf '1\n00:00:00,100 --> 00:00:01,000\nWords\n' >captions.srt
    printf ';FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=One\n' >chapters.txt
    ff -f lavfi -i "$picture:d=3" -f lavfi -i sine=d=3 -c:v libx264 -g 25 -c:a aac in.mp4 &&
        ff -i in.mp4 -t 0.4 -c copy anime.mkv &&
        ff -i in.mp4 -i captions.srt -i chapters.txt -map 0 -map 1 -map 0:a -map_metadata 2 -t 1 -c copy film.mkv &&
        ff -f lavfi -i "$picture:d=0.4,select='mod(n,3)'" -fps_mode passthrough phone.mp4 &&
        ff -f lavfi -i "$picture:d=0.4" -f lavfi -i sine=d=0.4 -vf setfield=tff -c:v mpeg2video -flags +ildct+ilme -c:a mp2 tape.mpg &&
        ff -f lavfi -i "$picture:d=0.2" -pix_fmt yuv420p10le -c:v libx265 -x265-params \
            'log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:repeat-headers=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400' hdr.mkv &&
        ff -f lavfi -i "$picture" -frames:v 1 photo.jpg && ff -i photo.jpg -pix_fmt rgb24 small.ppm &&
        ff -i in.mp4 -frames:v 3 frames/%05d.png && cp in.mp4 long.mkv
}
check 'inputs (made)' make_inputs

# --- what must come out -----------------------------------------------------

entry() { # what, file: of the first video stream or of its first frame
    ffprobe -v error -select_streams v:0 -read_intervals '%+#1' -show_entries "$1" -of default=nw=1:nk=1 "$2" | sed -n 1p
}
is() { # got, expected
    [[ $1 == "$2" ]] || { echo "'$1' instead of '$2'"; return 1; }
}
streams_of() { ffprobe -v error -show_entries stream=codec_type -of csv=p=0 "$1" | sort | uniq -c | tr -s ' \n' ' '; }
times_of() { ffprobe -v error -select_streams v:0 -show_entries packet=pts_time -of csv=p=0 "$1" | sort -n; }
result() { # file: its size and what else it shall have
    local size=192x144
    case $1 in
    out.mp4 | photo-x4.png | large.ppm) size=384x288 ;;
    in-1080.mp4) size=1440x1080 ;;
    esac
    is "$(entry stream=width "$1")x$(entry stream=height "$1")" "$size" || return
    case $1 in
    hdr-x2.mkv)
        is "$(entry stream=pix_fmt "$1")" yuv420p10le && is "$(entry stream=color_transfer "$1")" smpte2084 &&
            is "$(entry stream=color_space "$1")" bt2020nc &&
            ffprobe -v error -read_intervals '%+#1' -show_frames "$1" | tee /dev/stderr |
            grep -A9 'max_luminance=10000000/10000' | grep -c max_content=1000 ;;
    tape-x2.mkv)
        is "$(entry stream=avg_frame_rate "$1")" 50/1 && is "$(entry frame=interlaced_frame "$1")" 0 ;;
    film-x2.mkv | long-x2.mkv)
        local input=${1%-x2.mkv}.mkv
        is "$(streams_of "$1")" "$(streams_of "$input")" &&
            is "$(ffprobe -v error -show_chapters "$1")" "$(ffprobe -v error -show_chapters "$input")" &&
            is "$(times_of "$1" | wc -l)" "$(times_of "$input" | wc -l)" ;;
    phone-x2.mp4) is "$(times_of "$1")" "$(times_of phone.mp4)" ;;
    program.mp4) is "$(times_of "$1")" "$(times_of in.mp4)" ;;
    *.mp4 | live.ts) (($(times_of "$1" | wc -l) >= 40)) ;;
    large/*) is "$(find large -name '*.png' | wc -l)" 3 ;;
    esac
}

# --- the commands -----------------------------------------------------------

why_not() { # block: why it cannot run here
    case $1 in
    *vaapi* | *qsv*) [[ -e /dev/dri/renderD128 ]] || echo 'there is no /dev/dri/renderD128' ;;
    *nvenc* | *'hwaccel cuda'*) [[ -e /dev/nvidia0 ]] || echo 'there is no NVIDIA GPU' ;;
    sbatch*) command -v sbatch || echo 'there is no Slurm; tests/cluster_test.sh has the same with GNU parallel' ;;
    parallel*) command -v parallel >/dev/null || echo 'there is no GNU parallel (Debian: parallel)' ;;
    *'segments.sh join '*) [[ -e work/large/0.nut ]] || echo 'no segment was made' ;;
    *'libavfilter '*) pkg-config --exists libavfilter || echo 'there is no libavfilter-dev' ;;
    *git\ clone* | *'cmake '* | *build-ffmpeg.sh*) echo 'how the project is built: tests/run.sh builds it' ;;
    *tests/run.sh*) echo 'this test is one of those it runs' ;;
    */path/*.safetensors*) [[ -e $weights ]] || echo 'there are no published weights (MDRN_REFERENCE_DIR)' ;;
    esac
}
weights=${MDRN_REFERENCE_DIR-}/reference/weights/mdrn_x4.official.safetensors
live() { ff -re -stream_loop 1 -i in.mp4 -c copy -f mpegts udp://127.0.0.1:23456; }
run_block() { # block
    local run=(bash -euo pipefail -c "${1//\/path\/mdrn_x4.safetensors/$weights}")
    # libavfilter and libmdrn where this ffmpeg has them.
    [[ $1 != *'./'* ]] || run=(env "LD_LIBRARY_PATH=$libraries:$tmp/prefix/lib" "${run[@]}")
    if [[ $1 == *udp:* ]]; then
        { sleep 2; live; } &
        "${run[@]}" </dev/null
        wait $! && [[ -s live.ts ]]
    else
        "${run[@]}" </dev/null
    fi
}
makes() { run_block "$2" && result "$1"; } # file, block
libraries=$(sed -n 's/^LD_LIBRARY_PATH=\([^:]*\):.*/\1/p' "$mdrn")

blocks_of() { # document: its blocks, each ended by a zero byte
    awk '/^```sh$/ {inside = 1; next} /^```$/ {if (inside) printf "%c", 0; inside = 0; next} inside' "$1"
}
count=0
for document in README.md samples/README.md; do
    while IFS= read -r -d '' block; do
        count=$((count + 1)) block=${block%$'\n'}
        last=$(tail -n 1 <<<"$block")
        name="$document: $(cut -c 1-90 <<<"$last")"
        why=$(why_not "$block")
        if [[ -n $why ]]; then
            echo "skip - $name: $why"
            continue
        fi
        rm -f out.mp4
        read -ra words <<<"$last"
        made= # the last word that names a file
        for word in "${words[@]}"; do
            case $word in
            *.mp4 | *.mkv | *.png | *.ts | *.ppm) made=${word/\%05d/00003} ;;
            esac
        done
        case $last in
        *segments.sh\ join* | ffmpeg-mdrn* | ./*) check "$name" makes "$made" "$block" ;;
        *) check "$name" run_block "$block" ;;
        esac
    done < <(blocks_of "$root/$document")
done
check 'blocks were found' test "$count" -ge 24

# --- samples/upscale.c on the emulated device -------------------------------

on_the_device() {
    local folder=$tmp/device
    mkdir "$folder" && ln -s "$emulated"/* "$folder" || return
    LD_LIBRARY_PATH=$folder:$libraries:$tmp/prefix/lib MDRN_CUDA_LIBRARY=$folder/libmdrn_cuda.so \
        MDRN_EMULATED_REPORT=$tmp/report ./upscale -cuda anime.mkv device.mkv mdrn=precision=fp32 ffv1 &&
        LD_LIBRARY_PATH=$libraries:$tmp/prefix/lib ./upscale anime.mkv host.mkv mdrn=device=cpu ffv1 || return
    cat "$tmp/report"
    ! grep -E '^(bytes|contexts|streams|events|graphs) [1-9]|^fault' "$tmp/report" &&
        is "$(times_of device.mkv)" "$(times_of host.mkv)" && [[ -s device.mkv ]] &&
        ffmpeg -v info -i device.mkv -i host.mkv -lavfi psnr -f null - 2>&1 | tee /dev/stderr |
        grep -qE 'PSNR y:.*min:(inf|[5-9][0-9])'
}
if [[ ! -e $emulated/libmdrn_cuda.so ]]; then
    echo "skip - upscale -cuda: there is no libmdrn_cuda.so for the emulated device in $emulated"
elif [[ ! -x upscale ]]; then
    echo 'skip - upscale -cuda: the program was not built'
else
    check 'upscale -cuda, on the emulated device' on_the_device
fi
exit "$failed"
