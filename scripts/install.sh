#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs what building mdrn needs and this machine lacks (Debian, Ubuntu).
#
# install.sh [--training | --tests | --all]
#
#   --training  also what mdrn-train needs
#   --tests     that, and what the tests need
#   --all       that, and what tests/run.sh --all needs: tools for packages, and
#               for building and testing for other systems
set -euo pipefail

packages=(build-essential ca-certificates ccache cmake dpkg-dev ffmpeg libhwy-dev libzimg-dev
    nasm ninja-build nlohmann-json3-dev patch pkg-config)
optional=()
training=(libavformat-dev libcli11-dev liblmdb-dev libswscale-dev libyaml-cpp-dev libzip-dev)
torch=(libgloo-dev libonnx-dev libtorch-dev) # not in every release
tests=(libavfilter-dev libboost-context-dev libgtest-dev libpng-dev parallel)
others=(debootstrap lintian g++-aarch64-linux-gnu qemu-user-static
    g++-mingw-w64-x86-64 autoconf automake libtool wine64)
case ${1-} in
'') ;;
--training)
    packages+=("${training[@]}")
    optional=("${torch[@]}")
    ;;
--tests | --all)
    packages+=("${training[@]}" "${tests[@]}")
    optional=("${torch[@]}" clang libclang-rt-14-dev)
    [[ $1 != --all ]] || optional+=("${others[@]}")
    ;;
*) echo "install.sh: unknown argument: $1" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install.sh: no apt here; what is needed, by Debian's names: ${packages[*]}" >&2
    exit 0
fi

# A program from elsewhere serves as well as its package.
present() {
    case $1 in
    ccache|cmake|nasm|patch|pkg-config|clang) ! command -v "$1" >/dev/null || return 0 ;;
    ninja-build) ! command -v ninja >/dev/null || return 0 ;;
    esac
    [[ $(dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null) == *'ok installed'* ]]
}
lacking() {
    local package
    for package; do
        present "$package" || printf '%s\n' "$package"
    done
}
mapfile -t missing < <(lacking "${packages[@]}")
mapfile -t wanted < <(lacking "${optional[@]}")
((${#missing[@]} + ${#wanted[@]})) || exit 0

if [[ $(id -u) == 0 ]]; then
    root=()
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 && -t 2 ]]; }; then
    root=(sudo)
elif ((${#missing[@]})); then
    echo "install.sh: packages are missing, and installing them needs root. Type:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
    exit 1
else
    echo "Left out, for want of root: ${wanted[*]}" >&2
    exit 0
fi
apt=(${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -q)
installable() { apt-get install -s "$@" >/dev/null 2>&1; }

installable "${missing[@]}" "${wanted[@]}" || "${apt[@]}" update >&2
if ((${#missing[@]})); then
    echo "Installing: ${missing[*]}" >&2
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2 </dev/null || {
        # Lists older than the mirror name files that are gone.
        "${apt[@]}" update >&2
        "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2 </dev/null
    }
fi
for package in ${wanted[@]+"${wanted[@]}"}; do
    installable "$package" || { echo "Left out, unknown to apt: $package" >&2; continue; }
    "${apt[@]}" install -y --no-install-recommends "$package" >&2 </dev/null ||
        echo "Left out, could not be installed: $package" >&2
done
