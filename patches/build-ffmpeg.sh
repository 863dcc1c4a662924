#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds an ffmpeg with the mdrn filter; the last line on stdout is the path of
# a program to run it with. Build the engine first (cmake --preset release).
#
# build-ffmpeg.sh VERSION|--system [--source TARBALL|GIT|DIRECTORY]
#
#   VERSION   5.1, 7.1, 8.1, 9.0 or in full (9.0.2): a static ffmpeg
#   --system  a libavfilter for the distribution's own ffmpeg, which keeps every
#             codec that it has
#   --source  FFmpeg's source: a tarball, a git repository with FFmpeg's tags, or
#             an unpacked source; otherwise apt or ffmpeg.org is asked
#
# What is built lies in $MDRN_CACHE, ~/.cache/mdrn unless set, and is used again
# while nothing that it was made of has changed.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/release
cache=${MDRN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mdrn}

say() { printf '%s\n' "$*" >&2; }
die() { say "build-ffmpeg.sh: $*"; exit 1; }
usage() { sed -n '3,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# Upstream's tarballs.
sha256_of() {
    case $1 in
    5.1.9) echo d9b593bb2ba93d4b50f74177e0cdcd41747e708596367deed0c30348a71dd176 ;;
    7.1.5) echo de668509caf9e35e3cd162473441fdb29538c6d96ed080292b3cf9e6fc5d558f ;;
    8.1.2) echo 464beb5e7bf0c311e68b45ae2f04e9cc2af88851abb4082231742a74d97b524c ;;
    9.0.2) echo 8c3850283eb25fa026482078a04051e0be17347b09ef81a0849bec15a96e002e ;;
    esac
}

# Libraries of filters: configure's name, package, and what shows it is there.
filter_libraries='
frei0r frei0r-plugins-dev frei0r
ladspa ladspa-sdk ladspa.h
libass libass-dev libass
libbs2b libbs2b-dev libbs2b
libdrm libdrm-dev libdrm
libflite flite1-dev flite/flite.h
libfontconfig libfontconfig-dev fontconfig
libfreetype libfreetype-dev freetype2
libfribidi libfribidi-dev fribidi
libharfbuzz libharfbuzz-dev harfbuzz
libmfx libmfx-dev libmfx
libmysofa libmysofa-dev libmysofa
librubberband librubberband-dev rubberband
libvidstab libvidstab-dev vidstab
libzimg libzimg-dev zimg
libzmq libzmq3-dev libzmq
lv2 liblilv-dev lilv-0
opencl ocl-icd-opencl-dev OpenCL
pocketsphinx libpocketsphinx-dev pocketsphinx
vaapi libva-dev libva
'

version='' system=0 source=''
while (($#)); do
    case $1 in
    --system) system=1 ;;
    --source) source=${2:?--source needs a path}; shift ;;
    -h|--help) usage; exit 0 ;;
    [0-9]*) version=$1 ;;
    *) usage >&2; die "unknown argument: $1" ;;
    esac
    shift
done

if ((system)); then
    own=$(PATH=/usr/bin:/bin command -v ffmpeg) ||
        die "--system needs the distribution's ffmpeg; install it, or name a version"
    version=$("$own" -version | sed -n '1s/^ffmpeg version [a-z]*\([0-9][0-9.]*\).*/\1/p')
fi
case $version in
5.1) version=5.1.9 ;;
7.1) version=7.1.5 ;;
8.1) version=8.1.2 ;;
9.0) version=9.0.2 ;;
esac
case $version in
5.1|5.1.*) patch=$root/patches/ffmpeg-5.1.patch ;;
7.1|7.1.*) patch=$root/patches/ffmpeg-7.1.patch ;;
8.1|8.1.*|9.0|9.0.*) patch=$root/patches/ffmpeg-8.1.patch ;;
*) usage >&2; die "no patch for FFmpeg '$version'; there are some for 5.1, 7.1, 8.1 and 9.0" ;;
esac

[[ -e $build/lib/libmdrn.so.0 ]] ||
    die "no $build/lib/libmdrn.so.0; first: cmake --preset release && cmake --build --preset release"
mkdir -p "$cache/source" "$cache/log" "$build/bin"

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
    command -v nasm >/dev/null || flags+=(--disable-x86asm)
    if ((!system)); then
        flags+=(--disable-ffplay --disable-ffprobe)
        ! have x264 || flags+=(--enable-gpl --enable-libx264)
        return
    fi
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
        # configure finds vaapi by itself, and so did the distribution's.
        [[ $name == vaapi ]] || grep -qw -e "--enable-$name" <<<"$conf" || continue
        if have "$sign"; then
            [[ $name == vaapi ]] || flags+=("--enable-$name")
        else
            missing+=("$package")
        fi
    done <<<"$filter_libraries"
}

cc=gcc
! command -v ccache >/dev/null || cc='ccache gcc'

find_key() {
    {
        printf '%s\n' "$version" "$system" "${flags[@]}" "$source"
        gcc --version
        cat "$patch" "$root/filter/vf_mdrn.c" "$root/engine/include/mdrn.h"
    } | sha256sum | cut -c1-16
}

# --- source -----------------------------------------------------------------

check_tarball() { # file: upstream's, where its sum is known
    local want
    want=$(sha256_of "$version")
    [[ -z $want || $(sha256sum <"$1" | cut -d' ' -f1) == "$want" ]]
}

fetch_with_apt() (
    set -e
    dir=$(mktemp -d "$cache/source/apt.XXXXXX")
    trap 'rm -rf "$dir"' EXIT
    # shellcheck disable=SC2016  # apt's own variable
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
        'Origin: Debian' 'Label: Debian' | head -n1)
    [[ -n $uri ]]
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/get"
    options=(-o Dir::Etc::SourceList="$dir/sources.list"
        -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$dir/lists"
        -o Dir::Cache="$dir/cache" -o APT::Sandbox::User=)
    for suite in bookworm trixie sid; do
        printf 'deb-src [signed-by=%s] %s %s main\n' \
            /usr/share/keyrings/debian-archive-keyring.gpg "$uri" "$suite" \
            >"$dir/sources.list"
        apt-get "${options[@]}" update
        full=$(apt-cache "${options[@]}" showsrc ffmpeg |
            sed -n "s/^Version: \(\([0-9]*:\)\?$version-.*\)/\1/p" | head -n1)
        [[ -n $full ]] || continue
        cd "$dir/get"
        apt-get "${options[@]}" source --download-only --tar-only \
            --only-source "ffmpeg=$full"
        mv -- *.orig.tar.xz "$cache/source/ffmpeg-$version.tar.xz"
        exit 0
    done
    exit 1
)

fetch_with_curl() {
    local part=$cache/source/ffmpeg-$version.tar.xz.$$
    [[ -n $(sha256_of "$version") ]] || {
        say "the sum of ffmpeg-$version.tar.xz is not known here; pass it with --source"
        return 1
    }
    curl -fL --retry 2 -o "$part" \
        "https://ffmpeg.org/releases/ffmpeg-$version.tar.xz" &&
        mv "$part" "$cache/source/ffmpeg-$version.tar.xz"
}

unpack() { # into directory
    local tarball=$source
    mkdir -p "$1"
    if [[ -d $source && -f $source/configure && ! -e $source/.git ]]; then
        cp -a "$source/." "$1"
        return
    elif [[ -d $source ]]; then
        git -C "$source" archive "n$version" | tar x -C "$1"
        return
    elif [[ -z $source ]]; then
        tarball=$cache/source/ffmpeg-$version.tar.xz
        if [[ ! -e $tarball ]]; then
            say "getting the source of FFmpeg $version"
            fetch_with_apt || fetch_with_curl || {
                say "cannot get FFmpeg $version; pass its source with --source"
                return 1
            }
        fi
        if ! check_tarball "$tarball"; then
            rm -f "$tarball"
            say "ffmpeg-$version.tar.xz is not upstream's: its sha256 differs"
            return 1
        fi
    fi
    tar xf "$tarball" -C "$1" --strip-components=1
}

# --- build ------------------------------------------------------------------

# A place of its own for what ffmpeg is compiled and linked with, so that
# nothing in the cache points here. At run time the wrapper says where it is.
make_prefix() {
    mkdir -p "$1/include" "$1/lib/pkgconfig"
    cp "$root/engine/include/mdrn.h" "$1/include/"
    # The names are enough to link with, whatever state the engine is in.
    sed -n 's/^MDRN_API.*[ *]\(mdrn_[a-z_]*\)(.*/void \1(void) {}/p' \
        "$root/engine/include/mdrn.h" >"$1/names.c"
    gcc -w -fno-builtin -shared -fPIC -Wl,-soname,libmdrn.so.0 \
        -o "$1/lib/libmdrn.so" "$1/names.c"
    sed -e "s|^prefix=.*|prefix=$1|" -e "s|^libdir=.*|libdir=$1/lib|" \
        -e "s|^includedir=.*|includedir=$1/include|" \
        -e '/^Requires.private/d' -e '/^Libs.private/d' \
        "$build/lib/pkgconfig/libmdrn.pc" >"$1/lib/pkgconfig/libmdrn.pc"
}

configure() {
    PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} \
        ./configure --cc="$cc" "$@"
}

compile() { # everything that goes to the log
    set -e
    rm -rf "$work"
    mkdir -p "$work/out"
    make_prefix "$work/prefix"
    unpack "$work/src"
    cd "$work/src"
    patch -p1 -F0 <"$patch"
    cp "$root/filter/vf_mdrn.c" libavfilter/
    if ! configure "${flags[@]}"; then
        ((system)) || return 1
        # One library of another version than FFmpeg wants fails them all.
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
    fi
    if ((system)); then
        make -j"$(nproc)"
        local name
        name=$(sed -n 's/^libavfilter_VERSION_MAJOR=//p' libavfilter/libavfilter.version)
        cp -L "libavfilter/libavfilter.so.$name" "$work/out/"
        strip --strip-unneeded "$work/out/libavfilter.so.$name"
    else
        make -j"$(nproc)" ffmpeg
        cp ffmpeg "$work/out/"
    fi
}

install_missing() {
    ((system && ${#missing[@]} && EUID == 0)) || return 0
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

kind=ffmpeg
((!system)) || kind=dropin
work=$cache/work-$kind-$version
log=$cache/log/$kind-$version.log

exec 9>"$work.lock"
flock 9 # of two at a time, the second finds what the first has built
find_flags
result=$cache/$kind-$version-$(find_key)
if [[ ! -d $result ]]; then
    : >"$log"
    install_missing
    find_flags
    result=$cache/$kind-$version-$(find_key)
fi
if [[ ! -d $result ]]; then
    say "building FFmpeg $version; log: $log"
    SECONDS=0
    set +e
    (compile) >>"$log" 2>&1 9>&-
    status=$?
    set -e
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

# --- the program ------------------------------------------------------------

if ((system)); then
    program=$build/bin/ffmpeg-mdrn
    libraries=$result: run=$own
else
    program=$build/bin/ffmpeg-mdrn-${version%.*}
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
if ((system)); then
    lost=$(comm -23 <(filters "$own") <(filters "$program") | tr '\n' ' ')
    [[ -z $lost ]] || say "filters of the distribution's ffmpeg that are missing: $lost"
fi
printf '%s\n' "$program"
