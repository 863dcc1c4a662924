# SPDX-License-Identifier: BSD-2-Clause
"""The programs that compare.py times."""
import math
import pathlib
import re
import select
import subprocess
import sys

import numpy as np

LIMIT = 600  # seconds that an answer may take: compiling takes the longest
FARTHEST = {"fp32": 2e-3, "bf16": 0.1}  # from the golden; beyond, it is another network


def say(text):
    print(text, file=sys.stderr, flush=True)


class Failure(Exception):
    """Why a peer has no figures."""


class Process:
    """A program that enlarges what standard input names (peers/serve.py)."""

    def __init__(self, name, precision, command, scratch):
        self.name, self.precision = name, precision
        self.log = scratch / (re.sub(r"\W+", "-", name) + ".log")
        self.seconds = []
        self.distance = None
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True)

    def run(self, size, source, target="-"):
        """Seconds that the network took."""
        answer = ""
        try:
            print(*size, source, target, file=self.process.stdin, flush=True)
            if select.select([self.process.stdout], [], [], LIMIT)[0]:
                answer = self.process.stdout.readline()
            else:
                raise Failure(f"no answer in {LIMIT} s")
        except BrokenPipeError:
            pass
        if not answer:
            lines = self.log.read_text(errors="replace").strip().splitlines()
            raise Failure(lines[-1] if lines else "ended without a word")
        return float(answer)

    def check(self, golden, scratch):
        small, wanted = golden["input"], golden["output"]
        source, target = scratch / "golden", scratch / "answer"
        small.tofile(source)
        self.run((small.shape[2], small.shape[1]), source, target)
        output = np.fromfile(target, np.float32)
        self.distance = float(np.abs(output - wanted.ravel()).max()) if output.size == wanted.size else math.inf
        if not self.distance <= FARTHEST[self.precision]:
            raise Failure(f"its output is {self.distance:.2g} from the golden: not timed")

    def turn(self, size, source):
        """Half a second of frames, at least one and at most five."""
        own = []
        while len(own) < 5 and sum(own) < 0.5:
            own.append(self.run(size, source))
        self.seconds += own

    def peak(self):
        """MiB that it held at most."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024

    def best(self):
        return min(self.seconds)

    def median(self):
        return float(np.median(self.seconds))

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
