// SPDX-License-Identifier: BSD-2-Clause
// e(t) = Phi(t) - 1/2 of GELU(x) = x Phi(x) = x/2 + |x| e(|x|), as polynomials for a processor to
// look up.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace mdrn::cpu {

// Segment i is where the floats t + kGeluOffset have i in the four bits from kGeluShift on: eight
// segments from 0 to 2, eight from 2 to 6. In each, e is interpolated at the zeros of a Chebyshev
// polynomial of the distance from the segment's middle, which is where the bits below are 100...:
// to 2e-8 below 2 and 1.5e-7 above. In the last it is 1/2, and so beyond.
inline constexpr int kGeluSegments = 16;
inline constexpr int kGeluDegree = 4;
inline constexpr float kGeluOffset = 2;
inline constexpr int kGeluShift = 20;
inline constexpr float kGeluBound = 5.9999995F;  // the last float of the last segment

// A coefficient in all segments.
struct GeluRow {
    alignas(64) std::array<float, kGeluSegments> values{};
    // For vectors of eight: the bits in which values[i + 8] differs from values[i].
    alignas(32) std::array<uint32_t, kGeluSegments / 2> apart{};
};
using GeluTable = std::array<GeluRow, kGeluDegree + 1>;  // for each power

// phi(t) (t + t^3/3 + t^5/(3 5) + ...): Abramowitz and Stegun, 26.2.11.
constexpr double e_of_gelu(double t) {
    double power = 1;  // exp(t²/2)
    for (int n = 60; n > 0; --n) power = 1 + power * t * t / (2 * n);
    double sum = 0, term = t;
    for (int n = 1; n < 200; ++n) {
        sum += term;
        term *= t * t / (2 * n + 1);
    }
    constexpr double kRootOf2Pi = 2.5066282746310002;
    return sum / (kRootOf2Pi * power);
}

constexpr GeluTable make_gelu_table() {
    constexpr size_t kNodes = kGeluDegree + 1;
    constexpr double kZeros[kNodes] = {-0.9510565162951535, -0.5877852522924731, 0,
                                       0.5877852522924731, 0.9510565162951535};
    GeluTable table{};
    for (size_t i = 0; i + 1 < kGeluSegments; ++i) {
        const double half = i < 8 ? 0.125 : 0.25;
        const double middle = half + (i < 8 ? 0.25 * double(i) : 0.5 * double(i) - 2);
        // Newton's divided differences, then his polynomial multiplied out.
        double nodes[kNodes], divided[kNodes], powers[kNodes] = {};
        for (size_t k = 0; k < kNodes; ++k) {
            nodes[k] = half * kZeros[k];
            divided[k] = e_of_gelu(middle + nodes[k]);
        }
        for (size_t order = 1; order < kNodes; ++order)
            for (size_t k = kNodes - 1; k >= order; --k)
                divided[k] = (divided[k] - divided[k - 1]) / (nodes[k] - nodes[k - order]);
        for (size_t k = kNodes; k-- > 0;) {
            for (size_t j = kNodes - 1; j > 0; --j)
                powers[j] = powers[j - 1] - nodes[k] * powers[j];
            powers[0] = divided[k] - nodes[k] * powers[0];
        }
        for (size_t k = 0; k < kNodes; ++k) table[k].values[i] = float(powers[k]);
    }
    table[0].values[kGeluSegments - 1] = 0.5F;
    for (GeluRow &row : table)
        for (size_t i = 0; i < kGeluSegments / 2; ++i)
            row.apart[i] = std::bit_cast<uint32_t>(row.values[i]) ^
                           std::bit_cast<uint32_t>(row.values[i + kGeluSegments / 2]);
    return table;
}

inline constexpr GeluTable kGelu = make_gelu_table();

}  // namespace mdrn::cpu
