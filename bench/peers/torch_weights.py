# SPDX-License-Identifier: BSD-2-Clause
"""torch_step.py's MDRN with the weights of a .safetensors file."""
import re

import torch

from safetensors_file import read_safetensors
from torch_step import MDRN

NAMES = (  # the checkpoint's, this module's
    (r"^fea_conv\.", "head."),
    (r"^B(\d)\.", lambda match: f"blocks.{int(match[1]) - 1}."),
    (r"\.c(\d)_([dr])\.", lambda match: f".{'distill' if match[2] == 'd' else 'refine'}.{int(match[1]) - 1}."),
    (r"\.esa\.body\.0\.", ".spatial."),
    (r"\.(conv2|conv_max|conv3)_(\d)\.", r".\1.\2."),
    (r"\.cca\.body\.0\.", ".channel.pointwise."),
    (r"\.cca\.body\.2\.conv_du\.0\.", ".channel.squeeze."),
    (r"\.cca\.body\.2\.conv_du\.2\.", ".channel.excite."),
    (r"\.cca\.body\.3\.", ".channel.depthwise."),
    (r"^upsampler\.upsampleOneStep\.", "tail."),
)


def renamed(name):
    for pattern, ours in NAMES:
        name = re.sub(pattern, ours, name)
    return name


def read(path):
    weights = {renamed(name): torch.from_numpy(values.copy()) for name, values in read_safetensors(path).items()}
    rows, features = weights["tail.0.weight"].shape[:2]
    network = MDRN(features, round((rows / 3) ** 0.5)).eval()
    network.load_state_dict(weights | {"mean": network.mean})
    return network
