#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# install_test.sh BUILD: what cmake --install puts into a prefix is enough for a
# program elsewhere, found by pkg-config and by CMake, linked shared and static,
# also after the prefix was moved.
# shellcheck disable=SC2317  # check calls the functions
set -uo pipefail
export LC_ALL=C

build=$(realpath -e "${1:?usage: install_test.sh BUILD}")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/tap.sh
source "$root/tests/tap.sh"

install_and_move() {
    local component
    for component in library development; do
        cmake --install "$build" --prefix "$tmp/first" --component "$component" || return
    done
    mv "$tmp/first" "$tmp/prefix"
}
check 'cmake --install' install_and_move
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$tmp/prefix" -name libmdrn.pc)")
libraries=$(dirname "$PKG_CONFIG_PATH")

by_pkg_config() { # program [--static]
    local flags name=mdrn
    # The archive by its whole name, as the linker prefers the shared library.
    [[ -z ${2-} ]] || name=:libmdrn.a
    read -ra flags < <(pkg-config "${@:2}" --cflags --libs libmdrn)
    cc -Wall -Wextra -Werror -std=c99 -o "$tmp/$1" "$root/samples/enlarge.c" "${flags[@]/#-lmdrn/-l$name}"
}
by_cmake() {
    cmake -S "$root/tests/install" -B "$tmp/elsewhere" -DSAMPLE="$root/samples/enlarge.c" \
        -DCMAKE_PREFIX_PATH="$tmp/prefix" && cmake --build "$tmp/elsewhere" &&
        mv "$tmp"/elsewhere/enlarge_mdrn "$tmp/cmake_shared" &&
        mv "$tmp"/elsewhere/enlarge_mdrn_static "$tmp/cmake_static"
}
refuses_a_later_version() {
    sed 's/find_package(mdrn 0.1/find_package(mdrn 0.2/' "$root/tests/install/CMakeLists.txt" >"$tmp/CMakeLists.txt"
    local said
    ! said=$(cmake -S "$tmp" -B "$tmp/later" -DCMAKE_PREFIX_PATH="$tmp/prefix" 2>&1) && echo "$said" &&
        [[ $said == *'considered but not accepted'*'mdrn-config.cmake, version: 0.1'* ]]
}
check 'pkg-config, shared' by_pkg_config pc_shared
check 'pkg-config, static' by_pkg_config pc_static --static
check 'find_package, shared and static' by_cmake
check 'find_package refuses a later version' refuses_a_later_version

{ printf 'P6\n# a picture of noise\n9 7\n255\n' && head -c $((9 * 7 * 3)) "$build/lib/libmdrn.a"; } >"$tmp/in.ppm"
enlarges() { # program
    LD_LIBRARY_PATH=$libraries "$tmp/$1" "$tmp/in.ppm" "$tmp/$1.ppm" 3 mdrn-s &&
        [[ $(head -n 3 "$tmp/$1.ppm") == $'P6\n27 21\n255' ]] &&
        [[ $(stat -c %s "$tmp/$1.ppm") == $((13 + 27 * 21 * 3)) ]] &&
        cmp "$tmp/$1.ppm" "$tmp/pc_shared.ppm"
}
takes_the_shared() { # program: from the prefix, and from nowhere else
    LD_LIBRARY_PATH=$libraries ldd "$tmp/$1" | tee /dev/stderr | grep "libmdrn.so.0 => $libraries/" >/dev/null
}
takes_no_shared() { ! ldd "$tmp/$1" | grep libmdrn; }
for way in pc cmake; do
    check "$way, shared: it enlarges" enlarges ${way}_shared
    check "$way, shared: with the installed library" takes_the_shared ${way}_shared
    check "$way, static: it enlarges" enlarges ${way}_static
    check "$way, static: without the shared library" takes_no_shared ${way}_static
done

refuses() { # words, arguments
    local said
    ! said=$("$tmp/pc_static" "${@:2}" 2>&1) && echo "$said" && [[ $said == *"$1"* ]]
}
head -c 100 "$tmp/in.ppm" >"$tmp/short.ppm"
printf 'P6 100000 1 255\n' >"$tmp/wide.ppm"
check 'enlarge: a picture cut short' refuses 'ends before its last row' "$tmp/short.ppm" "$tmp/out.ppm"
check 'enlarge: too wide' refuses 'is no binary PPM' "$tmp/wide.ppm" "$tmp/out.ppm"
check 'enlarge: no such picture' refuses 'cannot be opened' "$tmp/none.ppm" "$tmp/out.ppm"
check 'enlarge: a scale that there is not' refuses '2, 3, 4' "$tmp/in.ppm" "$tmp/out.ppm" five
check 'enlarge: a disk that is full' refuses 'could not be written' "$tmp/in.ppm" /dev/full
exit "$failed"
