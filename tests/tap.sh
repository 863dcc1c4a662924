# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034  # who sources this ends with failed
# For tests of programs: a folder of their own, $tmp, and a line for each check.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
check() { # name, command...
    if "${@:2}" >"$tmp/log" 2>&1; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        tail -n 20 "$tmp/log" | sed 's/^/#   /'
        failed=1
    fi
}
