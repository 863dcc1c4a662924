#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The patch for FFmpeg's developers: whole, clean, and it builds.
# shellcheck disable=SC2317  # check calls the functions
set -uo pipefail
export LC_ALL=C
export GIT_AUTHOR_NAME=Tester GIT_AUTHOR_EMAIL=tester@example.org
export GIT_COMMITTER_NAME=Tester GIT_COMMITTER_EMAIL=tester@example.org

# shellcheck source=patches/source.sh
source "$(dirname "${BASH_SOURCE[0]}")/../patches/source.sh"
version=$(full_version 9.0)
# shellcheck source=tests/tap.sh
source "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

touches() {
    local file missing=0
    for file in Changelog MAINTAINERS configure doc/filters.texi libavfilter/Makefile \
        libavfilter/allfilters.c libavfilter/version.h libavfilter/vf_mdrn.c \
        tests/fate/filter-video.mak tests/ref/fate/filter-mdrn tests/ref/fate/filter-pixfmts-mdrn; do
        grep -qx "+++ b/$file" "$patch" || { echo "nothing for $file"; missing=1; }
    done
    return "$missing"
}

applies() {
    mkdir "$tmp/git"
    unpack "$version" "$tmp/git"
    git -C "$tmp/git" init -q
    git -C "$tmp/git" add -A
    git -C "$tmp/git" commit -qm FFmpeg
    git -C "$tmp/git" am --whitespace=error-all "$patch"
}

raises_minor() {
    local was now
    was=$(sed -n 's/^-#define LIBAVFILTER_VERSION_MINOR *//p' "$patch")
    now=$(sed -n 's/^+#define LIBAVFILTER_VERSION_MINOR *//p' "$patch")
    echo "$was to $now"
    ((now == was + 1))
}

# Of patcheck's hints, those left out that it calls vague itself or that are
# wrong for code such as this: av_cold for any name with "end" in it, a brace on
# its own line in arrays of pads, else without braces, comments in functions,
# av_bprintf for printf, shifts for divisions of what may be negative.
patcheck() {
    (
        cd "$tmp" || exit
        git -C git show --format= -- libavfilter/vf_mdrn.c >filter.diff
        git/tools/patcheck filter.diff | sed -e '1,/^License/d' -e 's/\x1b\[[0-9;]*m\?K\?//g' |
            awk '
            /^$/ { title = 1; next }
            title { title = 0; wrong = /av_cold|same line as|possibly unused|Missing changelog|Please use av_log|>> maybe|prior to else|Non doxy/ }
            !wrong && !/^--$/ { print }' >hints
        cat hints
        ! grep -q . hints
    )
}

has_licence_headers() {
    (cd "$tmp/git" && diff <(sh tests/fate/source-check.sh tests) tests/ref/fate/source)
}

builds() { # without a warning, and passes FATE
    tree=$("$root/patches/build-ffmpeg.sh" "$version" --fate | tail -n 1)
    cp -a "$tree" "$tmp/tree"
    cp "$tmp/git/libavfilter/vf_mdrn.c" "$tmp/git/libavfilter/version.h" "$tmp/tree/libavfilter/"
    export LD_LIBRARY_PATH=$root/build/release/lib
    make -C "$tmp/tree" fate-filter-mdrn fate-filter-pixfmts-mdrn >"$tmp/make" 2>&1
    local status=$?
    cat "$tmp/make"
    ((!status)) && ! grep -A4 'vf_mdrn.*warning:' "$tmp/make"
}

patch=$("$root/patches/upstream.sh" 2>"$tmp/log") || { cat "$tmp/log"; echo 'not ok - upstream: no patch'; exit 1; }
check 'all that a new filter changes' touches
check "lavfi's minor version" raises_minor
check 'nothing for older versions' bash -c "! grep -n BEFORE_ '$patch'"
check 'git am, no blanks at line ends' applies
check 'patcheck' patcheck
check 'licence headers' has_licence_headers
check 'builds without warnings, passes FATE' builds
exit $failed
