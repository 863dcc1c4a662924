# SPDX-License-Identifier: BSD-2-Clause
"""MDRN in plain PyTorch with the weights of a .safetensors file.
torch_peer.py FILE.safetensors eager|channels_last|compile|bf16 THREADS"""
import re
import sys

import torch

from safetensors_file import read_safetensors
from serve import serve
from torch_step import MDRN

model, mode, threads = sys.argv[1:]

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


torch.set_num_threads(int(threads))
torch.set_grad_enabled(False)
layout = torch.contiguous_format if mode == "eager" else torch.channels_last
network = read(model).to(memory_format=layout)
if mode == "compile":
    network = torch.compile(network, dynamic=False)


def opened(width, height):
    def run(picture):
        with torch.autocast("cpu", torch.bfloat16, enabled=mode == "bf16"):
            return network(torch.from_numpy(picture).to(memory_format=layout)).float().contiguous().numpy()
    if mode == "compile":
        run(torch.zeros(1, 3, height, width).numpy())  # compiles
    return run


serve(opened)
