#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# same_bits.sh BITS COMMAND...: another processor's program, run by COMMAND, makes
# the same bits as this one's.
set -euo pipefail

here=${1:?usage: same_bits.sh BITS COMMAND...}
[[ -x $here ]] || { echo "there is no $here; first: cmake --build --preset release --target bits"; exit 77; }
cmp <("$here") <("${@:2}")
