# SPDX-License-Identifier: BSD-2-Clause
"""An .onnx file that mdrn-train convert wrote, in ncnn, by way of pnnx.
ncnn_peer.py FILE.onnx fp32|bf16 THREADS"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import ncnn

from serve import serve

model, precision, threads = sys.argv[1:]


def opened(width, height):
    network = ncnn.Net()
    network.opt.num_threads = int(threads)
    # fp16 and bf16 are ncnn's own choice otherwise.
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    network.opt.use_bf16_storage = precision == "bf16"
    with tempfile.TemporaryDirectory() as folder:  # pnnx writes beside its input
        shutil.copy(model, folder + "/peer.onnx")
        pnnx = pathlib.Path(sys.executable).with_name("pnnx")
        subprocess.run([pnnx, "peer.onnx", f"inputshape=[1,3,{height},{width}]", "device=cpu"],
                       cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=os.environ)
        if network.load_param(folder + "/peer.ncnn.param") or network.load_model(folder + "/peer.ncnn.bin"):
            sys.exit("ncnn cannot read what pnnx made of the network")

    def run(picture):
        extractor = network.create_extractor()
        extractor.input("in0", ncnn.Mat(picture[0]))
        failed, output = extractor.extract("out0")
        if failed:
            sys.exit(f"ncnn cannot run the network: extract gives {failed}")
        return output.numpy()
    return run


serve(opened)
