#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Gets zimg, Highway, GoogleTest and nlohmann/json for another system than this
# one, from Debian, and puts them where the toolchain file looks:
# $MDRN_CACHE/cross-SYSTEM, ~/.cache/mdrn unless set.
#
# libraries.sh aarch64    unpacks the packages for arm64; dpkg learns nothing of it
# libraries.sh windows    builds the packages' sources, with mingw-w64
set -euo pipefail
export LC_ALL=C

cross=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MDRN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mdrn}
system=${1-}
case $system in
aarch64) architecture=arm64 ;;
windows) architecture=$(dpkg --print-architecture) ;;
*) sed -n '3,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
place=$cache/cross-$system
[[ ! -d $place ]] || exit 0
mkdir -p "$cache"
work=$(mktemp -d "$cache/cross.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,archives}/partial "$work"/{get,place}

# An apt of its own, which asks Debian's archives for that architecture.
apt=(-q -o Dir::State::Lists="$work/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$work"
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- -o APT::Sandbox::User=
    -o APT::Architecture="$architecture" -o APT::Architectures="$architecture")
# shellcheck disable=SC2016  # apt's own variables
for kind in deb deb-src; do
    apt-get indextargets --format \
        "$kind "'[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(CODENAME) main' \
        'Created-By: Packages' 'Origin: Debian'
done | sort -u >"$work/sources.list"
apt-get "${apt[@]}" update >&2
cd "$work/get"
unpack() { # packages
    apt-get "${apt[@]}" download "$@" >&2
    local deb
    for deb in *.deb; do dpkg -x "$deb" "$work/place"; done
}

if [[ $system == aarch64 ]]; then
    # The libraries themselves have other names in other releases.
    mapfile -t shared < <(apt-cache "${apt[@]}" depends libzimg-dev libhwy-dev |
        sed -n 's/^ *Depends: \(lib\(zimg\|hwy\)[0-9].*\)/\1/p')
    unpack libzimg-dev libhwy-dev libgtest-dev nlohmann-json3-dev "${shared[@]}"
else
    unpack nlohmann-json3-dev
    apt-get "${apt[@]}" source --download-only zimg highway googletest >&2
    for source in *.dsc; do dpkg-source -x "$source" "${source%%_*}" >&2; done
    configure=(-G Ninja -DCMAKE_TOOLCHAIN_FILE="$cross/windows.cmake" -DCMAKE_BUILD_TYPE=Release
        -DCMAKE_INSTALL_PREFIX="$work/place/usr" -DBUILD_TESTING=OFF -DBUILD_SHARED_LIBS=OFF)
    cmake -S highway -B highway/build "${configure[@]}" -DHWY_ENABLE_{TESTS,EXAMPLES,CONTRIB}=OFF >&2
    cmake -S googletest -B googletest/build "${configure[@]}" -DBUILD_GMOCK=OFF >&2
    for name in highway googletest; do cmake --build "$name/build" --target install >&2; done
    (
        cd zimg
        autoreconf -i
        ./configure --host=x86_64-w64-mingw32 --prefix="$work/place/usr" --disable-shared \
            CC=x86_64-w64-mingw32-gcc-posix CXX=x86_64-w64-mingw32-g++-posix \
            C{,XX}FLAGS='-O2 -Wa,-muse-unaligned-vector-move'
        make -j"$(nproc)" install
    ) >&2
fi
# pkg-config is told where the root is.
find "$work/place" -name '*.pc' -exec sed -i "s|$work/place||" {} +
mv "$work/place" "$place"
