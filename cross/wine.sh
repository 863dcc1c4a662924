#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# wine.sh PREFIX PROGRAM [ARGUMENTS]: runs a Windows program with wine, which keeps
# its own things in PREFIX. What wine leaves running in the background would hold a
# pipe open: what the program says goes by way of files.
set -uo pipefail

export WINEPREFIX=$1 WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml=
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
/usr/lib/wine/wine64 "${@:2}" >"$said/out" 2>"$said/err" </dev/null
status=$?
cat "$said/out"
cat "$said/err" >&2
exit "$status"
