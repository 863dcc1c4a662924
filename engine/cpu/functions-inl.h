// SPDX-License-Identifier: BSD-2-Clause
// GELU and the sigmoid on vectors, once for each of Highway's targets.
#if defined(MDRN_FUNCTIONS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef MDRN_FUNCTIONS_INL_H
#undef MDRN_FUNCTIONS_INL_H
#else
#define MDRN_FUNCTIONS_INL_H
#endif

#include <hwy/highway.h>

#include "cpu/gelu.h"
#include "cpu/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace mdrn::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors of at most a quantum, so that a quantum is always a whole number of them.
using D = hn::CappedTag<float, kQuantum>;
using V = hn::Vec<D>;
constexpr D d;
using Integers = hn::RebindToSigned<D>;

// row.values[segment % kGeluSegments] for each lane.
HWY_INLINE V look_up(const GeluRow &row, hn::Vec<Integers> segment) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    return V{_mm512_permutexvar_ps(segment.raw, _mm512_load_ps(row.values.data()))};
#elif HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2
    const __m256 low = _mm256_permutevar8x32_ps(_mm256_load_ps(row.values.data()), segment.raw);
    const __m256 apart = _mm256_permutevar8x32_ps(
        _mm256_load_ps(reinterpret_cast<const float *>(row.apart.data())), segment.raw);
    const __m256i is_high = _mm256_srai_epi32(_mm256_slli_epi32(segment.raw, 28), 31);
    return V{_mm256_xor_ps(low, _mm256_and_ps(apart, _mm256_castsi256_ps(is_high)))};
#else
    segment = hn::And(segment, hn::Set(Integers(), kGeluSegments - 1));
#if HWY_ARCH_ARM_A64
    // Of each float its four bytes.
    const uint8x16_t bytes = vreinterpretq_u8_u32(
        vmlaq_n_u32(vdupq_n_u32(0x03020100), vreinterpretq_u32_s32(segment.raw), 0x04040404));
    const uint8x16x4_t table = vld1q_u8_x4(reinterpret_cast<const uint8_t *>(row.values.data()));
    return V{vreinterpretq_f32_u8(vqtbl4q_u8(table, bytes))};
#else
    return hn::GatherIndex(d, row.values.data(), segment);
#endif
#endif
}

// Functions of N vectors at a time, for a processor to overlap them: each by itself is one long
// chain.

// x P(x²) / Q(x²) within the bounds, and what it is there beyond them. The powers fall.
template <int kP, int kQ>
struct OddRatio {
    float bound;
    float p[kP];
    float q[kQ];

    template <bool kQuick, int N>
    HWY_INLINE void apply(V (&x)[N]) const {
        V u[N], num[N], den[N];
        for (int v = 0; v < N; ++v) {
            x[v] = hn::Min(hn::Max(x[v], hn::Set(d, -bound)), hn::Set(d, bound));
            u[v] = hn::Mul(x[v], x[v]);
            num[v] = hn::Set(d, p[0]);
            den[v] = hn::Set(d, q[0]);
        }
        for (int k = 1; k < kP; ++k)
            for (int v = 0; v < N; ++v) num[v] = hn::MulAdd(num[v], u[v], hn::Set(d, p[k]));
        for (int k = 1; k < kQ; ++k)
            for (int v = 0; v < N; ++v) den[v] = hn::MulAdd(den[v], u[v], hn::Set(d, q[k]));
        for (int v = 0; v < N; ++v) {
            num[v] = hn::Mul(x[v], num[v]);
            x[v] = kQuick ? hn::Mul(num[v], hn::ApproximateReciprocal(den[v]))
                          : hn::Div(num[v], den[v]);
        }
    }
};

struct Exact {
    // As gelu.h says.
    template <int N>
    static HWY_INLINE void gelu(V (&x)[N]) {
        hn::Vec<Integers> segment[N];
        V r[N], e[N];
        for (int v = 0; v < N; ++v) {
            const V t = hn::Min(hn::Abs(x[v]), hn::Set(d, kGeluBound));
            const V shifted = hn::Add(t, hn::Set(d, kGeluOffset));
            const auto bits = hn::BitCast(Integers(), shifted);
            segment[v] = hn::ShiftRight<kGeluShift>(bits);
            const auto middle = hn::OrAnd(hn::Set(Integers(), 1 << (kGeluShift - 1)), bits,
                                          hn::Set(Integers(), -(1 << kGeluShift)));
            r[v] = hn::Sub(shifted, hn::BitCast(d, middle));
            e[v] = look_up(kGelu[kGeluDegree], segment[v]);
        }
        for (int k = kGeluDegree - 1; k >= 0; --k)
            for (int v = 0; v < N; ++v)
                e[v] = hn::MulAdd(e[v], r[v], look_up(kGelu[k], segment[v]));
        for (int v = 0; v < N; ++v)
            x[v] = hn::MulAdd(hn::Abs(x[v]), e[v], hn::Mul(x[v], hn::Set(d, 0.5F)));
    }

    // sigmoid - 1/2 is fitted to 4e-9.
    template <int N>
    static HWY_INLINE void sigmoid(V (&x)[N]) {
        static constexpr OddRatio<5, 5> kRatio{
            16.5F,
            {1.423309647224924e-11F, 8.377871552056604e-08F, 5.53923164261505e-05F,
             0.008388957008719444F, 0.2499999850988388F},
            {3.227577982656271e-09F, 5.26180156157352e-06F, 0.0016290084458887577F,
             0.1168891191482544F, 1.0F}};
        kRatio.apply<false>(x);
        for (int v = 0; v < N; ++v) x[v] = hn::Add(x[v], hn::Set(d, 0.5F));
    }
};

// Beside bf16, which keeps two or three digits.
struct Quick {
    // Phi - 1/2 is fitted to 2e-5.
    template <int N>
    static HWY_INLINE void gelu(V (&x)[N]) {
        static constexpr OddRatio<3, 4> kRatio{
            4.2F,
            {0.00269782241F, 0.0354486071F, 0.398849249F},
            {0.000434413116F, 0.0249959398F, 0.254713833F, 1.0F}};
        V e[N];
        for (int v = 0; v < N; ++v) e[v] = x[v];
        kRatio.apply<true>(e);
        for (int v = 0; v < N; ++v) x[v] = hn::Mul(x[v], hn::Add(e[v], hn::Set(d, 0.5F)));
    }

    // Fitted to 2e-5.
    template <int N>
    static HWY_INLINE void sigmoid(V (&x)[N]) {
        static constexpr OddRatio<3, 3> kRatio{10.0F,
                                               {1.02334952e-05F, 0.00635769591F, 0.24995254F},
                                               {0.000789948681F, 0.108626015F, 1.0F}};
        kRatio.apply<true>(x);
        for (int v = 0; v < N; ++v) x[v] = hn::Add(x[v], hn::Set(d, 0.5F));
    }
};

}  // namespace mdrn::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
