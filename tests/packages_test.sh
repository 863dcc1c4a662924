#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# packages_test.sh FOLDER: the Debian packages in it are installed, used and
# removed, each in a system that has had nothing else of ours, and nothing is
# left of them. The system is made by debootstrap, and kept in $MDRN_CACHE.
# shellcheck disable=SC2016,SC2317  # apt and a shell inside expand variables; check calls the functions
set -uo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

packages=$(realpath -e "${1:?usage: packages_test.sh FOLDER}") || exit
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${MDRN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mdrn}
# shellcheck source=tests/tap.sh
source "$root/tests/tap.sh"

debs=("$packages"/*.deb)
built() { [[ -n $(find "$packages" -name "$1_*.deb") ]]; } # package
[[ -e ${debs[0]} ]] || { echo "not ok - there are no packages in $packages"; exit 1; }

# --- lintian ----------------------------------------------------------------

without_errors() {
    # The address is that of who builds them; there need not be one.
    lintian --allow-root --fail-on error --tag-display-limit 0 "${debs[@]}" --suppress-tags \
        bogus-mail-host,bogus-mail-host-in-debian-changelog,root-in-contact
}
if command -v lintian >/dev/null; then
    check 'lintian finds no error' without_errors
else
    echo 'skip - no lintian here (Debian: lintian)'
fi

# --- a system of its own ----------------------------------------------------

if ! command -v debootstrap >/dev/null; then
    echo 'skip - installed, used and removed: no debootstrap here (Debian: debootstrap)'
    exit "$failed"
elif ! unshare --mount true 2>/dev/null; then
    echo 'skip - installed, used and removed: chroot and mount need root'
    exit "$failed"
fi

release=$(. /etc/os-release && echo "$VERSION_CODENAME")
clean=$cache/root-$release-$(dpkg --print-architecture)
sources() { # deb lines of the distribution's own archives
    apt-get indextargets --format "$1" 'Created-By: Packages' 'Origin: Debian' | sort -u
}
make_clean() {
    [[ ! -d $clean ]] || return 0
    mkdir -p "$cache/debs" && rm -rf "$clean.part" &&
        debootstrap --variant=minbase --include=g++,pkg-config "$release" "$clean.part" \
            "$(sources '$(REPO_URI)' | head -n 1)" &&
        sources 'deb $(REPO_URI) $(CODENAME) $(COMPONENT)' >"$clean.part/etc/apt/sources.list" &&
        echo force-unsafe-io >"$clean.part/etc/dpkg/dpkg.cfg.d/unsafe-io" &&
        printf '%s\n' 'APT::Sandbox::User "root";' 'APT::Install-Recommends "false";' \
            'Binary::apt::APT::Keep-Downloaded-Packages "true";' >"$clean.part/etc/apt/apt.conf.d/test" &&
        mv "$clean.part" "$clean"
}
inside() { # command, in the system; nothing stays mounted
    # shellcheck disable=SC2016  # for the inner shell
    unshare --mount sh -ec 'root=$1 debs=$2
        shift 2
        mount -t proc proc "$root/proc"
        mount --bind "$debs" "$root/var/cache/apt/archives"
        exec chroot "$root" "$@"' - "$tmp/system" "$cache/debs" "$@" </dev/null
}
make_root() {
    cp -a "$clean" "$tmp/system" && inside apt-get -q update && inside apt-get -qy dist-upgrade &&
        mkdir "$tmp/system/debs" && cp "${debs[@]}" "$root/samples/enlarge.c" "$tmp/system/debs" &&
        files >"$tmp/before"
}
files() { # of the system, but what dpkg, apt and the linker note for themselves
    (cd "$tmp/system" && find . \( -path ./debs -o -path ./var/cache -o -path ./var/lib/apt -o -path ./var/lib/dpkg \
        -o -path ./var/log -o -path ./tmp -o -path ./run -o -path './etc/*-' -o -name '*~' -o -name '__pycache__' \) -prune -o -print | sort)
}
check 'a clean system (made)' make_clean
check 'a copy of it (made)' make_root
[[ -s $tmp/before ]] || exit 1

install() { # packages
    inside sh -c "apt-get -qy install $(printf ' /debs/%s_*.deb' "$@")"
}
nothing_is_left() { # packages
    inside apt-get -qy purge "$@" && inside apt-get -qy autoremove --purge && files >"$tmp/after" &&
        diff "$tmp/before" "$tmp/after" &&
        ! grep -E '^Package: (lib)?mdrn' "$tmp/system/var/lib/dpkg/status"
}

# --- libmdrn0, libmdrn-dev --------------------------------------------------

{ printf 'P6\n9 7\n255\n' && head -c $((9 * 7 * 3)) "$root/samples/enlarge.c"; } >"$tmp/in.ppm"
cp "$tmp/in.ppm" "$tmp/system/debs"
compile() {
    inside sh -ec 'cd /debs
        cc -o shared enlarge.c $(pkg-config --cflags --libs libmdrn)
        cc -o static enlarge.c $(pkg-config --static --cflags --libs libmdrn | sed s/-lmdrn/-l:libmdrn.a/)'
}
enlarges() { # program
    inside "/debs/$1" /debs/in.ppm "/debs/$1.ppm" 3 mdrn-s &&
        (($(stat -c %s "$tmp/system/debs/$1.ppm") == 13 + 27 * 21 * 3)) &&
        cmp "$tmp/system/debs/static.ppm" "$tmp/system/debs/$1.ppm"
}
fails_without_it() { ! inside /debs/shared /debs/in.ppm /debs/none.ppm; }
check 'libmdrn-dev: installed' install libmdrn0 libmdrn-dev
check 'libmdrn-dev: a program is compiled' compile
check 'libmdrn-dev: the static one enlarges' enlarges static
check 'libmdrn-dev: the shared one too' enlarges shared
check 'libmdrn-dev: removed, nothing is left' nothing_is_left libmdrn0 libmdrn-dev
check 'libmdrn0: without it the program fails' fails_without_it
check 'libmdrn0: installed' install libmdrn0
check 'libmdrn0: the program enlarges' enlarges shared
check 'libmdrn0: removed, nothing is left' nothing_is_left libmdrn0

# --- mdrn-ffmpeg, libmdrn-cuda ----------------------------------------------

# What the package wants, and what the distribution has by now.
if built mdrn-ffmpeg; then
    wanted=$(dpkg -f "$packages"/mdrn-ffmpeg_*.deb Depends | sed 's/^ffmpeg (= \([^)]*\)).*/\1/')
    offered=$(inside apt-cache policy ffmpeg | sed -n 's/^ *Candidate: //p')
fi
upscales() { # filter's options, as the library in the package does
    inside ffmpeg-mdrn -hide_banner -v error -f lavfi -i testsrc2=s=32x24:d=0.08:r=25 \
        -vf "mdrn=$1" -f framemd5 - | tee /dev/stderr | grep -c '^0, .* 10368, ' | grep -qx 2
}
filters() { inside "$1" -hide_banner -filters | awk '$3 ~ /->/ {print $2}' | sort; }
one_filter_more() {
    filters ffmpeg >"$tmp/its" && filters ffmpeg-mdrn >"$tmp/ours" &&
        (($(wc -l <"$tmp/its") > 300)) && [[ $(comm -13 "$tmp/its" "$tmp/ours") == mdrn ]] &&
        [[ -z $(comm -23 "$tmp/its" "$tmp/ours" | tee /dev/stderr) ]]
}
no_gpu() { # words
    local said
    ! said=$(inside ffmpeg-mdrn -v error -f lavfi -i color=s=16x16:d=0.1 -vf mdrn=device=cuda -f null - 2>&1) &&
        echo "$said" && [[ $said == *"$1"* ]]
}
if ! built mdrn-ffmpeg; then
    echo 'skip - mdrn-ffmpeg: not built'
elif [[ $wanted != "$offered" ]]; then
    echo "skip - mdrn-ffmpeg: it is for ffmpeg $wanted, the distribution has $offered by now"
else
    check 'mdrn-ffmpeg: installed' install libmdrn0 mdrn-ffmpeg
    check 'mdrn-ffmpeg: it upscales' upscales scale=3:model=mdrn-s
    check 'mdrn-ffmpeg: one filter more than the ffmpeg beside it' one_filter_more
    if built libmdrn-cuda; then
        check 'libmdrn-cuda: without it no GPU' no_gpu 'there is no libmdrn_cuda.so'
        check 'libmdrn-cuda: installed' install libmdrn-cuda
        check 'libmdrn-cuda: it looks for the driver' no_gpu 'libcuda.so.1'
        check 'libmdrn-cuda: the CPU serves as before' upscales scale=3:model=mdrn-s
        check 'libmdrn-cuda: removed' inside apt-get -qy purge libmdrn-cuda
        check 'libmdrn-cuda: without it no GPU, as before' no_gpu 'there is no libmdrn_cuda.so'
    else
        echo 'skip - libmdrn-cuda: not built, for want of nvcc or cuDNN'
    fi
    check 'mdrn-ffmpeg: removed, nothing is left' nothing_is_left libmdrn0 mdrn-ffmpeg
fi

# --- mdrn-train -------------------------------------------------------------

make_pictures() {
    mkdir "$tmp/system/debs/pictures" &&
        for seed in 1 2 3; do
            { printf 'P6\n160 160\n255\n' && head -c $((160 * 160 * 3)) "${debs[-1]}"; } \
                >"$tmp/system/debs/pictures/$seed.ppm" || return
        done
}
fits() {
    inside mdrn-train fit /usr/share/mdrn/recipes/mdrn_x2_cpu.yml out=/debs/run dataroot_gt=/debs/pictures \
        network_g.type=MDRN-S warmup_iter=1 decay_iter=1 total_iter=2 batch_size_per_gpu=2 gt_size=64 && [[ -s $tmp/system/debs/run/mdrn-s_x2.safetensors ]]
}
if built mdrn-train; then
    check 'mdrn-train: installed' install mdrn-train
    check 'mdrn-train: pictures (made)' make_pictures
    check 'mdrn-train: it fits' fits
    check 'mdrn-train: it measures what it fitted' \
        inside mdrn-train eval --model /debs/run/mdrn-s_x2.safetensors --hr /debs/pictures
    check 'mdrn-train: removed, nothing is left' nothing_is_left mdrn-train
else
    echo 'skip - mdrn-train: not built'
fi
exit "$failed"
