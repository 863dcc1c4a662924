// SPDX-License-Identifier: BSD-2-Clause
#include "cpu/bf16_pointwise.h"

namespace mdrn::cpu {

namespace {

struct Config {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Tiles 0 ... 3: 32 x 32 sums; 4 and 5: of w, 16 outputs x 32 inputs; 6 and 7: 16 pairs x 16
// columns.
struct Amx {
    Amx() {
        static constexpr Config kConfig;
        _tile_loadconfig(&kConfig);
    }
    ~Amx() { _tile_release(); }

    void multiply(const Halves &w, const __m512i *pairs, float *sums) const {
        for (int o = 0; o < w.outputs; o += 32) {
            const bool both = o + 16 < w.outputs;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            const uint16_t *weights = w.values.data() + o * w.inputs;
            for (int i = 0; i < w.inputs; i += 32) {
                _tile_loadd(6, pairs + i, 128);
                _tile_loadd(7, pairs + i + 1, 128);
                _tile_loadd(4, weights + i, 2 * w.inputs);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                if (!both) continue;
                _tile_loadd(5, weights + 16 * w.inputs + i, 2 * w.inputs);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            float *to = sums + o * kSums;
            _tile_stored(0, to, sizeof(float) * kSums);
            _tile_stored(1, to + kQuantum, sizeof(float) * kSums);
            if (!both) continue;
            _tile_stored(2, to + 16 * kSums, sizeof(float) * kSums);
            _tile_stored(3, to + 16 * kSums + kQuantum, sizeof(float) * kSums);
        }
    }
};

}  // namespace

extern const decltype(Kernels::pointwise) pointwise_amx = bf16_pointwise<Amx>;

}  // namespace mdrn::cpu
