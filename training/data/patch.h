// SPDX-License-Identifier: BSD-2-Clause
// Patches of a pair of pictures, turned and mirrored.
#pragma once

#include <cstdint>

#include "draws.h"
#include "picture.h"

namespace mdrn::training {

struct Place {
    int x, y;  // of a patch's first pixel in low resolution
};

// One of all places of a patch of lq_size in gt reduced by scale, which is at least as large.
// by_energy: of eight such, one with a likelihood proportional to its mean gradient in gt.
Place draw_place(Draws &draws, const Picture &gt, int scale, int lq_size, bool by_energy);

// The patch of gt reduced by scale, as if all of gt had been.
Picture reduced_patch(const Picture &gt, int scale, Place place, int lq_size);

struct Turn {
    bool left_right = false, upside_down = false, transposed = false;  // in this order
};

// use_hflip, use_rot: BasicSR's.
Turn draw_turn(Draws &draws, bool use_hflip, bool use_rot);

// The square of size pixels at (x, y), turned, into out: (size, size, 3).
void copy_turned(const Picture &picture, int x, int y, int size, Turn turn, uint8_t *out);

}  // namespace mdrn::training
