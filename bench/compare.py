# SPDX-License-Identifier: BSD-2-Clause
"""The tables of bench/run.sh, which says what they are and calls this."""
import argparse
import math
import os
import pathlib
import platform
import re
import subprocess
import sys
import time
from importlib import metadata

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "peers"))
from process import LIMIT, Failure, Process, say  # noqa: E402
from safetensors_file import read_safetensors  # noqa: E402

BIN = HERE.parent / "build/release/bin"
ROWS = {  # name: model, scale, size
    "mdrn-x4": ("mdrn", 4, (320, 180)),
    "mdrn-s-x4": ("mdrn-s", 4, (320, 180)),
    "mdrn-x2": ("mdrn", 2, (640, 360)),
}
GROWTH = [(320, 180), (640, 360), (1920, 1080)]
SCRIPTS = {  # name: script, its argument, precision
    "PyTorch eager": ("torch_peer.py", "eager", "fp32"),
    "PyTorch channels_last": ("torch_peer.py", "channels_last", "fp32"),
    "PyTorch compile": ("torch_peer.py", "compile", "fp32"),
    "ONNX Runtime, all optimisations": ("onnx_peer.py", "all", "fp32"),
    "ONNX Runtime, extended ones": ("onnx_peer.py", "extended", "fp32"),
    "OpenVINO": ("openvino_peer.py", "f32", "fp32"),
    "ncnn": ("ncnn_peer.py", "fp32", "fp32"),  # its bf16 is one of storage
    "PyTorch autocast": ("torch_peer.py", "bf16", "bf16"),
    "OpenVINO bf16": ("openvino_peer.py", "bf16", "bf16"),
}
FEW, MANY = 2, 12  # frames of ffmpeg
LEAST_PSNR = 35  # of pictures by the same network in two filters
ENOUGH = 10  # seconds of a program's frames, after which it takes no more turns


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.scratch = arguments.scratch
        self.peaks = {threads: self.measure_peaks(threads) for threads in arguments.threads}

    def measure_peaks(self, threads):
        say(f"peaks, {threads} threads")
        lines = subprocess.run([BIN / "mdrn-peaks", str(threads)], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.splitlines()
        return {name: float(value) for name, value in map(str.split, lines)}

    def peak(self, threads, precision):
        """Of the unit that multiplies at this precision, thousand millions a second."""
        peaks = self.peaks[threads]
        return peaks["FMA"] if precision == "fp32" else max(peaks.values())

    def precisions(self):
        return ["fp32"] + ["bf16"] * (len(self.peaks[self.arguments.threads[0]]) > 1)

    def weights(self, model, scale):
        """A file of weights, and a golden for them or None."""
        reference = os.environ.get("MDRN_REFERENCE_DIR")
        if reference:
            folder = pathlib.Path(reference) / "reference"
            official = folder / f"weights/{model}_x{scale}.official.safetensors"
            if official.exists():
                return official, read_safetensors(folder / f"golden/{model}_x{scale}_64x48.safetensors")
        return HERE.parent / f"models/{model}_x{scale}.safetensors", None

    def picture(self, golden, size):
        """The golden's picture repeated, or noise."""
        path = self.scratch / "picture"
        width, height = size
        if golden:
            small = golden["input"]
            times = (1, -(-height // small.shape[1]), -(-width // small.shape[2]))
            np.ascontiguousarray(np.tile(small, times)[:, :height, :width]).tofile(path)
        else:
            np.random.default_rng(1).random((3, height, width), np.float32).tofile(path)
        return path

    def ours(self, weights, scale, threads, precision, *more):
        name = "**mdrn**" if precision == "fp32" else "**mdrn bf16**"
        return Process(name, precision, [BIN / "mdrn-bench", "--serve", "--model", weights, "--scale", scale,
                                         "--threads", threads, "--precision", precision, *more], self.scratch)

    def processes(self, weights, scale, threads):
        onnx = self.scratch / "peer.onnx"
        subprocess.run([BIN / "mdrn-train", "convert", weights, onnx], check=True, stdout=subprocess.DEVNULL)
        for precision in self.precisions():
            yield self.ours(weights, scale, threads, precision)
            for name, (script, mode, of) in SCRIPTS.items():
                if of == precision and script.split("_")[0] in self.arguments.peers:
                    file = onnx if script in ("onnx_peer.py", "openvino_peer.py") else weights
                    yield Process(name, precision, [sys.executable, HERE / "peers" / script, file, mode, threads],
                                  self.scratch)

    def table(self, model, scale, size, threads):
        weights, golden = self.weights(model, scale)
        large = f"{size[0] * scale}x{size[1] * scale}"
        title = f"{model} x{scale}, {size[0]}x{size[1]} → {large}, {threads} threads"
        source = self.picture(golden, size)
        running, failures = [], []

        def attempt(process, work):
            try:
                work()
                return True
            except Failure as failure:
                failures.append((process, str(failure)))
                process.close()
                return False

        def prepare(process):
            if golden:
                process.check(golden, self.scratch)
            process.run(size, source)  # the first one allocates

        try:
            for process in self.processes(weights, scale, threads):
                say(f"{title}: {process.name}")
                running.append(process)
                if not attempt(process, lambda: prepare(process)):
                    running.remove(process)
            for turn in range(self.arguments.rounds):
                say(f"{title}: round {turn + 1} of {self.arguments.rounds}")
                for process in list(running):
                    if sum(process.seconds) > ENOUGH:
                        continue
                    time.sleep(0.3)  # threads of the one before stop waiting for work
                    if not attempt(process, lambda: process.turn(size, source)):
                        running.remove(process)
            macs = macs_per_pixel(model, scale) * size[0] * size[1]
            return self.text(title, running, failures, macs, threads)
        finally:
            for process in running:
                process.close()

    def text(self, title, running, failures, macs, threads):
        lines = [f"## {title}", "",
                 "| | best, s | median, s | times mdrn's | share of peak | peak memory, MiB | off the golden |",
                 "|---|---|---|---|---|---|---|"]
        for precision in self.precisions():
            of = sorted((process for process in running if process.precision == precision), key=Process.best)
            our = next((process for process in of if "mdrn" in process.name), None)
            for process in of:
                share = macs / process.best() / 1e9 / self.peak(threads, precision)
                ratio = f"{process.best() / our.best():.2f}" if our else "–"
                distance = "–" if process.distance is None else f"{process.distance:.1g}"
                lines.append(f"| {process.name} | {process.best():.3f} | {process.median():.3f} | {ratio} | "
                             f"{100 * share:.0f} % | {process.peak():.0f} | {distance} |")
            for process, why in failures:
                if process.precision == precision:
                    lines.append(f"| {process.name} | – | – | – | – | – | {why.replace('|', '/')} |")
        return "\n".join(lines) + "\n"

    def alone(self, weights, scale, size, threads, precision, frames, *more):
        """Best seconds, MiB, and whether the slower plan was taken."""
        process = self.ours(weights, scale, threads, precision, *more)
        try:
            source = self.picture(None, size)
            process.run(size, source)
            seconds = min(process.run(size, source) for _ in range(frames))
            return seconds, process.peak(), "slower plan" in process.log.read_text()
        finally:
            process.close()

    def growth(self, sizes, threads):
        model, scale = "mdrn", 2
        weights, _ = self.weights(model, scale)
        lines = [f"## mdrn alone: {model} x{scale}, {threads} threads", "",
                 "A map is 56 floats a pixel; the program's own two pictures are not counted.", "",
                 "| | from | plan | best, s | ns a pixel | peak memory, MiB | maps |", "|---|---|---|---|---|---|---|"]
        for precision in self.precisions():
            for size in sizes:
                for plan, more in (("fast", ()), ("slower", ("--memory", "least", "--size", "%dx%d" % size))):
                    if plan == "slower" and size != sizes[-1]:
                        continue
                    say(f"{model} x{scale}, {size[0]}x{size[1]}, {precision}, {plan} plan")
                    pixels = size[0] * size[1]
                    seconds, peak, slower = self.alone(weights, scale, size, threads, precision,
                                                       5 if pixels < 1e6 else 2, *more)
                    maps = (peak * 2**20 - 3 * 4 * pixels * (1 + scale**2)) / (56 * 4 * pixels)
                    lines.append(f"| {precision} | {size[0]}x{size[1]} | {'slower' if slower else 'fast'} | "
                                 f"{seconds:.3f} | {1e9 * seconds / pixels:.0f} | {peak:.0f} | {maps:.1f} |")
        return "\n".join(lines) + "\n"

    def filter(self, threads):
        lines = [f"## ffmpeg -vf mdrn beside the network alone, {threads} threads", "",
                 f"From `testsrc2` to `-f null`; (seconds of {MANY} frames - seconds of {FEW}) / {MANY - FEW}.", "",
                 "| | ffmpeg, s a frame | the network, s | ffmpeg / network |", "|---|---|---|---|"]
        for model, scale, size in ROWS.values():
            weights, golden = self.weights(model, scale)
            say(f"ffmpeg: {model} x{scale}")
            process = self.ours(weights, scale, threads, "fp32")
            try:
                source = self.picture(golden, size)
                process.run(size, source)
                times = []
                for _ in range(self.arguments.rounds):
                    times.append(per_frame(self.arguments.ffmpeg, size, self.mdrn(weights, scale), threads))
                    process.turn(size, source)
            finally:
                process.close()
            lines.append(f"| {model} x{scale}, {size[0]}x{size[1]} | {min(times):.3f} | {process.best():.3f} | "
                         f"{min(times) / process.best():.2f} |")
        if self.arguments.dnn:
            lines += ["", *self.dnn_processing(threads)]
        return "\n".join(lines) + "\n"

    def mdrn(self, weights, scale, precision="auto"):
        return f"mdrn=model={weights}:scale={scale}:device=cpu:precision={precision}"

    def dnn_processing(self, threads):
        """Both are held to as many cores as threads, as dnn_processing has no option for that."""
        cores = sorted(os.sched_getaffinity(0))[:threads]
        lines = [f"## ffmpeg -vf dnn_processing beside -vf mdrn, {threads} threads", "",
                 "FFmpeg 8.1's own filter for networks, with OpenVINO, and mdrn: on the same frames in rgb24, timed as "
                 "above. The filter can't tell OpenVINO a precision, so mdrn computes in the one that OpenVINO takes "
                 f"here. PSNR is between the two filters' pictures; below {LEAST_PSNR} dB nothing is timed.", "",
                 "| | precision | dnn_processing, s a frame | mdrn, s a frame | times mdrn's | PSNR, dB |",
                 "|---|---|---|---|---|---|"]
        for model, scale, size in ROWS.values():
            say(f"dnn_processing: {model} x{scale}")
            try:
                cells = self.beside_dnn(model, scale, size, threads, cores)
            except (Failure, subprocess.CalledProcessError) as failure:
                cells = f"– | – | – | – | {failure}"
            lines.append(f"| {model} x{scale}, {size[0]}x{size[1]} | {cells} |")
        return lines

    def beside_dnn(self, model, scale, size, threads, cores):
        weights, _ = self.weights(model, scale)
        network, taken = self.openvino_network(weights, size)
        programs = [(self.arguments.dnn, f"dnn_processing=dnn_backend=openvino:layout=nchw:model={network}"),
                    (self.arguments.ffmpeg, self.mdrn(weights, scale, "bf16" if taken == "bf16" else "fp32"))]
        likeness = psnr(*(self.first_picture(*program, size) for program in programs))
        if not likeness >= LEAST_PSNR:
            raise Failure(f"{likeness:.1f}: not timed")
        times = [[per_frame(program, size, "format=rgb24," + filters, threads, cores) for program, filters in programs]
                 for _ in range(self.arguments.rounds)]
        theirs, ours = map(min, zip(*times))
        return f"{taken} | {theirs:.3f} | {ours:.3f} | {theirs / ours:.2f} | {likeness:.1f}"

    def openvino_network(self, weights, size):
        """A file for pictures of this size, and OpenVINO's precision."""
        onnx, network = self.scratch / "dnn.onnx", self.scratch / "dnn.xml"
        subprocess.run([BIN / "mdrn-train", "convert", weights, onnx], check=True, stdout=subprocess.DEVNULL)
        taken = subprocess.run([sys.executable, HERE / "peers/openvino_ir.py", onnx, network, *map(str, size)],
                               check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
        return network, taken

    def first_picture(self, program, filters, size):
        """Of testsrc2 as one ffmpeg makes it: they differ between versions."""
        clip = self.scratch / "clip.rgb"
        width, height = size
        ffmpeg(self.arguments.ffmpeg, "-f", "lavfi", "-i", f"testsrc2=size={width}x{height}", "-frames:v", "1",
               "-f", "rawvideo", "-pix_fmt", "rgb24", "-y", clip)
        return np.frombuffer(ffmpeg(program, "-f", "rawvideo", "-pixel_format", "rgb24", "-video_size",
                                    f"{width}x{height}", "-i", clip, "-vf", filters, "-f", "rawvideo", "-pix_fmt",
                                    "rgb24", "-"), np.uint8)

    def heading(self, command):
        versions = ", ".join(f"{name} {version(package)}" for name, package in (
            ("PyTorch", "torch"), ("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino"), ("ncnn", "ncnn")))
        peaks = "\n".join(
            f"| {threads} | " + " | ".join(f"{value:.0f}" for value in peaks.values()) + " |"
            for threads, peaks in self.peaks.items())
        names = list(self.peaks[self.arguments.threads[0]])
        revision = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], text=True,
                                  stdout=subprocess.PIPE).stdout.strip()
        return f"""# {cpu()}, {os.cpu_count()} cores

{time.strftime("%d %B %Y")}, mdrn {revision}; {versions}. Made by `{command}`.

Seconds a frame; the programs take turns, {self.arguments.rounds} rounds of half a second or a frame each, but none after {ENOUGH} seconds of its own. Before it is timed, each one's output is compared with a golden (float64) where there is one. The share of the peak counts the network's multiply-adds alone, no GELU and no sigmoid; at bf16 the peak is that of the fastest unit.

Peaks, thousand millions of multiply-adds a second, of loops that do nothing else:

| threads | {" | ".join(names)} |
|---|{"---|" * len(names)}
{peaks}
"""


def ffmpeg(program, *arguments, cores=None):
    """What it writes to standard output."""
    try:
        done = subprocess.run([program, "-hide_banner", "-nostdin", "-v", "error", *arguments], capture_output=True,
                              timeout=LIMIT, preexec_fn=cores and (lambda: os.sched_setaffinity(0, cores)))
    except subprocess.TimeoutExpired:
        raise Failure(f"ffmpeg has not ended in {LIMIT} s") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise Failure(f"ffmpeg ended with {done.returncode}: {lines[0] if lines else 'no message'}")
    return done.stdout


def per_frame(program, size, filters, threads, cores=None):
    """ffmpeg's seconds for a frame: those of many less those of few. The clip ends by itself, as dnn_processing
    may crash where an output ends before its input."""
    def seconds(frames):
        start = time.perf_counter()
        ffmpeg(program, "-filter_threads", str(threads), "-f", "lavfi", "-i",
               f"testsrc2=size={size[0]}x{size[1]}:rate=25:duration={frames / 25}", "-vf", filters, "-f", "null", "-",
               cores=cores)
        return time.perf_counter() - start

    few = seconds(FEW)
    return (seconds(MANY) - few) / (MANY - FEW)


def psnr(one, other):
    if one.size != other.size:
        return 0.0
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return 10 * math.log10(255**2 / error) if error else math.inf


def macs_per_pixel(model, scale):
    """Multiply-adds of all convolutions for a pixel of the small picture; those on MDSA's smallest
    maps, 1/36 of it, are left out."""
    full = 28 if model == "mdrn-s" else 56
    half, quarter = full // 2, full // 4
    distill = 3 * full * half + 3 * full * (full + 9) + half * (full + 9) + 4 * half * full
    mdsa = 2 * full * quarter + 5 * quarter**2 + 9 * quarter  # the stride is 2 in both directions
    ecca = full * (full + 9)
    return 27 * full + 8 * (distill + mdsa + ecca) + 8 * full**2 + full * (full + 9) + 27 * scale**2 * full


def cpu():
    found = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", required=True, type=lambda text: [positive(part) for part in text.split(",")])
    parser.add_argument("--rounds", required=True, type=positive)
    parser.add_argument("--rows", required=True, type=lambda text: text.split(","))
    parser.add_argument("--peers", required=True, type=lambda text: text.split(","))
    parser.add_argument("--ffmpeg", required=True)
    parser.add_argument("--dnn", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--command", required=True)
    arguments = parser.parse_args()

    bench = Bench(arguments)
    print(bench.heading(arguments.command), flush=True)
    made = {"growth": lambda threads: bench.growth(GROWTH, threads),
            "4k": lambda threads: bench.growth([(3840, 2160)], threads),
            "filter": bench.filter}
    for name, row in ROWS.items():
        made[name] = lambda threads, row=row: bench.table(*row, threads)
    for threads in arguments.threads:
        for row in arguments.rows:
            try:
                print(made[row](threads), flush=True)
            except (Failure, subprocess.CalledProcessError) as failure:
                print(f"{row}, {threads} threads: {failure}\n", flush=True)


main()
