#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Seconds a frame of mdrn and of its peers on the same network, pictures and
# threads, taking turns. The machine should be idle.
#
# run.sh [--threads LIST] [--rounds N] [--rows LIST] [--peers LIST] [--out FILE]
#
#   --threads  as many as the machine has cores unless given; 2,1 for both
#   --rounds   turns of each peer, 3 unless given; a turn is half a second
#   --rows     of mdrn-x4, mdrn-s-x4, mdrn-x2 (beside the peers), growth (mdrn
#              alone: larger pictures, less memory), 4k (the same, minutes and
#              20 GiB), filter (ffmpeg -vf mdrn, and FFmpeg's dnn_processing where
#              openvino is a peer); all but 4k unless given
#   --peers    of torch, onnx, openvino, ncnn; all unless given
#   --out      where the tables go too; bench/results/CPU.md for bench/results
#
# The peers live in a Python environment in $MDRN_CACHE, ~/.cache/mdrn unless
# set, which is made first (some GiB). With MDRN_REFERENCE_DIR the published
# weights are used, and each program is first compared with their goldens;
# without, the bundled ones.
set -euo pipefail
export LC_ALL=C.UTF-8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
command="bench/run.sh${*:+ $*}"
threads=$(nproc) rounds=3 rows=mdrn-x4,mdrn-s-x4,mdrn-x2,growth,filter peers=torch,onnx,openvino,ncnn out=
while (($#)); do
    case $1 in
    --threads) threads=${2:?--threads needs numbers}; shift ;;
    --rounds) rounds=${2:?--rounds needs a number}; shift ;;
    --rows) rows=${2:?--rows needs names}; shift ;;
    --peers) peers=${2:?--peers needs names}; shift ;;
    --out) out=$(realpath -m "${2:?--out needs a file}"); shift ;;
    *) sed -n '3,20s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
    shift
done
cd "$root"

known() { # list, name...
    local name
    for name in ${1//,/ }; do
        [[ " ${*:2} " == *" $name "* ]] || { echo "run.sh: $name is none of: ${*:2}" >&2; exit 2; }
    done
}
known "$rows" mdrn-x4 mdrn-s-x4 mdrn-x2 growth 4k filter
known "$peers" torch onnx openvino ncnn

scripts/install.sh --training
cmake --preset release -DMDRN_BENCH=ON >/dev/null
cmake --build --preset release --target mdrn mdrn-bench mdrn-peaks mdrn-train >&2
ffmpeg=
[[ ,$rows, != *,filter,* ]] || ffmpeg=$(patches/build-ffmpeg.sh --system | tail -n 1)

venv=${MDRN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mdrn}/bench-venv
[[ -x $venv/bin/python ]] || python3 -m venv "$venv"
packages=(numpy)
for peer in ${peers//,/ }; do
    case $peer in
    onnx) packages+=(onnxruntime) ;;
    ncnn) packages+=(ncnn pnnx torch) ;;
    *) packages+=("$peer") ;;
    esac
done
"$venv/bin/python" -c 'import sys, importlib.metadata as m; [m.version(name) for name in sys.argv[1:]]' \
    "${packages[@]}" 2>/dev/null || "$venv/bin/pip" install --quiet "${packages[@]}" >&2
dnn=
if [[ ,$rows, == *,filter,* && ,$peers, == *,openvino,* ]]; then
    dnn=$(bench/dnn.sh "$("$venv/bin/python" -c 'import openvino; print(*openvino.__path__)')")
fi

if [[ $out == */bench/results ]]; then
    name=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    name=$(sed 's/([A-Za-z]*)//g; s/@.*//; s/[^A-Za-z0-9]\+/-/g; s/^-//; s/-$//' <<<"${name:-$(uname -m)}")
    out=$out/${name,,}.md
fi
export TORCHINDUCTOR_CACHE_DIR=$venv/inductor # compiling takes most of the time of a first run
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$venv/bin/python" bench/compare.py --threads "$threads" --rounds "$rounds" --rows "$rows" --peers "$peers" \
    --ffmpeg "$ffmpeg" --dnn "$dnn" --scratch "$scratch" --command "$command" | tee "$scratch/tables"
[[ -z $out ]] || cp "$scratch/tables" "$out"
