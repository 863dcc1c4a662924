#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# How an ffmpeg with the filter comes about: from each form of FFmpeg's source,
# for versions that there is a patch for and others, with nothing but the filter,
# and from two checkouts of this project on one machine.
# shellcheck disable=SC2317  # check calls the functions
set -uo pipefail
export LC_ALL=C

# shellcheck source=patches/source.sh
source "$(dirname "${BASH_SOURCE[0]}")/../patches/source.sh"
version=$(full_version 5.1)
# shellcheck source=tests/tap.sh
source "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
says() { # words, command that fails with them
    local said
    ! said=$("${@:2}" 2>&1) || { echo "no error from ${*:2}"; return 1; }
    echo "$said"
    [[ $said == *"$1"* ]]
}

# --- source -----------------------------------------------------------------

same_from() { # form
    unpack "$version" "$tmp/again" "$1" && diff -r -x .git "$tmp/source" "$tmp/again"
    local status=$?
    rm -rf "$tmp/again"
    return "$status"
}
# The whole of FFmpeg, of which the other forms get what patches change: writing
# and removing thousands of files takes minutes on a slow disk.
first() {
    unpack "$version" "$tmp/whole" && mkdir "$tmp/source" && cd "$tmp/whole" &&
        cp -a --parents configure doc/filters.texi libavfilter/{Makefile,allfilters.c,version.h} \
            tests/fate/filter-video.mak tests/ref/fate/filter-metadata-* "$tmp/source" &&
        tar c --transform 's,^\.,ffmpeg,' -C "$tmp/source" . | xz >"$tmp/ffmpeg.tar.xz" &&
        rm -rf "$tmp/whole"
}
make_repository() {
    cp -a "$tmp/source" "$tmp/git" && cd "$tmp/git" && git init -q && git add -Af &&
        git -c user.name=Tester -c user.email=tester@example.org commit -qm FFmpeg &&
        git tag "n$version" && git clone -q --bare "$tmp/git" "$tmp/bare.git"
}

check 'source: the archive that is kept' first
check 'source: a tarball' same_from "$tmp/ffmpeg.tar.xz"
check 'source: a directory' same_from "$tmp/source"
check 'source: a git repository (made)' make_repository
check 'source: a git repository' same_from "$tmp/git"
check 'source: a bare git repository' same_from "$tmp/bare.git"
check 'source: no such tag is said' says 'as the tag n5.1.1' unpack 5.1.1 "$tmp/none" "$tmp/git"
check 'source: an empty directory is said' says 'no configure' unpack "$version" "$tmp/none" "$tmp/none"

# --- versions ---------------------------------------------------------------

build=$root/patches/build-ffmpeg.sh
patched() { # version: an older source that says it is that one
    cp -a "$tmp/source" "$tmp/patched" && add_filter "$1" "$tmp/patched" &&
        [[ -f $tmp/patched/libavfilter/vf_mdrn.c ]]
}
moved() { # a source whose lines are not where any patch expects them
    cp -a "$tmp/source" "$tmp/moved" &&
        sed -i 's/^mcdeint_filter_deps=.*/mcdeint_filter_deps="moved"/' "$tmp/moved/configure"
}

check 'versions: the nearest patch that applies, not the nearest' patched 6.9
check 'versions: none applies (made)' moved
check 'versions: none applies is said' says 'no patch applies to FFmpeg 7.0' add_filter 7.0 "$tmp/moved"
check 'versions: nothing is half patched' test ! -e "$tmp/moved/libavfilter/vf_mdrn.c"
check 'versions: a word is said not to be one' says "unknown argument: banana" "$build" banana
check 'versions: none is said' says 'is not a version of FFmpeg' "$build" --libraries

# --- alone ------------------------------------------------------------------

alone() {
    local tree
    tree=$("$build" 9.0 --fate | tail -n 1)
    mkdir "$tmp/alone" && tar c -C "$tree" --exclude=./tests/ref --exclude='*.[ado]' . | tar x -C "$tmp/alone" &&
        cd "$tmp/alone" || return
    export PATH=/usr/lib/ccache:$PATH PKG_CONFIG_PATH=mdrn/lib/pkgconfig
    ./configure --disable-everything --enable-filter=mdrn --enable-libmdrn &&
        make -j"$(nproc)" &&
        LD_LIBRARY_PATH=$root/build/release/lib ./ffmpeg -hide_banner -h filter=mdrn 2>&1 |
        grep '^Filter mdrn'
}
check 'alone: --disable-everything --enable-filter=mdrn --enable-libmdrn' alone

# --- two checkouts ----------------------------------------------------------
# This one, and a copy with other words in the filter and in the engine.

make_copy() {
    mkdir "$tmp/copy" &&
        (cd "$root" && git ls-files -z | xargs -0 cp -P --parents -t "$tmp/copy") &&
        sed -i 's/"Enlarge video with/"The copy: enlarge video with/' "$tmp/copy/filter/vf_mdrn.c" &&
        sed -i 's/"cannot be opened/"The copy: cannot be opened/' "$tmp/copy/engine/os.cpp"
}
program_of() { # checkout
    (
        cd "$1" && cmake --preset release -DBUILD_TESTING=OFF >&2 &&
            cmake --build --preset release --target mdrn >&2 &&
            patches/build-ffmpeg.sh --system | tail -n 1
    )
}
words_of() { # program: those of its filter, and of its engine
    "$1" -hide_banner -h filter=mdrn 2>&1 | grep -A1 '^Filter mdrn'
    "$1" -hide_banner -v error -f lavfi -i color=s=16x16:d=0.1,mdrn=model=/nowhere.safetensors \
        -f null - 2>&1 | grep -m1 'cannot be opened'
}
is_the_copy() { [[ $(words_of "$1" | tee /dev/stderr | grep -c 'The copy: ') == 2 ]]; }
is_this() { [[ $(words_of "$1" | tee /dev/stderr | grep -ciE '(: |^ *)enlarge video|cannot be opened') == 2 ]] &&
    ! words_of "$1" | grep 'The copy: '; }

mine=$("$build" --system 2>"$tmp/log" | tail -n 1)
check 'two checkouts: this one' is_this "$mine"
check 'two checkouts: a copy (made)' make_copy
copys=$(program_of "$tmp/copy" 2>"$tmp/log" | tail -n 1)
check "two checkouts: the copy's filter and engine" is_the_copy "$copys"
check 'two checkouts: this one as before' is_this "$mine"
"$build" --system >/dev/null 2>&1
check 'two checkouts: this one, looked up anew' is_this "$mine"
check 'two checkouts: the copy as before' is_the_copy "$copys"
exit $failed
