# SPDX-License-Identifier: BSD-2-Clause
"""An .onnx file that mdrn-train convert wrote, in ONNX Runtime.
onnx_peer.py FILE.onnx all|extended THREADS"""
import sys

import onnxruntime

from serve import serve

# Which is faster depends on the machine: the one blocks channels and reorders
# maps around what cannot take the blocks, the other leaves maps as they are.
LEVELS = {"all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
          "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED}

model, level, threads = sys.argv[1:]


def opened(width, height):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = LEVELS[level]
    options.intra_op_num_threads = int(threads)
    options.inter_op_num_threads = 1
    # The size is known, and what depends on it can be computed at once.
    for side, size in (("batch", 1), ("height", height), ("width", width)):
        options.add_free_dimension_override_by_name(side, size)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda picture: session.run(None, {"input": picture})[0]


serve(opened)
