# SPDX-License-Identifier: BSD-2-Clause
"""What every peer of compare.py does: a line "WIDTH HEIGHT IN OUT" of standard input is a picture to
enlarge, planar 32-bit RGB (3, HEIGHT, WIDTH) in the file IN; the enlarged one is written to OUT unless
that is "-", and the seconds that the network took are the answer on standard output."""
import sys
import time

import numpy as np


def serve(opened):
    """opened(width, height): a function of an array (1, 3, height, width) that returns the enlarged one;
    asked for once for each size, outside what is timed."""
    answers, sys.stdout = sys.stdout, sys.stderr  # where libraries talk
    network, size = None, None
    for line in sys.stdin:
        width, height, source, target = line.split()
        if (width, height) != size:
            size = width, height
            network = opened(int(width), int(height))
        picture = np.fromfile(source, np.float32).reshape(1, 3, int(height), int(width))
        start = time.perf_counter()
        output = network(picture)
        seconds = time.perf_counter() - start
        if target != "-":
            np.ascontiguousarray(output, np.float32).tofile(target)
        print(seconds, file=answers, flush=True)
