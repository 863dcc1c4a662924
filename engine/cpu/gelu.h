// SPDX-License-Identifier: BSD-2-Clause
// e(t) = Phi(t) - 1/2 of GELU(x) = x Phi(x) = x/2 + |x| e(|x|), as polynomials for a processor to
// look up.
#pragma once

#include <array>
#include <cstddef>

namespace mdrn::cpu {

// Segment i is where the floats t + kGeluOffset have i in the three bits from kGeluShift on: four
// segments from 0 to 2, four from 2 to 6. In each, e is interpolated at the zeros of a Chebyshev
// polynomial, to 4e-8. Beyond, e is what it is at the bound: 1/2.
inline constexpr int kGeluSegments = 8;
inline constexpr int kGeluDegree = 6;
inline constexpr float kGeluOffset = 2;
inline constexpr int kGeluShift = 21;
inline constexpr float kGeluBound = 5.9999995F;  // the last float of the last segment

struct GeluTable {
    // Of all segments; twice, for vectors of 16.
    using Row = std::array<float, 2 * kGeluSegments>;
    alignas(64) Row middle{};
    alignas(64) std::array<Row, kGeluDegree + 1> coefficients{};  // of (t - middle)^k
};

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
    constexpr double kZeros[kNodes] = {
        -0.9749279121818236, -0.7818314824680298, -0.4338837391175581, 0,
        0.4338837391175581,  0.7818314824680298,  0.9749279121818236};
    GeluTable table;
    for (size_t i = 0; i < kGeluSegments; ++i) {
        const double half = i < 4 ? 0.25 : 0.5;
        const double middle = i < 4 ? 0.5 * double(i) + half : double(i) - 2 + half;
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
        for (size_t copy : {i, i + kGeluSegments}) {
            table.middle[copy] = float(middle);
            for (size_t k = 0; k < kNodes; ++k) table.coefficients[k][copy] = float(powers[k]);
        }
    }
    return table;
}

inline constexpr GeluTable kGelu = make_gelu_table();

}  // namespace mdrn::cpu
