// SPDX-License-Identifier: BSD-2-Clause
// One component of one row, between the caller's memory and floats.
#pragma once

#include <cstdint>

#include "mdrn.h"

namespace mdrn {

// What the integer codes of a component mean: value = (code - zero) / one.
struct Codes {
    float zero = 0;
    float one = 1;
    float top = 1;  // the largest code
};

// H.273 quantisation; chroma is centred on 0.
Codes codes_of(int depth, bool chroma, bool limited);

// Bytes of the word that holds a sample.
int word_size(const mdrn_component &component);

// Reads samples first to first + count - 1 of a row to out[0] and on. Float samples that are not
// finite become 0; returns whether there were none.
bool gather(const mdrn_layout &layout, int component, const Codes &codes, const void *row,
            int first, int count, float *out);

// Writes in[0] and on to samples first to first + count - 1 of a row: integers rounded and clipped.
// The other bits of a word become 0, unless an earlier component of the layout has a share in it.
void scatter(const mdrn_layout &layout, int component, const Codes &codes, const float *in,
             void *row, int first, int count);

}  // namespace mdrn
