// SPDX-License-Identifier: BSD-2-Clause
// How kernels that walk down columns share out a map: a block takes some columns of a strip of
// rows, with C / 4 threads for each column; thread (i, j) has the i-th vector of column j.
#pragma once

#include "cuda/launch.h"
#include "frame.h"

namespace mdrn::cuda {

inline constexpr int kStripRows = 32;
inline constexpr int kStripThreads = 256;  // at most
inline constexpr int kStripBlocks = 2;     // on a multiprocessor at once, at least

// halo: columns left and right of a block that it loads but does not compute.
inline Launch strips(const char *kernel, Size size, int channels, int halo) {
    const int lanes = channels / 4;
    const int columns = kStripThreads / lanes;  // 4 with C = 256
    Launch launch;
    launch.kernel = kernel;
    launch.block = dim3(lanes, columns);
    launch.grid = dim3(blocks(size.width, columns - 2 * halo), blocks(size.height, kStripRows));
    return launch;
}

}  // namespace mdrn::cuda
