# SPDX-License-Identifier: BSD-2-Clause
"""Whether torch.load() finds in a .pth what a .safetensors file has."""
import json
import struct
import sys

import torch

pth, safetensors = sys.argv[1:]
loaded = torch.load(pth, weights_only=True)["params"]
with open(safetensors, "rb") as file:
    (length,) = struct.unpack("<Q", file.read(8))
    header = json.loads(file.read(length))
    data = file.read()
header.pop("__metadata__", None)
assert list(loaded) == sorted(header), "other names"
for name, entry in header.items():
    values = torch.frombuffer(bytearray(data[slice(*entry["data_offsets"])]), dtype=torch.float32)
    assert torch.equal(loaded[name], values.reshape(entry["shape"])), name
print(len(loaded), "tensors")
