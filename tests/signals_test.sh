#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# signals_test.sh FFMPEG: an ffmpeg with the mdrn filter is ended at any time by a
# user, a batch system or the system; what it has written is whole frames.
# shellcheck disable=SC2317  # check calls the function
set -uo pipefail
export LC_ALL=C

ffmpeg=${1:?usage: signals_test.sh FFMPEG}
# shellcheck source=tests/tap.sh
source "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

# name, status that the program shall end with
test_signal() {
    local pid status i
    rm -f "$tmp/out.nut"
    "$ffmpeg" -hide_banner -nostdin -v info -f lavfi \
        -i testsrc2=s=32x24:d=1000,format=gray,mdrn=model=mdrn-s:device=cpu \
        -f nut -c:v rawvideo -flush_packets 1 "$tmp/out.nut" &
    pid=$!
    for ((i = 0; i < 200; i++)); do
        [[ ! -s $tmp/out.nut ]] || break
        sleep 0.05
    done
    sleep "0.$((RANDOM % 6))"
    kill -"$1" "$pid"
    wait "$pid" 2>/dev/null
    status=$?
    if ((status != $2)); then
        echo "ended with status $status instead of $2"
        return 1
    fi
    "$ffmpeg" -v error -i "$tmp/out.nut" -f framecrc - |
        awk -F, '!/^#/ {n++; bad += $5 != 64 * 48} END {print n, "frames,", bad, "not whole"; exit !n || bad}'
}

check 'SIGINT' test_signal INT 255
check 'SIGTERM' test_signal TERM 255
check 'SIGKILL' test_signal KILL 137
exit "$failed"
