# SPDX-License-Identifier: BSD-2-Clause
import json
import struct

import numpy as np


def read_safetensors(path):
    """The float32 tensors of a .safetensors file, by name."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    return {name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}
