# SPDX-License-Identifier: BSD-2-Clause
"""MDRN in ncnn with the weights of a .safetensors file.
ncnn_peer.py FILE.safetensors fp32 THREADS"""
import pathlib
import subprocess
import sys
import tempfile

import ncnn

from serve import serve

model, _, threads = sys.argv[1:]
CONVERT = pathlib.Path(__file__).with_name("ncnn_convert.py")

folder = tempfile.TemporaryDirectory()
subprocess.run([sys.executable, CONVERT, model, folder.name], check=True, stdout=sys.stderr)
layers = pathlib.Path(folder.name, "network.ncnn.param").read_text()


def opened(width, height):
    network = ncnn.Net()
    network.opt.num_threads = int(threads)
    # Its own choice otherwise.
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    # Only the upsampling layers name the size.
    sized = layers.replace(" 3=48 4=64 ", f" 3={height} 4={width} ")
    if network.load_param_mem(sized) or network.load_model(folder.name + "/network.ncnn.bin"):
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
