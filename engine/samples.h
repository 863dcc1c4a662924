// SPDX-License-Identifier: BSD-2-Clause
// One component of one row, between the caller's memory and floats.
#pragma once

#include <cstdint>

#include "mdrn.h"
#include "stages.h"

namespace mdrn {

// What the integer codes of a component mean: value = (code - zero) / one.
struct Codes {
    float zero = 0;
    float one = 1;
    float top = 1;  // the largest code
};

// H.273 quantisation; chroma is centred on 0.
Codes codes_of(int depth, bool chroma, bool limited);

// Those of an image's component, by its matrix and range; as they are for float.
Codes component_codes(const mdrn_image &image, int component);

// Bytes of the word that holds a sample.
int word_size(const mdrn_component &component);

// Samples of a component in a row, and rows.
Size component_size(const mdrn_image &image, int component);

// Bits of a component's word that earlier components of the layout have.
uint32_t earlier_bits(const mdrn_layout &layout, int component);

// Reads samples first to first + count - 1 of a row to out[0] and on. Float samples that are not
// finite become 0; returns whether there were none.
bool gather(const mdrn_layout &layout, int component, const Codes &codes, const void *row,
            int first, int count, float *out);

// Writes in[0] and on to samples first to first + count - 1 of a row: integers rounded and clipped.
// Bits of a word that an earlier component of the layout has stay as they are, the others become 0.
void scatter(const mdrn_layout &layout, int component, const Codes &codes, const float *in,
             void *row, int first, int count);

// Sets the bytes between samples to 255: those that no component has are the same each time, and
// opaque to who takes them for alpha. Before the first scatter.
void fill_gaps(const mdrn_image &image);

}  // namespace mdrn
