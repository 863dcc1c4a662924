# SPDX-License-Identifier: BSD-2-Clause
# FFmpeg's source with the mdrn filter in it; sourced by the scripts beside it.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${MDRN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mdrn}

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

full_version() { # of a release line: the one that it is tested with
    case $1 in
    5.1) echo 5.1.9 ;;
    7.1) echo 7.1.5 ;;
    8.1) echo 8.1.2 ;;
    9.0) echo 9.0.2 ;;
    *) echo "$1" ;;
    esac
}

# Upstream's tarballs.
sha256_of() {
    case $1 in
    5.1.9) echo d9b593bb2ba93d4b50f74177e0cdcd41747e708596367deed0c30348a71dd176 ;;
    7.1.5) echo de668509caf9e35e3cd162473441fdb29538c6d96ed080292b3cf9e6fc5d558f ;;
    8.1.2) echo 464beb5e7bf0c311e68b45ae2f04e9cc2af88851abb4082231742a74d97b524c ;;
    9.0.2) echo 8c3850283eb25fa026482078a04051e0be17347b09ef81a0849bec15a96e002e ;;
    esac
}

patches_for() { # version: its patch, or all of them, the nearest first
    local major minor rest line
    IFS=. read -r major minor rest <<<"$1"
    case $major.$minor in
    5.1|7.1|8.1) echo "$root/patches/ffmpeg-$major.$minor.patch" ;;
    9.0) echo "$root/patches/ffmpeg-8.1.patch" ;;
    *)
        for line in 51 71 81; do
            rest=$((10 * major + minor - line))
            echo "${rest#-} $root/patches/ffmpeg-${line%1}.1.patch"
        done | sort -n | cut -d' ' -f2-
        ;;
    esac
}

check_tarball() { # version file: upstream's, where its sum is known
    local want
    want=$(sha256_of "$1")
    [[ -z $want || $(sha256sum <"$2" | cut -d' ' -f1) == "$want" ]]
}

fetch_with_apt() ( # source package, version, name that the tarball shall have
    set -e
    dir=$(mktemp -d "$cache/source/apt.XXXXXX")
    trap 'rm -rf "$dir"' EXIT
    # shellcheck disable=SC2016  # apt's own variable
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
        'Origin: Debian' 'Label: Debian' | head -n1)
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/get"
    cd "$dir/get"
    for suite in own bookworm trixie sid; do
        if [[ $suite == own ]]; then # what the machine has deb-src lines for
            options=(-o Dir::Cache="$dir/cache" -o APT::Sandbox::User=)
        else
            [[ -n $uri ]]
            printf 'deb-src [signed-by=%s] %s %s main\n' \
                /usr/share/keyrings/debian-archive-keyring.gpg "$uri" "$suite" \
                >"$dir/sources.list"
            options=(-o Dir::Etc::SourceList="$dir/sources.list"
                -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$dir/lists"
                -o Dir::Cache="$dir/cache" -o APT::Sandbox::User=)
            apt-get "${options[@]}" update
        fi
        full=$(apt-cache "${options[@]}" showsrc "$1" 2>/dev/null |
            sed -n "s/^Version: \(\([0-9]*:\)\?$2-.*\)/\1/p" | head -n1)
        [[ -n $full ]] || continue
        apt-get "${options[@]}" source --download-only --tar-only \
            --only-source "$1=$full"
        mv -- *.orig.tar.xz "$3"
        exit 0
    done
    exit 1
)

fetch_with_curl() { # version, name that the tarball shall have
    [[ -n $(sha256_of "$1") ]] || say "ffmpeg-$1.tar.xz from ffmpeg.org: its sum is not known here"
    curl -fL --retry 2 -o "$2.$$" "https://ffmpeg.org/releases/ffmpeg-$1.tar.xz" &&
        mv "$2.$$" "$2"
}

unpack() { # version directory [tarball, git repository or unpacked source]
    local tarball=${3-}
    mkdir -p "$2"
    if [[ -e $tarball/.git || -f $tarball/HEAD ]]; then
        git -C "$tarball" archive "n$1" | tar x -C "$2" && return
        say "$tarball: FFmpeg $1 is not in this repository as the tag n$1"
        return 1
    elif [[ -d $tarball ]]; then
        [[ -f $tarball/configure ]] || { say "$tarball is no FFmpeg source: it has no configure"; return 1; }
        cp -a "$tarball/." "$2"
        return
    elif [[ -z $tarball ]]; then
        tarball=$cache/source/ffmpeg-$1.tar.xz
        if [[ ! -e $tarball ]]; then
            say "getting the source of FFmpeg $1"
            mkdir -p "$cache/source"
            fetch_with_apt ffmpeg "$1" "$tarball" || fetch_with_curl "$1" "$tarball" || {
                say "cannot get FFmpeg $1; pass its source with --source"
                return 1
            }
        fi
        if ! check_tarball "$1" "$tarball"; then
            rm -f "$tarball"
            say "ffmpeg-$1.tar.xz is not upstream's: its sha256 differs"
            return 1
        fi
    fi
    tar xf "$tarball" -C "$2" --strip-components=1
}

# NVIDIA's headers, without which FFmpeg is built without CUDA. What is as old as
# Debian 12's, FFmpeg takes up to version 5.
nvidia_version=12.1.14.0
nvidia_tarball=$cache/source/nv-codec-headers-$nvidia_version.tar.xz
nvidia_sha256=0ca1a0c85b149646fa6ce4d600584507fdccf5a23d58e668d8701e89cee0c3fb

nvidia_headers() { # version of FFmpeg: prints where they come from
    local module="ffnvcodec >= $nvidia_version"
    [[ $1 != 5.* ]] || module=ffnvcodec
    if pkg-config --exists "$module"; then
        echo installed
    elif [[ -e $nvidia_tarball ]]; then
        echo "$nvidia_version"
    else
        echo none
    fi
}

fetch_nvidia_headers() {
    mkdir -p "$cache/source"
    fetch_with_apt nv-codec-headers "$nvidia_version" "$nvidia_tarball" &&
        sha256sum --status -c - <<<"$nvidia_sha256  $nvidia_tarball" && return
    rm -f "$nvidia_tarball"
    return 1
}

install_nvidia_headers() { # prefix, in the directory where it is
    mkdir nv-codec-headers
    tar xf "$nvidia_tarball" -C nv-codec-headers --strip-components=1
    make -C nv-codec-headers DESTDIR="$PWD/" PREFIX="$1" install
}

# What FATE compares with. Formats and their tags in NUT differ between lines.
add_references() { # patch directory
    local line=${1##*ffmpeg-}
    cp "$root/patches/fate/filter-mdrn" "$2/tests/ref/fate/"
    cp "$root/patches/fate/filter-pixfmts-mdrn-${line%.patch}" "$2/tests/ref/fate/filter-pixfmts-mdrn"
}

add_filter() { # version directory
    local patch
    while read -r patch; do
        if patch -d "$2" -p1 -F0 --dry-run <"$patch" >/dev/null; then
            patch -d "$2" -p1 -F0 --no-backup-if-mismatch <"$patch"
            cp "$root/filter/vf_mdrn.c" "$2/libavfilter/"
            add_references "$patch" "$2"
            return
        fi
    done < <(patches_for "$1")
    say "no patch applies to FFmpeg $1; there are some for 5.1, 7.1, 8.1 and 9.0"
    return 1
}
