# SPDX-License-Identifier: BSD-2-Clause
"""An .onnx file that mdrn-train convert wrote, in OpenVINO.
openvino_peer.py FILE.onnx f32|bf16 THREADS"""
import sys

import openvino

from serve import serve

model, precision, threads = sys.argv[1:]


def opened(width, height):
    core = openvino.Core()
    network = core.read_model(model)
    network.reshape([1, 3, height, width])
    compiled = core.compile_model(network, "CPU", {
        "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": int(threads),
        "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"})
    taken = str(compiled.get_property("INFERENCE_PRECISION_HINT"))
    if precision == "bf16" and "bfloat16" not in taken and "bf16" not in taken:
        sys.exit(f"OpenVINO computes in {taken} on this processor, not in bf16")
    request = compiled.create_infer_request()
    return lambda picture: next(iter(request.infer(picture, share_inputs=True, share_outputs=True).values()))


serve(opened)
