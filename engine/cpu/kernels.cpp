// SPDX-License-Identifier: BSD-2-Clause
#include "cpu/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels.cpp"
// clang-format off: this header first
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace mdrn::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors of at most a quantum, so that a quantum is always a whole number of them.
using D = hn::CappedTag<float, kQuantum>;
using V = hn::Vec<D>;
constexpr D d;

// x (1/2 + e(x)) with e = Phi - 1/2 = x P(x²) / Q(x²), fitted to 7e-9 on [-5.5, 5.5].
HWY_INLINE V gelu(V x) {
    const V bound = hn::Set(d, 5.5F);
    const V half = hn::Set(d, 0.5F);
    const V t = hn::Min(hn::Max(x, hn::Neg(bound)), bound);
    const V u = hn::Mul(t, t);
    V p = hn::Set(d, 2.2749482297967916e-08F);
    p = hn::MulAdd(p, u, hn::Set(d, 6.352113814500626e-06F));
    p = hn::MulAdd(p, u, hn::Set(d, 0.00016882477211765945F));
    p = hn::MulAdd(p, u, hn::Set(d, 0.004677255172282457F));
    p = hn::MulAdd(p, u, hn::Set(d, 0.033852554857730865F));
    p = hn::MulAdd(p, u, hn::Set(d, 0.398942232131958F));
    V q = hn::Set(d, 1.1975071174674667e-06F);
    q = hn::MulAdd(q, u, hn::Set(d, 7.364722841884941e-05F));
    q = hn::MulAdd(q, u, hn::Set(d, 0.001884439610876143F));
    q = hn::MulAdd(q, u, hn::Set(d, 0.028645819053053856F));
    q = hn::MulAdd(q, u, hn::Set(d, 0.2515217065811157F));
    q = hn::MulAdd(q, u, hn::Set(d, 1.0F));
    V e = hn::Div(hn::Mul(t, p), q);
    e = hn::Min(hn::Max(e, hn::Neg(half)), half);
    return hn::MulAdd(x, e, hn::Mul(x, half));
}

HWY_INLINE V sigmoid(V x) {
    const V one = hn::Set(d, 1.0F);
    const V largest = hn::Set(d, 88.0F);  // Exp overflows into anything beyond
    return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Min(hn::Neg(x), largest))));
}

template <Epilogue E>
HWY_INLINE void finish(V v, float *out) {
    if constexpr (E == Epilogue::gelu) v = gelu(v);
    if constexpr (E == Epilogue::gate) {
        const V old = hn::LoadU(d, out);
        v = hn::MulAdd(old, sigmoid(v), old);
    }
    hn::StoreU(v, d, out);
}

// Four outputs over kVectors vectors of columns from x on; only the first `outputs` are stored.
template <int kVectors, Epilogue E>
HWY_INLINE void pointwise_block(const float *HWY_RESTRICT w, int inputs, const float *bias,
                                const float *const *HWY_RESTRICT in, float *HWY_RESTRICT out,
                                ptrdiff_t pitch, int x, int outputs, Start start) {
    const int n = static_cast<int>(hn::Lanes(d));
    V sum[4][kVectors];
    for (int o = 0; o < 4; ++o)
        for (int v = 0; v < kVectors; ++v) {
            if (start == Start::out && o < outputs)
                sum[o][v] = hn::LoadU(d, out + o * pitch + x + v * n);
            else
                sum[o][v] = hn::Set(d, bias && o < outputs ? bias[o] : 0.0F);
        }
    for (int i = 0; i < inputs; ++i, w += 4) {
        V column[kVectors];
        for (int v = 0; v < kVectors; ++v) column[v] = hn::LoadU(d, in[i] + x + v * n);
        for (int o = 0; o < 4; ++o) {
            const V weight = hn::Set(d, w[o]);
            for (int v = 0; v < kVectors; ++v) sum[o][v] = hn::MulAdd(weight, column[v], sum[o][v]);
        }
    }
    for (int o = 0; o < outputs; ++o)
        for (int v = 0; v < kVectors; ++v) finish<E>(sum[o][v], out + o * pitch + x + v * n);
}

template <int kVectors, Epilogue E>
HWY_NOINLINE void pointwise_columns(const Packed &w, const float *bias, const float *const *in,
                                    float *out, ptrdiff_t pitch, int x, Start start) {
    const float *values = w.values.data();
    int o = 0;
    for (; o + 4 <= w.outputs; o += 4, values += 4 * w.inputs)
        pointwise_block<kVectors, E>(values, w.inputs, bias ? bias + o : nullptr, in,
                                     out + o * pitch, pitch, x, 4, start);
    if (o < w.outputs)
        pointwise_block<kVectors, E>(values, w.inputs, bias ? bias + o : nullptr, in,
                                     out + o * pitch, pitch, x, w.outputs - o, start);
}

template <Epilogue E>
void pointwise_all(const Packed &w, const float *bias, const float *const *in, float *out,
                   ptrdiff_t pitch, int columns, Start start) {
    const int n = static_cast<int>(hn::Lanes(d));
    const int end = (columns + kQuantum - 1) / kQuantum * kQuantum;
    int x = 0;
    for (; x + 3 * n <= end; x += 3 * n) pointwise_columns<3, E>(w, bias, in, out, pitch, x, start);
    if (x + 2 * n <= end) {
        pointwise_columns<2, E>(w, bias, in, out, pitch, x, start);
        x += 2 * n;
    }
    if (x < end) pointwise_columns<1, E>(w, bias, in, out, pitch, x, start);
}

void pointwise(const Packed &w, const float *bias, const float *const *in, float *out,
               ptrdiff_t pitch, int columns, Start start, Epilogue epilogue) {
    switch (epilogue) {
        case Epilogue::none:
            return pointwise_all<Epilogue::none>(w, bias, in, out, pitch, columns, start);
        case Epilogue::gelu:
            return pointwise_all<Epilogue::gelu>(w, bias, in, out, pitch, columns, start);
        case Epilogue::gate:
            return pointwise_all<Epilogue::gate>(w, bias, in, out, pitch, columns, start);
    }
}

void depthwise(const float *taps, const float *bias, const float *const rows[3], ptrdiff_t in_pitch,
               const float *residual, ptrdiff_t residual_pitch, const float *residual2,
               ptrdiff_t residual2_pitch, float *out, ptrdiff_t out_pitch, int channels,
               int columns, bool with_gelu) {
    const int n = static_cast<int>(hn::Lanes(d));
    const int end = (columns + kQuantum - 1) / kQuantum * kQuantum;
    for (int c = 0; c < channels; ++c) {
        const float *tap = taps + 9 * c;
        const V start = hn::Set(d, bias[c]);
        V w[9];
        for (int k = 0; k < 9; ++k) w[k] = hn::Set(d, tap[k]);
        for (int x = 0; x < end; x += n) {
            V sum = start;
            for (int ky = 0; ky < 3; ++ky) {
                const float *row = rows[ky] + c * in_pitch + x;
                for (int kx = 0; kx < 3; ++kx)
                    sum = hn::MulAdd(w[3 * ky + kx], hn::LoadU(d, row + kx - 1), sum);
            }
            if (residual) sum = hn::Add(sum, hn::LoadU(d, residual + c * residual_pitch + x));
            if (residual2) sum = hn::Add(sum, hn::LoadU(d, residual2 + c * residual2_pitch + x));
            if (with_gelu) sum = gelu(sum);
            hn::StoreU(sum, d, out + c * out_pitch + x);
        }
    }
}

// Sixteen running sums, whatever the vectors' length, then in order.
template <typename Term>
HWY_INLINE float sum_of(const float *values, int count, const Term &term) {
    const int n = static_cast<int>(hn::Lanes(d));
    HWY_ALIGN float lanes[kQuantum];
    for (int first = 0; first < kQuantum; first += n) {
        V sum = hn::Zero(d);
        for (int x = first; x < count; x += kQuantum) {
            const auto valid = hn::FirstN(d, static_cast<size_t>(count - x));
            sum = hn::Add(sum, hn::IfThenElseZero(valid, term(hn::LoadU(d, values + x))));
        }
        hn::Store(sum, d, lanes + first);
    }
    float total = 0;
    for (float lane : lanes) total += lane;
    return total;
}

Moments moments(const float *values, int count) {
    const float mean = sum_of(values, count, [](V v) { return v; }) / static_cast<float>(count);
    const V middle = hn::Set(d, mean);
    const float m2 = sum_of(values, count, [middle](V v) {
        const V difference = hn::Sub(v, middle);
        return hn::Mul(difference, difference);
    });
    return {mean, m2};
}

const Kernels *table() {
    static constexpr Kernels kernels{pointwise, depthwise, moments};
    return &kernels;
}

}  // namespace mdrn::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "error.h"

namespace mdrn::cpu {

HWY_EXPORT(table);

namespace {

struct Target {
    std::string name;
    const Kernels *kernels;
};

// What Highway compiled and this machine runs, best first.
std::vector<Target> find_targets() {
    std::vector<Target> found;
    for (int64_t target : hwy::SupportedAndGeneratedTargets()) {
        hwy::SetSupportedTargetsForTest(target);
        hwy::GetChosenTarget().Update(hwy::SupportedTargets());
        found.push_back({hwy::TargetName(target), HWY_DYNAMIC_DISPATCH(table)()});
    }
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return found;
}

const std::vector<Target> &all_targets() {
    static const std::vector<Target> found = find_targets();
    return found;
}

}  // namespace

Packed::Packed(const float *weight, int outputs_, int inputs_, int stride, int first)
    : outputs(outputs_), inputs(inputs_) {
    values.reserve(static_cast<size_t>((outputs + 3) / 4 * 4) * inputs);
    for (int block = 0; block < outputs; block += 4)
        for (int i = 0; i < inputs; ++i)
            for (int o = block; o < block + 4; ++o)
                values.push_back(o < outputs ? weight[o * stride + first + i] : 0.0F);
}

std::vector<std::string> targets() {
    std::vector<std::string> names;
    for (const Target &target : all_targets()) names.push_back(target.name);
    return names;
}

const Kernels &kernels(const std::string &name) {
    const auto &all = all_targets();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Target &target) {
        return name.empty() || target.name == name;
    });
    if (found == all.end())
        throw Error(MDRN_ERROR_UNSUPPORTED, "this machine has no SIMD target " + name);
    return *found->kernels;
}

}  // namespace mdrn::cpu
#endif
