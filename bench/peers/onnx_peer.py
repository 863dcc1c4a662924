# SPDX-License-Identifier: BSD-2-Clause
"""An .onnx file that mdrn-train convert wrote, in ONNX Runtime: seconds a frame, after a
comparison with a golden."""
import argparse
import json
import os
import struct
import sys
import time

import numpy as np
import onnxruntime


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    return {name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


# Which is faster depends on the machine: the one blocks channels and reorders
# maps around what cannot take the blocks, the other leaves maps as they are.
LEVELS = (onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
          onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED)


def session(model, width, height, threads, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The size is known, and what depends on it can be computed at once.
    for side, size in (("batch", 1), ("height", height), ("width", width)):
        options.add_free_dimension_override_by_name(side, size)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check(model, golden, threads):
    tensors = read_safetensors(golden)
    image, wanted = tensors["input"], tensors["output"]
    worst = 0.0
    for level in LEVELS:
        peer = session(model, image.shape[2], image.shape[1], threads, level)
        (output,) = peer.run(None, {"input": image[None]})
        worst = max(worst, float(np.abs(output[0] - wanted).max()))
    return worst


def timed(peer, image):
    start = time.perf_counter()
    peer.run(None, {"input": image})
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="an .onnx file")
    parser.add_argument("--golden", help="a .safetensors file with input and output for its weights")
    parser.add_argument("--size", default="320x180", help="of the small picture, default %(default)s")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--frames", type=int, default=5)
    arguments = parser.parse_args()

    if arguments.golden:
        difference = check(arguments.model, arguments.golden, arguments.threads)
        print(f"largest difference from the golden: {difference:.2g}", file=sys.stderr)
        if not difference <= 2e-3:
            sys.exit("onnx_peer.py: that is another network; not timed")
    width, height = map(int, arguments.size.split("x"))
    image = np.random.default_rng(1).random((1, 3, height, width), np.float32)
    peers = [session(arguments.model, width, height, arguments.threads, level) for level in LEVELS]
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
