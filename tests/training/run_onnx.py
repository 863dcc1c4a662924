# SPDX-License-Identifier: BSD-2-Clause
"""Largest difference of an .onnx file's output from a golden, in ONNX Runtime."""
import json
import struct
import sys

import numpy as np
import onnxruntime


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    return {name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


model, *goldens = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
for golden in goldens:  # each of another size
    tensors = read_safetensors(golden)
    # Two pictures at once, the other one mirrored.
    pair = np.stack([tensors["input"], tensors["input"][:, ::-1]])
    one = session.run(None, {"input": pair[:1]})[0]
    two = session.run(None, {"input": pair})[0]
    print(max(np.abs(one[0] - tensors["output"]).max(), np.abs(two[0] - tensors["output"]).max()))
