# SPDX-License-Identifier: BSD-2-Clause
"""MDRN in ONNX Runtime: seconds a frame, after a comparison with a golden.

The graph is written out here operator by operator for one size, so that the
peer owes nothing to another framework's exporter.
"""
import argparse
import json
import os
import struct
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

MEAN = (0.4488, 0.4371, 0.4040)
DTYPES = {"F32": np.float32, "F16": np.float16, "F64": np.float64}


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]])
            tensors[name] = values.reshape(entry["shape"]).astype(np.float32)
    return tensors


class Graph:
    """MDRN for pictures of one size; every method returns the name of its output."""

    def __init__(self, weights, width, height):
        self.weights, self.width, self.height = weights, width, height
        self.features = weights["fea_conv.weight"].shape[0]
        tail = weights["upsampler.upsampleOneStep.0.weight"].shape[0]
        self.scale = round((tail / 3) ** 0.5)
        self.nodes, self.constants = [], {}

    def op(self, kind, *inputs, **attributes):
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, values, dtype=np.float32):
        array = np.asarray(values, dtype)
        name = f"constant_{array.dtype}_{array.shape}_{array.tobytes().hex()}"
        self.constants[name] = array
        return name

    def weight(self, name):
        self.constants[name] = self.weights[name]
        return name

    def conv(self, name, x, pad=0, stride=1, group=1):
        kernel = self.weights[name + ".weight"].shape[2]
        inputs = [x, self.weight(name + ".weight")]
        if name + ".bias" in self.weights:
            inputs.append(self.weight(name + ".bias"))
        return self.op("Conv", *inputs, kernel_shape=[kernel] * 2, pads=[pad] * 4,
                       strides=[stride] * 2, group=group)

    def reflect(self, x):
        return self.op("Pad", x, self.constant([0, 0, 1, 1] * 2, np.int64), mode="reflect")

    def bsconv(self, name, x, stride=1):
        y = self.reflect(self.conv(name + ".pw", x))
        return self.conv(name + ".dw", y, stride=stride, group=self.weights[name + ".dw.weight"].shape[0])

    def gelu(self, x):
        return self.op("Gelu", x)

    def distill(self, block, x):
        parts, r = [], x
        for i in "123":
            parts.append(self.gelu(self.conv(f"{block}.c{i}_d", r)))
            r = self.gelu(self.op("Add", self.bsconv(f"{block}.c{i}_r", r), r))
        parts.append(self.gelu(self.bsconv(f"{block}.c4", r)))
        return self.conv(f"{block}.c5", self.op("Concat", *parts, axis=1))

    def local_variance(self, x):
        """Unbiased, of 7x7 windows, stride 3; two passes, the windows as channels."""
        channels = self.weights["B1.esa.body.0.conv1.weight"].shape[0]
        size = 49
        pick = np.tile(np.eye(size, dtype=np.float32).reshape(size, 1, 7, 7), (channels, 1, 1, 1))
        taps = self.op("Conv", self.reflect(x), self.constant(pick), strides=[3, 3], group=channels)
        taps = self.op("Reshape", taps, self.constant([channels, size, -1], np.int64))
        mean = self.op("ReduceMean", taps, self.constant([1], np.int64))
        offset = self.op("Sub", taps, mean)
        total = self.op("ReduceSum", self.op("Mul", offset, offset), self.constant([1], np.int64))
        return self.op("Div", total, self.constant(size - 1))

    def mdsa(self, name, x):
        c = self.conv(name + ".conv1", x)
        total = self.conv(name + ".conv_f", c)
        sizes = self.constant([1, self.weights[name + ".conv1.weight"].shape[0], self.height, self.width],
                              np.int64)
        for i, (kernel, pad) in enumerate(((3, 1), (5, 0), (7, 1))):
            pooled = self.op("MaxPool", self.bsconv(f"{name}.conv2_{i}", c, stride=2),
                             kernel_shape=[kernel] * 2, strides=[3, 3], pads=[pad] * 4)
            if i == 2:
                variance = self.local_variance(self.bsconv(name + ".conv2_3", c, stride=2))
                pooled = self.op("Add", pooled, self.op("Reshape", variance, self.op("Shape", pooled)))
            v = self.bsconv(f"{name}.conv3_{i}", self.gelu(self.bsconv(f"{name}.conv_max_{i}", pooled)))
            v = self.op("Resize", v, "", "", sizes, mode="linear",
                        coordinate_transformation_mode="half_pixel")
            total = self.op("Add", total, v)
        m = self.op("Sigmoid", self.conv(name + ".conv4", total))
        return self.op("Add", self.op("Mul", x, m), x)

    def ecca(self, name, x):
        y = self.gelu(self.conv(name + ".body.0", x))
        axes = self.constant([2, 3], np.int64)
        mean = self.op("ReduceMean", y, axes)
        offset = self.op("Sub", y, mean)
        variance = self.op("ReduceMean", self.op("Mul", offset, offset), axes)
        contrast = self.op("Add", mean, self.op("Sqrt", variance))
        a = self.op("Relu", self.conv(name + ".body.2.conv_du.0", contrast))
        a = self.op("Sigmoid", self.conv(name + ".body.2.conv_du.2", a))
        y = self.conv(name + ".body.3", self.op("Mul", y, a), pad=1, group=self.features)
        return self.op("Add", y, x)

    def eadb(self, block, x):
        fused = self.distill(block, x)
        y = self.ecca(block + ".cca", self.mdsa(block + ".esa.body.0", fused))
        return self.op("Add", y, x)

    def model(self):
        mean = self.constant(np.reshape(MEAN, (1, 3, 1, 1)))
        head = x = self.conv("fea_conv", self.op("Sub", "input", mean), pad=1)
        blocks = []
        for i in range(8):
            x = self.eadb(f"B{i + 1}", x)
            blocks.append(x)
        x = self.gelu(self.conv("c1", self.op("Concat", *blocks, axis=1)))
        x = self.op("Add", self.bsconv("c2", x), head)
        x = self.conv("upsampler.upsampleOneStep.0", x, pad=1)
        x = self.op("DepthToSpace", x, blocksize=self.scale, mode="CRD")
        output = self.op("Add", x, mean)

        def value(name, width, height):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, height, width])
        graph = helper.make_graph(
            self.nodes, "mdrn", [value("input", self.width, self.height)],
            [value(output, self.width * self.scale, self.height * self.scale)],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
        model.ir_version = 9
        onnx.checker.check_model(model)
        return model


# Which is faster depends on the machine: the one blocks channels and reorders
# maps around what cannot take the blocks, the other leaves maps as they are.
LEVELS = (onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
          onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED)


def session(weights, width, height, threads, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    model = Graph(weights, width, height).model()
    return onnxruntime.InferenceSession(model.SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


def check(weights, golden, threads):
    tensors = read_safetensors(golden)
    image, wanted = tensors["input"], tensors["output"]
    worst = 0.0
    for level in LEVELS:
        peer = session(weights, image.shape[2], image.shape[1], threads, level)
        (output,) = peer.run(None, {"input": image[None]})
        worst = max(worst, float(np.abs(output[0] - wanted).max()))
    return worst


def timed(peer, image):
    start = time.perf_counter()
    peer.run(None, {"input": image})
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", help="a .safetensors file")
    parser.add_argument("--golden", help="a .safetensors file with input and output for these weights")
    parser.add_argument("--size", default="320x180", help="of the small picture, default %(default)s")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--frames", type=int, default=5)
    arguments = parser.parse_args()

    weights = read_safetensors(arguments.weights)
    if arguments.golden:
        difference = check(weights, arguments.golden, arguments.threads)
        print(f"largest difference from the golden: {difference:.2g}", file=sys.stderr)
        if not difference <= 2e-3:
            sys.exit("onnx_peer.py: that is another network; not timed")
    width, height = map(int, arguments.size.split("x"))
    image = np.random.default_rng(1).random((1, 3, height, width), np.float32)
    peers = [session(weights, width, height, arguments.threads, level) for level in LEVELS]
    seconds = [[] for _ in peers]
    for frame in range(arguments.frames + 1):
        for peer, own in zip(peers, seconds):
            time_taken = timed(peer, image)
            if frame:  # the first one allocates
                own.append(time_taken)
    fastest = min(seconds, key=min)
    print("with all, with extended optimisations: " + ", ".join(f"{min(own):.4f} s" for own in seconds),
          file=sys.stderr)
    print(f"best {min(fastest):.4f} s  median {sorted(fastest)[len(fastest) // 2]:.4f} s")


if __name__ == "__main__":
    main()
