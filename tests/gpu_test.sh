#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# tests/gpu.sh where there is no GPU: it says so and does nothing else.
# shellcheck disable=SC2317  # check calls the functions
set -uo pipefail
export LC_ALL=C
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
check() { # name, status, text, command...
    local said status=0
    said=$("${@:4}" 2>&1) || status=$?
    if [[ $status == "$2" && $said == *"$3"* ]]; then
        echo "ok - $1"
    else
        echo "not ok - $1: status $status, $said"
        failed=1
    fi
}
with_driver() { # what nvidia-smi says, its status, command...
    printf '#!/bin/sh\necho "%s"\nexit %s\n' "$1" "$2" >"$tmp/nvidia-smi"
    chmod +x "$tmp/nvidia-smi"
    PATH=$tmp:$PATH "${@:3}"
}
without_driver() { PATH=/usr/bin:/bin "$@"; }

if without_driver command -v nvidia-smi >/dev/null; then
    echo 'skip - no driver is a skip: there is one here'
else
    check 'no driver is a skip' 77 'skip - no GPU: there is no nvidia-smi' without_driver "$root/tests/gpu.sh"
fi
check 'a driver that does not start is a skip' 77 'skip - no GPU 0: nvidia-smi says: has failed' \
    with_driver 'has failed' 9 "$root/tests/gpu.sh"
check 'a GPU that there is not is a skip' 77 'no GPU 7' with_driver 'No devices were found' 6 "$root/tests/gpu.sh" --gpu 7
for wrong in --gpu '--gpu first' '--frames -1' --quick; do
    # shellcheck disable=SC2086  # words
    check "$wrong is refused" 2 'gpu.sh [--gpu N] [--frames N]' "$root/tests/gpu.sh" $wrong
done
exit "$failed"
