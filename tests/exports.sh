#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# exports.sh LIBRARY HEADER: the shared library exports the functions of mdrn.h and nothing else.
set -euo pipefail
exported=$(nm -D --defined-only "$1" | awk '{print $3}' | sort)
declared=$(grep -oE '^MDRN_API .*\bmdrn_[a-z_]+\(' "$2" | grep -oE 'mdrn_[a-z_]+\(' | tr -d '(' | sort)
diff <(echo "$declared") <(echo "$exported") || {
    echo "the library exports other names than mdrn.h declares (< declared, > exported)"
    exit 1
}
objdump -p "$1" | grep 'SONAME *libmdrn.so.0$' >/dev/null || {
    echo "the SONAME is not libmdrn.so.0"
    exit 1
}
