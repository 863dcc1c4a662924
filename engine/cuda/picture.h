// SPDX-License-Identifier: BSD-2-Clause
// A picture in device memory as unpack and pack read and write it.
#pragma once

#include <cstddef>
#include <vector>

#include "matrix.h"
#include "mdrn.h"

namespace mdrn::cuda {

// The samples of one component.
struct Samples {
    unsigned char *data;  // of sample (0, 0)
    ptrdiff_t stride;     // bytes
    int step;             // bytes
    int width, height;    // of the component itself
    int bytes;            // of the word that holds a sample
    int shift;
    unsigned mask;  // of the value, shifted down
    bool big_endian, is_float;
    unsigned others;       // bits of the word that earlier components have
    float zero, one, top;  // value = (code - zero) / one; top: the largest code
};

// Catmull-Rom along one axis, as zimg has it: sample i is the sum over k < taps of
// weight[phase * taps + k] times sample i / phases * advance + first[phase] + k, phase = i %
// phases, mirrored at the edges.
struct Resampling {
    int phases, advance, taps;
    int first[4];
    float weight[16];
};

// up samples for every `down`; sample i lies at (i + 0.5) * down / up + shift, where sample 0 of
// what is resampled covers 0 to 1. One of up and down is 1, the other at most 4.
Resampling resampling(int up, int down, double shift);

struct Picture {
    int width, height;
    mdrn_color_model model;
    Samples part[3];  // R, G, B, or Y, Cb, Cr, or gray
    bool has_alpha;
    Samples alpha;
    int log2_w, log2_h;       // of chroma
    LinearMatrix matrix;      // of YUV and gray
    Resampling across, down;  // chroma: to luma's grid for unpack, from there for pack
    Resampling enlarging;     // both ways alike, of alpha and of what passes beside the network
};

// A plane with bytes that no component has, which become 255.
struct Gaps {
    unsigned char *data;
    ptrdiff_t stride;
    size_t row;  // bytes
    int height;
};
std::vector<Gaps> gaps_of(const mdrn_image &image);

enum class Direction { unpack, pack };

// untagged: the matrix that pictures without a tag are taken to have. Throws
// Error(MDRN_ERROR_UNSUPPORTED) for a matrix that is not linear in R, G, B.
Picture picture_of(const mdrn_image &image, Direction direction, int untagged, int scale);

}  // namespace mdrn::cuda
