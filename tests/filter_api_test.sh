#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# filter_api_test.sh PREFIX [--soak]: the mdrn filter driven by a program through
# libavfilter. PREFIX is what patches/build-ffmpeg.sh VERSION --libraries
# prints; libmdrn is that of build/release. With --soak, for a minute, or as many
# times as long as the environment's MDRN_SOAK says. Further arguments are
# GoogleTest's.
set -euo pipefail
export LC_ALL=C

prefix=${1:?usage: filter_api_test.sh PREFIX [--soak] [--gtest_filter=...]}
shift
soak=0
[[ ${1-} != --soak ]] || { soak=1; shift; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sources=$root/tests/filter
build=$root/build/filter-api/$(basename "$prefix")
mkdir -p "$build"

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
cxx=(c++ -std=c++20 -O1 -g -Wall -Wextra -Wshadow -Wno-missing-field-initializers
    -D__STDC_CONSTANT_MACROS "-DMDRN_SOURCE_DIR=\"$root\"")
! command -v ccache >/dev/null || cxx=(ccache "${cxx[@]}")
read -ra cflags < <(pkg-config --cflags libavfilter gtest)
read -ra libraries < <(pkg-config --static --libs libavfilter gtest)

objects=()
compile() { # names
    objects=()
    local name
    for name; do
        "${cxx[@]}" "${cflags[@]}" -c "$sources/$name.cpp" -o "$build/$name.o"
        objects+=("$build/$name.o")
    done
}
link() { # program [options]
    "${cxx[@]}" -o "$build/$1" "${objects[@]}" "${libraries[@]}" "${@:2}" \
        "-Wl,-rpath,$root/build/release/lib"
}

if ((soak)); then
    compile main harness soak_test
    link filter_soak_test
    programs=(filter_soak_test)
    export GLIBC_TUNABLES=glibc.malloc.tcache_count=0
else
    compile main harness frames_test options_test properties_test reuse_test timing_test
    link filter_api_test
    compile main harness allocation_test
    link filter_allocation_test
    programs=(filter_api_test filter_allocation_test)
fi

device=$root/build/release/lib/emulated
if [[ -e $device/libmdrn_cuda.so ]]; then
    export MDRN_CUDA_LIBRARY=$device/libmdrn_cuda.so
    cxx+=("-I$root/tests/emulator/include")
    name=cuda_test
    ((!soak)) || name=cuda_soak_test
    compile main harness "$name"
    link "filter_$name" "$device/libcuda.so.1" "-Wl,-rpath,$device"
    programs+=("filter_$name")
else
    echo 'skip - CUDA frames: no emulated device (Debian: libboost-context-dev; and cuDNN)'
fi

status=0
for program in "${programs[@]}"; do
    "$build/$program" "$@" || status=$?
    ((status <= 1)) || echo "not ok - $program ended with status $status"
done
exit "$status"
