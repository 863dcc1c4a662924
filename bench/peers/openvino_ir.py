# SPDX-License-Identifier: BSD-2-Clause
"""An .onnx file that mdrn-train convert wrote, as OpenVINO's own for pictures of one size: FFmpeg's
filter takes no others. Prints the precision in which OpenVINO computes unless told otherwise, as FFmpeg
can't. openvino_ir.py FILE.onnx FILE.xml WIDTH HEIGHT"""
import sys

import openvino

model, target, width, height = sys.argv[1:]
core = openvino.Core()
network = core.read_model(model)
network.reshape([1, 3, int(height), int(width)])
openvino.save_model(network, target, compress_to_fp16=False)
print(core.get_property("CPU", "INFERENCE_PRECISION_HINT").to_string())
