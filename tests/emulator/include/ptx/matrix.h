// SPDX-License-Identifier: BSD-2-Clause
// The emulated device's engine/cuda/ptx/matrix.h. Lanes meet as for a shuffle, all 32 of them, and
// the last to come computes for all, by PTX's tables. Each element of D is summed from D on, by
// column of A in turn, with products exact; a device may take another order.
#pragma once

#include <cuda_fp16.h>

#include <source_location>

namespace emulated {

// d, a, b: of 4, K / 4 and K / 8 words.
void multiply_add(int k, float *d, const unsigned *a, const unsigned *b,
                  std::source_location where);
void load_rows(int k, unsigned *a, const void *from, std::source_location where);

}  // namespace emulated

namespace mdrn::cuda {

template <int K>
struct Rows {
    unsigned v[K / 4];
};
template <int K>
struct Columns {
    unsigned v[K / 8];
};
struct Sums {
    float v[4];
};

template <int K>
void multiply_add(Sums &d, const Rows<K> &a, const Columns<K> &b,
                  std::source_location where = std::source_location::current()) {
    static_assert(K == 8 || K == 16);
    emulated::multiply_add(K, d.v, a.v, b.v, where);
}

template <int K>
Rows<K> load_rows(const __half *from,
                  std::source_location where = std::source_location::current()) {
    static_assert(K == 8 || K == 16);
    Rows<K> a;
    emulated::load_rows(K, a.v, from, where);
    return a;
}

}  // namespace mdrn::cuda
