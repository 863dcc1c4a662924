#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Writes the filter as a patch for FFmpeg's developers, against the newest
# version known here: without what older versions need, and with changelog,
# version, maintainer and FATE tests. The last line on stdout is its path.
#
# upstream.sh [--source TARBALL|GIT|DIRECTORY]
#
# Author and maintainer are git's (git config user.name, user.email).
set -euo pipefail
export LC_ALL=C

# shellcheck source=patches/source.sh
source "$(dirname "${BASH_SOURCE[0]}")/source.sh"

source=''
case ${1-} in
'') ;;
--source) source=$(realpath -e "${2:?--source needs a path}") ;;
*) sed -n '3,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; die "unknown argument: $1" ;;
esac
author=$(git var GIT_AUTHOR_IDENT)
author=${author% <*}

# What is so in the newest version is taken as it is.
newest_only() {
    awk '
    /^#define BEFORE_/ { next }
    /^#if/ {
        deep++
        known[deep] = /^#if !?BEFORE_/ || /^#ifdef AV_(PIX_FMT|FRAME_FLAG)_/
        keep[deep] = !/^#if BEFORE_/
        if (known[deep]) next
    }
    /^#else/ && known[deep] { keep[deep] = !keep[deep]; next }
    /^#endif/ { if (known[deep--]) next }
    {
        for (i = 1; i <= deep; i++)
            if (known[i] && !keep[i]) next
        print
    }' "$1" | cat -s
}

# "version <next>:" is the section of what is not released yet.
add_changelog() {
    awk '
    /^version / && !done {
        if (!/<next>/) {
            print "version <next>:\n- MDRN video filter for enlarging video\n\n"
            done = 1
        } else
            open = 1
    }
    /^$/ && open && !done {
        print "- MDRN video filter for enlarging video"
        done = 1
    }
    { print }' Changelog >Changelog.new
    mv Changelog.new Changelog
}

add_maintainer() {
    awk -v line="$(printf '  %-37s %s' vf_mdrn.c "$author")" '
    /^  vf_/ && $1 > "vf_mdrn" && !done { print line; done = 1 }
    { print }' MAINTAINERS >MAINTAINERS.new
    mv MAINTAINERS.new MAINTAINERS
}

add_version() {
    local minor
    minor=$(awk '/define LIBAVFILTER_VERSION_MINOR/ {print $3}' libavfilter/version.h)
    sed -i -e "/define LIBAVFILTER_VERSION_MINOR/s/[0-9]*\$/$((minor + 1))/" \
        -e '/define LIBAVFILTER_VERSION_MICRO/s/[0-9]*$/100/' libavfilter/version.h
}

version=$(full_version 9.0)
out=$root/build/upstream
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
unpack "$version" "$tree" "$source"
cd "$tree"
git init -q
git add -A
git commit -qm "FFmpeg $version"
add_filter "$version" "$tree" >&2
newest_only "$root/filter/vf_mdrn.c" >libavfilter/vf_mdrn.c
add_changelog
add_maintainer
add_version
git add -A
git commit -qm 'avfilter: add mdrn video filter

It enlarges video two, three or four times with the Multi-level Dispersion
Residual Network, a small convolutional network for super-resolution (CVPR
workshops 2023), through the external library libmdrn. The weights are part
of the library.'
rm -rf "$out"
git format-patch -q -1 -o "$out"
printf '%s\n' "$out"/*.patch
