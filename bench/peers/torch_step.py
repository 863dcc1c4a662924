# SPDX-License-Identifier: BSD-2-Clause
"""MDRN in plain PyTorch: seconds a training step (forward, L1, backward, Adam)."""
import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn


class BSConv(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.dw = nn.Conv2d(outputs, outputs, 3, stride, 1, groups=outputs, padding_mode="reflect")

    def forward(self, x):
        return self.dw(self.pw(x))


class MDSA(nn.Module):
    def __init__(self, features):
        super().__init__()
        f = features // 4
        self.conv1 = nn.Conv2d(features, f, 1)
        self.conv_f = nn.Conv2d(f, f, 1)
        self.conv4 = nn.Conv2d(f, features, 1)
        self.conv2 = nn.ModuleList(BSConv(f, f, 2) for _ in range(4))
        self.conv_max = nn.ModuleList(BSConv(f, f) for _ in range(3))
        self.conv3 = nn.ModuleList(BSConv(f, f) for _ in range(3))

    def forward(self, x):
        c = self.conv1(x)
        total = self.conv_f(c)
        for i, padding in enumerate((1, 0, 1)):
            p = F.max_pool2d(self.conv2[i](c), 3 + 2 * i, 3, padding)
            if i == 2:
                windows = F.pad(self.conv2[3](c), (1, 1, 1, 1), "reflect").unfold(2, 7, 3).unfold(3, 7, 3)
                p = p + windows.var((-1, -2))
            v = self.conv3[i](F.gelu(self.conv_max[i](p)))
            total = total + F.interpolate(v, x.shape[2:], mode="bilinear")
        return x * torch.sigmoid(self.conv4(total)) + x


class ECCA(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.pointwise = nn.Conv2d(features, features, 1)
        self.squeeze = nn.Conv2d(features, features // 16, 1)
        self.excite = nn.Conv2d(features // 16, features, 1)
        self.depthwise = nn.Conv2d(features, features, 3, padding=1, groups=features)

    def forward(self, x):
        y = F.gelu(self.pointwise(x))
        contrast = y.mean((2, 3), True) + y.std((2, 3), unbiased=False, keepdim=True)
        a = torch.sigmoid(self.excite(F.relu(self.squeeze(contrast))))
        return self.depthwise(y * a) + x


class EADB(nn.Module):
    def __init__(self, features):
        super().__init__()
        d = features // 2
        self.distill = nn.ModuleList(nn.Conv2d(features, d, 1) for _ in range(3))
        self.refine = nn.ModuleList(BSConv(features, features) for _ in range(3))
        self.c4 = BSConv(features, d)
        self.c5 = nn.Conv2d(4 * d, features, 1)
        self.spatial = MDSA(features)
        self.channel = ECCA(features)

    def forward(self, x):
        parts, r = [], x
        for distill, refine in zip(self.distill, self.refine):
            parts.append(F.gelu(distill(r)))
            r = F.gelu(refine(r) + r)
        parts.append(F.gelu(self.c4(r)))
        return self.channel(self.spatial(self.c5(torch.cat(parts, 1)))) + x


class MDRN(nn.Module):
    def __init__(self, features, scale):
        super().__init__()
        self.register_buffer("mean", torch.tensor((0.4488, 0.4371, 0.4040)).view(1, 3, 1, 1))
        self.head = nn.Conv2d(3, features, 3, padding=1)
        self.blocks = nn.ModuleList(EADB(features) for _ in range(8))
        self.c1 = nn.Conv2d(8 * features, features, 1)
        self.c2 = BSConv(features, features)
        self.tail = nn.Sequential(nn.Conv2d(features, 3 * scale * scale, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x):
        head = x = self.head(x - self.mean)
        blocks = []
        for block in self.blocks:
            x = block(x)
            blocks.append(x)
        x = self.c2(F.gelu(self.c1(torch.cat(blocks, 1)))) + head
        return self.tail(x) + self.mean


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=56)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=48, help="of an LR patch")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=4)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    network = MDRN(arguments.features, arguments.scale).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    large = arguments.size * arguments.scale
    lq = torch.rand(arguments.batch, 3, arguments.size, arguments.size).to(memory_format=torch.channels_last)
    gt = torch.rand(arguments.batch, 3, large, large).to(memory_format=torch.channels_last)
    seconds = []
    for step in range(arguments.steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad()
        F.l1_loss(network(lq), gt).backward()
        optimizer.step()
        if step:  # the first one allocates
            seconds.append(time.perf_counter() - start)
    print(f"best {min(seconds):.4f} s  median {sorted(seconds)[len(seconds) // 2]:.4f} s")


if __name__ == "__main__":
    main()
