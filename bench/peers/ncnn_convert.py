# SPDX-License-Identifier: BSD-2-Clause
"""MDRN from PyTorch to ncnn by way of pnnx, for pictures of 64x48; writes network.ncnn.* into FOLDER.
ncnn_convert.py FILE.safetensors FOLDER"""
import pathlib
import subprocess
import sys

import torch
import torch.nn.functional as F

import torch_step
from torch_weights import read


# Deviations as means, which pnnx has words for; it gets the reductions of the .onnx file wrong.
class MDSA(torch_step.MDSA):
    def forward(self, x):
        c = self.conv1(x)
        total = self.conv_f(c)
        for i, padding in enumerate((1, 0, 1)):
            p = F.max_pool2d(self.conv2[i](c), 3 + 2 * i, 3, padding)
            if i == 2:
                t = F.pad(self.conv2[3](c), (1, 1, 1, 1), "reflect")
                mean = F.avg_pool2d(t, 7, 3)
                p = p + (F.avg_pool2d(t * t, 7, 3) - mean * mean) * (49 / 48)
            v = self.conv3[i](F.gelu(self.conv_max[i](p)))
            total = total + F.interpolate(v, (x.shape[2], x.shape[3]), mode="bilinear")
        return x * torch.sigmoid(self.conv4(total)) + x


class ECCA(torch_step.ECCA):
    def forward(self, x):
        y = F.gelu(self.pointwise(x))
        mean = F.adaptive_avg_pool2d(y, 1)
        deviation = torch.sqrt(F.adaptive_avg_pool2d((y - mean) * (y - mean), 1))
        a = torch.sigmoid(self.excite(F.relu(self.squeeze(mean + deviation))))
        return self.depthwise(y * a) + x


weights, folder = sys.argv[1:]
torch_step.MDSA, torch_step.ECCA = MDSA, ECCA
with torch.no_grad():
    torch.jit.trace(read(weights), torch.zeros(1, 3, 48, 64), check_trace=False).save(folder + "/network.pt")
subprocess.run([pathlib.Path(sys.executable).with_name("pnnx"), "network.pt", "inputshape=[1,3,48,64]",
                "device=cpu", "fp16=0"], cwd=folder, check=True, stdin=subprocess.DEVNULL)
