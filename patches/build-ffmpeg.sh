#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds an ffmpeg with the mdrn filter; the last line on stdout is the path of
# a program to run it with. Build the engine first (cmake --preset release).
#
# build-ffmpeg.sh VERSION|--system [--libraries|--fate] [--sanitize LIST]
#                 [--source TARBALL|GIT|DIRECTORY] [--into DIRECTORY]
#
#   VERSION      5.1, 7.1, 8.1, 9.0 or in full (9.0.2): a static ffmpeg; with
#                CUDA where NVIDIA's headers (ffnvcodec) are installed or apt
#                has them
#   --system     a libavfilter for the distribution's own ffmpeg, which keeps
#                every codec that it has
#   --libraries  no program: libavfilter with mdrn and a few other filters, for
#                programs on its API. The last line is a folder with include/
#                and lib/pkgconfig/ (static: pkg-config --static). It has
#                libmdrn's names only: at run time LD_LIBRARY_PATH or an rpath
#                leads to libmdrn
#   --fate       an ffmpeg with little else than mdrn, for FFmpeg's own tests. The
#                last line is its source, where make fate-filter-mdrn works
#   --sanitize   for -fsanitize=, such as address,undefined; with
#                fuzzer-no-link, clang compiles
#   --source     FFmpeg's source: a tarball, a git repository with FFmpeg's tags,
#                or an unpacked source; otherwise apt or ffmpeg.org is asked
#   --into       with --system: no program; puts the libavfilter there, and the
#                last line is its path
#
# What is built lies in $MDRN_CACHE, ~/.cache/mdrn unless set, and is used again
# while nothing that it was made of has changed.
set -euo pipefail
export LC_ALL=C

# shellcheck source=patches/source.sh
source "$(dirname "${BASH_SOURCE[0]}")/source.sh"
build=$root/build/release
usage() { sed -n '3,29s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# Libraries of filters: configure's name, package, and what shows it is there.
# The first three configure finds by itself, and so did the distribution's.
filter_libraries='
ffnvcodec libffmpeg-nvenc-dev ffnvcodec
vaapi libva-dev libva
vulkan libvulkan-dev vulkan
frei0r frei0r-plugins-dev frei0r
ladspa ladspa-sdk ladspa.h
libass libass-dev libass
libbs2b libbs2b-dev libbs2b
libdrm libdrm-dev libdrm
libflite flite1-dev flite/flite.h
libfontconfig libfontconfig-dev fontconfig
libfreetype libfreetype-dev freetype2
libfribidi libfribidi-dev fribidi
libglslang glslang-dev glslang/Include/glslang_c_interface.h
libharfbuzz libharfbuzz-dev harfbuzz
libmfx libmfx-dev libmfx
libmysofa libmysofa-dev libmysofa
libplacebo libplacebo-dev libplacebo
librubberband librubberband-dev rubberband
libvidstab libvidstab-dev vidstab
libzimg libzimg-dev zimg
libzmq libzmq3-dev libzmq
lv2 liblilv-dev lilv-0
opencl ocl-icd-opencl-dev OpenCL
pocketsphinx libpocketsphinx-dev pocketsphinx
'

# What programs on libavfilter's API are tested with, and what FATE's tests use.
api_filters=mdrn,crop,format,fps,null,scale,setfield,setparams,setsar,settb,showinfo,split,testsrc2,trim,vflip
# movie is there for configure, which only then links what metadata needs.
fate_filters=mdrn,crop,drawbox,format,gblur,metadata,movie,perms,psnr,scale,select,split,testsrc2,trim

version='' kind=ffmpeg sanitize='' source='' into=''
while (($#)); do
    case $1 in
    --system) kind=dropin ;;
    --libraries) kind=libraries ;;
    --fate) kind=fate ;;
    --sanitize) sanitize=${2:?--sanitize needs a list}; shift ;;
    --source) source=$(realpath -e "${2:?--source needs a path}"); shift ;;
    --into) into=${2:?--into needs a path}; shift ;;
    -h|--help) usage; exit 0 ;;
    [0-9]*) version=$(full_version "$1") ;;
    *) usage >&2; die "unknown argument: $1" ;;
    esac
    shift
done

if [[ $kind == dropin ]]; then
    own=$(PATH=/usr/bin:/bin command -v ffmpeg) ||
        die "--system needs the distribution's ffmpeg; install it, or name a version"
    version=$("$own" -version | sed -n '1s/^ffmpeg version [a-z]*\([0-9][0-9.]*\).*/\1/p')
fi
[[ $version =~ ^[1-9][0-9]*(\.[0-9]+)+$ ]] ||
    { usage >&2; die "'$version' is not a version of FFmpeg, such as 9.0"; }

[[ -z $into || $kind == dropin ]] || die '--into goes with --system'
[[ -n $into || -e $build/lib/libmdrn.so.0 ]] ||
    die "no $build/lib/libmdrn.so.0; first: cmake --preset release && cmake --build --preset release"
mkdir -p "$cache/log" "${into:-$build/bin}"

# --- what to build ----------------------------------------------------------

have() { # a pkg-config module, or a header
    case $1 in
    *.h) printf '#include <stdio.h>\n#include <%s>\n' "$1" |
             gcc -E -x c - >/dev/null 2>&1 ;;
    *) pkg-config --exists "$1" ;;
    esac
}

find_flags() {
    flags=(--disable-doc --disable-debug --enable-libmdrn)
    missing=()
    nvidia=''
    command -v nasm >/dev/null || flags+=(--disable-x86asm)
    [[ -z $sanitize ]] || flags+=(--optflags=-O1 "--extra-ldflags=-fsanitize=$sanitize"
        "--extra-cflags=-fsanitize=$sanitize -fno-omit-frame-pointer")
    case $kind in
    ffmpeg)
        nvidia=$(nvidia_headers "$version") # FFmpeg finds them by itself
        flags+=(--disable-ffplay --disable-ffprobe)
        ! have x264 || flags+=(--enable-gpl --enable-libx264)
        ;;
    libraries)
        flags+=(--disable-everything --disable-programs --disable-autodetect --enable-pic
            --disable-avdevice --disable-avformat --disable-avcodec --disable-swresample
            "--enable-filter=$api_filters")
        nvidia=$(nvidia_headers "$version")
        [[ $nvidia == none ]] || flags+=(--enable-ffnvcodec --enable-cuda)
        ;;
    fate)
        flags+=(--disable-everything --disable-autodetect --disable-ffplay --disable-ffprobe
            --enable-demuxer=image2 --enable-decoder=pgmyuv --enable-decoder=rawvideo
            --enable-encoder=pcm_s16le --enable-encoder=rawvideo
            --enable-muxer=framecrc --enable-muxer=nut --enable-protocol=file
            --enable-protocol=md5 --enable-protocol=pipe "--enable-filter=$fate_filters")
        ;;
    dropin) find_dropin_flags ;;
    esac
}

find_dropin_flags() {
    flags+=(--enable-shared --disable-static --disable-programs
        --disable-encoders --disable-decoders --disable-muxers
        --disable-demuxers --disable-parsers --disable-bsfs
        --disable-protocols --disable-hwaccels --disable-avdevice)
    local conf name package sign
    conf=$("$own" -hide_banner -buildconf)
    for name in gpl version3 nonfree; do
        ! grep -qw -e "--enable-$name" <<<"$conf" || flags+=("--enable-$name")
    done
    while read -r name package sign; do
        [[ -n $name ]] || continue
        case $name in
        ffnvcodec|vaapi|vulkan) ;;
        *) grep -qw -e "--enable-$name" <<<"$conf" || continue ;;
        esac
        if ! have "$sign"; then
            missing+=("$package")
        elif grep -qw -e "--enable-$name" <<<"$conf"; then
            flags+=("--enable-$name")
        fi
    done <<<"$filter_libraries"
}

cc=gcc
[[ $sanitize != *fuzzer* ]] || cc=clang # GCC has no libFuzzer
! command -v ccache >/dev/null || cc="ccache $cc"

find_key() {
    {
        printf '%s\n' "$version" "${flags[@]}" "${missing[@]}" "$source" "$nvidia"
        $cc --version
        patches_for "$version" | xargs -d '\n' cat
        cat "$root/filter/vf_mdrn.c" "$root/engine/include/mdrn.h"
    } | sha256sum | cut -c1-16
}

# --- build ------------------------------------------------------------------

# What ffmpeg is compiled and linked with is a folder of its source, so that
# nothing in the cache points elsewhere. The names are enough to link with,
# whatever state the engine is in; at run time the wrapper says where it is.
make_prefix() {
    local mdrn_version
    mdrn_version=$(sed -n 's/^project(mdrn VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt")
    mkdir -p mdrn/include mdrn/lib/pkgconfig
    cp "$root/engine/include/mdrn.h" mdrn/include/
    sed -n 's/^MDRN_API.*[ *]\(mdrn_[a-z_]*\)(.*/void \1(void) {}/p' mdrn/include/mdrn.h |
        gcc -w -fno-builtin -shared -fPIC -Wl,-soname,libmdrn.so.0 -o mdrn/lib/libmdrn.so -x c -
    # shellcheck disable=SC2016  # pkg-config's own variable
    sed -e 's|^prefix=.*|prefix=mdrn|' -e 's|^libdir=.*|libdir=${prefix}/lib|' \
        -e 's|^includedir=.*|includedir=${prefix}/include|' -e '/^[A-Z][a-z]*\.private/d' \
        -e "s|@PROJECT_VERSION@|$mdrn_version|" "$root/engine/libmdrn.pc.in" >mdrn/lib/pkgconfig/libmdrn.pc
}

configure() {
    PKG_CONFIG_PATH=mdrn/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} \
        ./configure --cc="$cc" --prefix="$result" "$@"
}

# One library of another version than FFmpeg wants fails them all.
configure_with_less() {
    local flag few=()
    for flag in "${flags[@]}"; do
        case $flag in
        --enable-lib[!m]*|--enable-libm[!d]*|--enable-frei0r|\
        --enable-ladspa|--enable-lv2|--enable-opencl|\
        --enable-pocketsphinx) ;;
        *) few+=("$flag") ;;
        esac
    done
    say "configure failed; again without the libraries of other filters"
    configure "${few[@]}"
}

compile() { # everything that goes to the log
    set -e
    rm -rf "$work"
    mkdir -p "$work/out"
    unpack "$version" "$work/src" "$source"
    add_filter "$version" "$work/src"
    cd "$work/src"
    make_prefix
    [[ $nvidia != "$nvidia_version" ]] || install_nvidia_headers mdrn
    case $kind in
    ffmpeg)
        configure "${flags[@]}"
        make -j"$(nproc)" ffmpeg
        cp ffmpeg "$work/out/"
        ;;
    libraries)
        configure "${flags[@]}"
        make -j"$(nproc)"
        make DESTDIR="$work/root" install-libs install-headers
        cp -a "$work/root$result/." mdrn/. "$work/out"
        # shellcheck disable=SC2016  # pkg-config's own variable
        sed -i -e "s|^prefix=mdrn|prefix=$result|" -e 's|-Lmdrn/lib|-L${libdir}|' \
            "$work"/out/lib/pkgconfig/*.pc
        ;;
    fate)
        configure "${flags[@]}"
        make -j"$(nproc)" ffmpeg libavfilter/tests/filtfmts tests/data/vsynth1.yuv
        rm -r "$work/out"
        mv "$work/src" "$work/out"
        ;;
    dropin)
        configure "${flags[@]}" || configure_with_less
        make -j"$(nproc)"
        local name
        name=$(sed -n 's/^libavfilter_VERSION_MAJOR=//p' libavfilter/libavfilter.version)
        cp -L "libavfilter/libavfilter.so.$name" "$work/out/"
        strip --strip-unneeded "$work/out/libavfilter.so.$name"
        ;;
    esac
}

install_missing() {
    ((${#missing[@]} && EUID == 0)) || return 0
    command -v apt-get >/dev/null || return 0
    say "installing ${missing[*]}"
    local install=(apt-get install -y --no-install-recommends) package
    DEBIAN_FRONTEND=noninteractive "${install[@]}" "${missing[@]}" \
        >>"$log" 2>&1 && return
    for package in "${missing[@]}"; do
        DEBIAN_FRONTEND=noninteractive "${install[@]}" "$package" \
            >>"$log" 2>&1 || say "could not install $package"
    done
}

fetch_missing() {
    [[ $nvidia == none ]] || return 0
    say "getting NVIDIA's headers"
    fetch_nvidia_headers >>"$log" 2>&1 ||
        say "without CUDA frames: FFmpeg $version needs NVIDIA's headers (ffnvcodec), $nvidia_version or newer"
}

work=$cache/work-$kind-$version
log=$cache/log/$kind-$version.log

exec 9>"$work.lock"
flock 9 # of two at a time, the second finds what the first has built
find_flags
result=$cache/$kind-$version-$(find_key)
if [[ ! -d $result ]]; then
    : >"$log"
    install_missing
    fetch_missing
    find_flags
    result=$cache/$kind-$version-$(find_key)
fi
if [[ ! -d $result ]]; then
    say "building FFmpeg $version; log: $log"
    SECONDS=0
    while sleep 60 >&- 2>&-; do
        say "  $SECONDS s, $(grep -cE '^(CC|X86ASM)' "$log") files compiled"
    done 9>&- &
    ticker=$!
    trap 'kill "$ticker"' EXIT
    set +e
    (compile) >>"$log" 2>&1 9>&-
    status=$?
    set -e
    trap - EXIT
    kill "$ticker"
    wait "$ticker" 2>/dev/null || :
    if ((status)); then
        tail -n 25 "$log" >&2
        [[ ! -f $work/src/ffbuild/config.log ]] ||
            tail -n 5 "$work/src/ffbuild/config.log" >&2
        die "building FFmpeg $version failed; all of it: $log"
    fi
    mv "$work/out" "$result"
    rm -rf "$work"
    say "built in $SECONDS s"
fi
flock -u 9

if [[ -n $into ]]; then
    cp "$result"/libavfilter.so.* "$into"
    printf '%s\n' "$into"/libavfilter.so.*
    exit
fi
if [[ $kind == libraries || $kind == fate ]]; then
    printf '%s\n' "$result"
    exit
fi

# --- the program ------------------------------------------------------------

if [[ $kind == dropin ]]; then
    program=$build/bin/ffmpeg-mdrn
    libraries=$result: run=$own
else
    program=$build/bin/ffmpeg-mdrn-$(cut -d. -f1,2 <<<"$version")
    libraries='' run=$result/ffmpeg
fi
{
    printf '%s\n' '#!/bin/sh' "# ffmpeg $version with the mdrn filter" \
        "here=\$(dirname \"\$(readlink -f \"\$0\")\")"
    # shellcheck disable=SC2016  # for the wrapper's shell
    printf 'LD_LIBRARY_PATH=%q"$here/../lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"\n' "$libraries"
    printf 'export LD_LIBRARY_PATH\nexec %q "$@"\n' "$run"
} >"$program.$$"
chmod +x "$program.$$"
mv "$program.$$" "$program"

"$program" -hide_banner -h filter=mdrn 2>&1 | grep -q '^Filter mdrn' ||
    die "$program does not know the filter: $("$program" -version 2>&1 | tail -n 3)"

filters() { "$1" -hide_banner -filters 2>/dev/null | awk '$3 ~ /->/ {print $2}' | sort; }
if [[ $kind == dropin ]]; then
    lost=$(comm -23 <(filters "$own") <(filters "$program") | tr '\n' ' ')
    [[ -z $lost ]] || say "filters of the distribution's ffmpeg that are missing: $lost"
fi
printf '%s\n' "$program"
