#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds an ffmpeg with little else than its own dnn_processing filter, which
# computes with the OpenVINO of a Python environment; the last line on stdout is
# the program. It lies in $MDRN_CACHE, ~/.cache/mdrn unless set, and is used
# again while nothing that it was made of has changed.
#
# dnn.sh FOLDER    OpenVINO's package, with include/ and libs/
set -euo pipefail
export LC_ALL=C

# shellcheck source=patches/source.sh
source "$(dirname "${BASH_SOURCE[0]}")/../patches/source.sh"

(($# == 1)) || { sed -n '3,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
openvino=$(realpath -e "$1")
libraries=("$openvino"/libs/libopenvino_c.so.*)
[[ -e ${libraries[0]} && -e $openvino/include/openvino/c/openvino.h ]] ||
    die "$openvino has no include/openvino/c/openvino.h or no libs/libopenvino_c.so.*; it should be what pip installs"

version=$(full_version 8.1)
flags=(--disable-everything --disable-autodetect --disable-doc --disable-debug --disable-ffplay
    --disable-ffprobe --enable-libopenvino --enable-indev=lavfi --enable-demuxer=rawvideo
    "--enable-decoder=rawvideo,wrapped_avframe" "--enable-encoder=rawvideo,wrapped_avframe"
    "--enable-muxer=null,rawvideo" "--enable-protocol=file,pipe"
    "--enable-filter=dnn_processing,format,scale,testsrc2")
command -v nasm >/dev/null || flags+=(--disable-x86asm)
cc=gcc
! command -v ccache >/dev/null || cc="ccache $cc"
key=$({ printf '%s\n' "${flags[@]}" "${libraries[0]}"; $cc --version; cat "${BASH_SOURCE[0]}"; } |
    sha256sum | cut -c1-16)
result=$cache/dnn-$version-$key
work=$cache/work-dnn-$version

# The package has neither the name that a linker looks for nor a .pc file.
make_prefix() {
    ln -s "${libraries[0]}" libopenvino_c.so
    cat >openvino.pc <<END
Name: openvino
Description: OpenVINO of a Python environment
Version: ${libraries[0]##*.}
Cflags: -I$openvino/include
Libs: -L$PWD -lopenvino_c -Wl,-rpath,$openvino/libs
END
}

compile() {
    rm -rf "$work"
    unpack "$version" "$work/src"
    cd "$work/src"
    make_prefix
    PKG_CONFIG_PATH=$PWD ./configure --cc="$cc" "${flags[@]}"
    make -j"$(nproc)" ffmpeg
    mkdir "$work/out"
    cp ffmpeg "$work/out/"
    mv "$work/out" "$result"
    rm -rf "$work"
}

mkdir -p "$cache"
exec 9>"$work.lock"
flock 9 # of two at a time, the second finds what the first has built
if [[ ! -d $result ]]; then
    say "building FFmpeg $version with OpenVINO"
    compile >&2 9>&-
fi
printf '%s\n' "$result/ffmpeg"
