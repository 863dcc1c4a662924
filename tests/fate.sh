#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# FFmpeg's own tests of the mdrn filter, as upstream runs them.
#
# fate.sh VERSION [--update]
#
#   --update  write what they print now to patches/fate/, as the reference
set -euo pipefail
export LC_ALL=C

# shellcheck source=patches/source.sh
source "$(dirname "${BASH_SOURCE[0]}")/../patches/source.sh"
version=$(full_version "${1:?usage: fate.sh VERSION [--update]}")
tree=$("$root/patches/build-ffmpeg.sh" "$version" --fate | tail -n 1)
exec 9<"$tree"
flock 9 # make writes to it
export LD_LIBRARY_PATH=$root/build/release/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
patch=$(patches_for "$version" | head -n 1)

if [[ ${2-} == --update ]]; then
    make -C "$tree" GEN=1 fate-filter-mdrn fate-filter-pixfmts-mdrn >&2
    # GEN=1 takes what a failed ffmpeg printed, too.
    [[ -s $tree/tests/ref/fate/filter-mdrn && -s $tree/tests/ref/fate/filter-pixfmts-mdrn ]] ||
        die "FATE printed nothing; see $tree/tests/data/fate/"
    line=${patch##*ffmpeg-}
    cp "$tree/tests/ref/fate/filter-mdrn" "$root/patches/fate/"
    cp "$tree/tests/ref/fate/filter-pixfmts-mdrn" "$root/patches/fate/filter-pixfmts-mdrn-${line%.patch}"
    exit
fi
add_references "$patch" "$tree"
failed=0
for name in filter-mdrn filter-pixfmts-mdrn; do
    if log=$(test -s "$tree/tests/ref/fate/$name" && make -C "$tree" "fate-$name" 2>&1); then
        echo "ok - fate-$name"
    else
        echo "not ok - fate-$name"
        tail -n 20 <<<"$log" | sed 's/^/#   /'
        failed=1
    fi
done
exit $failed
