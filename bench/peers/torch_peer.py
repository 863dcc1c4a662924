# SPDX-License-Identifier: BSD-2-Clause
"""MDRN in plain PyTorch with the weights of a .safetensors file.
torch_peer.py FILE.safetensors eager|channels_last|compile|bf16 THREADS"""
import sys

import torch

from serve import serve
from torch_weights import read

model, mode, threads = sys.argv[1:]

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
