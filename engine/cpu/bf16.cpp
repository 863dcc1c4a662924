// SPDX-License-Identifier: BSD-2-Clause
#include "cpu/bf16.h"

#include <algorithm>
#include <cstring>

#include "cpu/features.h"
#include "error.h"

namespace mdrn::cpu {

// Each in a file of its own, compiled for the unit.
extern const decltype(Kernels::pointwise) pointwise_amx;
extern const decltype(Kernels::pointwise) pointwise_avx512_bf16;

namespace {

struct Unit {
    std::string name;
    Kernels kernels;
};

std::vector<Unit> find_units() {
    std::vector<Unit> found;
    [[maybe_unused]] const auto add = [&](const std::string &name,
                                          decltype(Kernels::pointwise) pointwise) {
        Unit unit{name, kernels("")};
        unit.kernels.pointwise = pointwise;
        unit.kernels.depthwise = bf16_kernels().depthwise;
        found.push_back(unit);
    };
#if MDRN_BF16_AMX
    if (has_amx_bf16()) add("AMX", pointwise_amx);
#endif
#if MDRN_BF16_AVX512
    if (has_avx512_bf16()) add("AVX512-BF16", pointwise_avx512_bf16);
#endif
    return found;
}

const std::vector<Unit> &all_units() {
    static const std::vector<Unit> found = find_units();
    return found;
}

// To nearest, ties to even.
uint16_t rounded(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace

Halves::Halves(const float *weight, int outputs_, int inputs_, int columns)
    : outputs((outputs_ + 15) / 16 * 16), inputs((inputs_ + 31) / 32 * 32) {
    values.resize(static_cast<size_t>(outputs) * inputs);
    for (int o = 0; o < outputs_; ++o)
        for (int i = 0; i < inputs_; ++i) values[o * inputs + i] = rounded(weight[o * columns + i]);
}

std::vector<std::string> bf16_units() {
    std::vector<std::string> names;
    for (const Unit &unit : all_units()) names.push_back(unit.name);
    return names;
}

const Kernels &kernels_in_bf16(const std::string &name) {
    const auto &all = all_units();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Unit &unit) {
        return name.empty() || unit.name == name;
    });
    if (found == all.end())
        throw Error(MDRN_ERROR_UNSUPPORTED,
                    "this processor does not multiply in bf16: use precision fp32 or auto");
    return found->kernels;
}

}  // namespace mdrn::cpu
