// SPDX-License-Identifier: BSD-2-Clause
#include "cpu/kernels.h"

#include "cpu/bf16.h"

// Vectors whose size is known only at run time cannot stand in arrays.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels.cpp"
// clang-format off: this header first
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/cache_control.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace mdrn::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors of at most a quantum, so that a quantum is always a whole number of them.
using D = hn::CappedTag<float, kQuantum>;
using V = hn::Vec<D>;
constexpr D d;

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
    // x (1/2 + e(x)), where e = Phi - 1/2 is fitted to 7e-9.
    template <int N>
    static HWY_INLINE void gelu(V (&x)[N]) {
        static constexpr OddRatio<6, 6> kRatio{
            5.5F,
            {2.2749482297967916e-08F, 6.352113814500626e-06F, 0.00016882477211765945F,
             0.004677255172282457F, 0.033852554857730865F, 0.398942232131958F},
            {1.1975071174674667e-06F, 7.364722841884941e-05F, 0.001884439610876143F,
             0.028645819053053856F, 0.2515217065811157F, 1.0F}};
        const V half = hn::Set(d, 0.5F);
        V e[N];
        for (int v = 0; v < N; ++v) e[v] = x[v];
        kRatio.apply<false>(e);
        for (int v = 0; v < N; ++v) {
            e[v] = hn::Min(hn::Max(e[v], hn::Set(d, -0.5F)), half);
            x[v] = hn::MulAdd(x[v], e[v], hn::Mul(x[v], half));
        }
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

// N vectors of a row that begin at out.
template <Epilogue E, class Functions, int N>
HWY_INLINE void finish(V (&values)[N], float *out) {
    const int n = static_cast<int>(hn::Lanes(d));
    if constexpr (E == Epilogue::gelu) Functions::gelu(values);
    if constexpr (E == Epilogue::gate) Functions::sigmoid(values);
    for (int v = 0; v < N; ++v) {
        if constexpr (E == Epilogue::gate) {
            const V old = hn::LoadU(d, out + v * n);
            values[v] = hn::MulAdd(old, values[v], old);
        }
        hn::StoreU(values[v], d, out + v * n);
    }
}

// As many sums as the registers hold beside what they are computed from.
#if HWY_ARCH_ARM_A64 || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3)
constexpr int kOutputs = 14;
constexpr int kWidest = 2;
#else
constexpr int kOutputs = 4;
constexpr int kWidest = 3;
#endif

constexpr int kAhead = 64;  // columns, whose lines are asked for in time

// kRows outputs over kVectors vectors of columns from x on; only the first `outputs` are stored.
template <int kRows, int kVectors, Epilogue E>
HWY_INLINE void pointwise_block(const Packed &w, int first, const float *bias,
                                const float *const *HWY_RESTRICT in, float *HWY_RESTRICT out,
                                ptrdiff_t pitch, int x, Start start) {
    const int n = static_cast<int>(hn::Lanes(d));
    const int outputs = HWY_MIN(kRows, w.outputs - first);
    const float *HWY_RESTRICT weights = w.values.data() + first;
    out += first * pitch + x;
    V sum[kRows][kVectors];
    for (int o = 0; o < kRows; ++o)
        for (int v = 0; v < kVectors; ++v) {
            if (start == Start::out && o < outputs)
                sum[o][v] = hn::LoadU(d, out + o * pitch + v * n);
            else
                sum[o][v] = hn::Set(d, bias && o < outputs ? bias[first + o] : 0.0F);
        }
    for (int i = 0; i < w.inputs; ++i, weights += w.stride) {
        V column[kVectors];
        for (int v = 0; v < kVectors; ++v) column[v] = hn::LoadU(d, in[i] + x + v * n);
        if (first == 0)
            for (int v = 0; v < kVectors; ++v) hwy::Prefetch(in[i] + x + kAhead + v * n);
        for (int o = 0; o < kRows; ++o) {
            const V weight = hn::Set(d, weights[o]);
            for (int v = 0; v < kVectors; ++v) sum[o][v] = hn::MulAdd(weight, column[v], sum[o][v]);
        }
    }
    for (int o = 0; o < kRows; ++o)
        if (o < outputs) finish<E, Exact>(sum[o], out + o * pitch);
}

template <int kVectors, Epilogue E>
HWY_NOINLINE void pointwise_columns(const Packed &w, const float *bias, const float *const *in,
                                    float *out, ptrdiff_t pitch, int x, Start start) {
    int o = 0;
    for (; o + kOutputs / 2 < w.outputs; o += kOutputs)
        pointwise_block<kOutputs, kVectors, E>(w, o, bias, in, out, pitch, x, start);
    if (o < w.outputs)
        pointwise_block<kOutputs / 2, kVectors, E>(w, o, bias, in, out, pitch, x, start);
}

template <Epilogue E>
void pointwise_all(const Packed &w, const float *bias, const float *const *in, float *out,
                   ptrdiff_t pitch, int columns, Start start) {
    const int n = static_cast<int>(hn::Lanes(d));
    const int end = (columns + kQuantum - 1) / kQuantum * kQuantum;
    int x = 0;
    for (; x + kWidest * n <= end; x += kWidest * n)
        pointwise_columns<kWidest, E>(w, bias, in, out, pitch, x, start);
    for (; x < end; x += n) pointwise_columns<1, E>(w, bias, in, out, pitch, x, start);
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

// A row's part of a 3x3 convolution, for x = 0, n, 2n ...: sum + w[0] row[x - 1] + w[1] row[x] +
// w[2] row[x + 1].
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
// Each vector is loaded once: where vectors are as long as cache lines, a load that is not aligned
// takes twice the time.
class Taps {
public:
    explicit Taps(const float *row)
        : row_(row), middle_(hn::LoadU(d, row - kQuantum)), right_(hn::LoadU(d, row)) {}
    HWY_INLINE V add(int x, const V *w, V sum) {
        const V left = middle_;
        middle_ = right_;
        right_ = hn::LoadU(d, row_ + x + kQuantum);
        sum = hn::MulAdd(w[0], shifted<kQuantum - 1>(left, middle_), sum);
        sum = hn::MulAdd(w[1], middle_, sum);
        return hn::MulAdd(w[2], shifted<1>(middle_, right_), sum);
    }

private:
    template <int kLanes>
    static HWY_INLINE V shifted(V low, V high) {
        return V{_mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(high.raw),
                                                         _mm512_castps_si512(low.raw), kLanes))};
    }
    const float *row_;
    V middle_, right_;
};
#else
class Taps {
public:
    explicit Taps(const float *row) : row_(row) {}
    HWY_INLINE V add(int x, const V *w, V sum) const {
        for (int k = 0; k < 3; ++k) sum = hn::MulAdd(w[k], hn::LoadU(d, row_ + x + k - 1), sum);
        return sum;
    }

private:
    const float *row_;
};
#endif

// One channel of depthwise.
template <class Functions>
struct Depthwise {
    Taps above, here, below;
    V w[9];
    V bias;
    const float *residual, *residual2;
    float *out;
    bool with_gelu;

    // N vectors from x on.
    template <int N>
    HWY_INLINE void run(int x) {
        const int n = static_cast<int>(hn::Lanes(d));
        V sum[N];
        for (int v = 0; v < N; ++v) sum[v] = above.add(x + v * n, w, bias);
        for (int v = 0; v < N; ++v) sum[v] = here.add(x + v * n, w + 3, sum[v]);
        for (int v = 0; v < N; ++v) sum[v] = below.add(x + v * n, w + 6, sum[v]);
        for (const float *more : {residual, residual2})
            if (more)
                for (int v = 0; v < N; ++v)
                    sum[v] = hn::Add(sum[v], hn::LoadU(d, more + x + v * n));
        if (with_gelu)
            finish<Epilogue::gelu, Functions>(sum, out + x);
        else
            finish<Epilogue::none, Functions>(sum, out + x);
    }
};

template <class Functions>
void depthwise(const float *taps, const float *bias, const float *const rows[3], ptrdiff_t in_pitch,
               const float *residual, ptrdiff_t residual_pitch, const float *residual2,
               ptrdiff_t residual2_pitch, float *out, ptrdiff_t out_pitch, int channels,
               int columns, bool with_gelu) {
    const int n = static_cast<int>(hn::Lanes(d));
    const int end = (columns + kQuantum - 1) / kQuantum * kQuantum;
    for (int c = 0; c < channels; ++c) {
        Depthwise<Functions> channel{Taps(rows[0] + c * in_pitch),
                                     Taps(rows[1] + c * in_pitch),
                                     Taps(rows[2] + c * in_pitch),
                                     {},
                                     hn::Set(d, bias[c]),
                                     residual ? residual + c * residual_pitch : nullptr,
                                     residual2 ? residual2 + c * residual2_pitch : nullptr,
                                     out + c * out_pitch,
                                     with_gelu};
        for (int k = 0; k < 9; ++k) channel.w[k] = hn::Set(d, taps[9 * c + k]);
        int x = 0;
        for (; x + 2 * n <= end; x += 2 * n) channel.template run<2>(x);
        if (x < end) channel.template run<1>(x);
    }
}

void blend(const float *a, const float *b, ptrdiff_t pitch, float fraction, float *out,
           ptrdiff_t out_pitch, int channels, int columns) {
    const int n = static_cast<int>(hn::Lanes(d));
    const V from_a = hn::Set(d, 1 - fraction);
    const V from_b = hn::Set(d, fraction);
    for (int c = 0; c < channels; ++c, a += pitch, b += pitch, out += out_pitch)
        for (int x = 0; x < columns; x += n) {
            const V between =
                hn::MulAdd(hn::LoadU(d, b + x), from_b, hn::Mul(hn::LoadU(d, a + x), from_a));
            hn::StoreU(hn::Add(hn::LoadU(d, out + x), between), d, out + x);
        }
}

// Sixteen running sums, whatever the vectors' length, then halves on halves.
template <typename Term>
HWY_INLINE float sum_of(const float *values, int count, const Term &term) {
    const int n = static_cast<int>(hn::Lanes(d));
    HWY_ALIGN float lanes[kQuantum];
    for (int first = 0; first < kQuantum; first += n) {
        V sum = hn::Zero(d);
        int x = first;
        for (; x + n <= count; x += kQuantum) sum = hn::Add(sum, term(hn::LoadU(d, values + x)));
        if (x < count) {
            const auto valid = hn::FirstN(d, static_cast<size_t>(count - x));
            sum = hn::Add(sum, hn::IfThenElseZero(valid, term(hn::LoadU(d, values + x))));
        }
        hn::Store(sum, d, lanes + first);
    }
    for (int half = kQuantum / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    return lanes[0];
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

template <Epilogue E>
void conclude_all(const float *sums, const float *bias, float *out, ptrdiff_t pitch, int outputs,
                  int columns, Start start) {
    const int n = static_cast<int>(hn::Lanes(d));
    for (int o = 0; o < outputs; ++o, sums += kSums, out += pitch) {
        const V first = hn::Set(d, bias && start == Start::bias ? bias[o] : 0.0F);
        for (int x = 0; x < columns; x += n) {
            V sum[1] = {hn::Add(hn::LoadU(d, sums + x),
                                start == Start::out ? hn::LoadU(d, out + x) : first)};
            finish<E, Quick>(sum, out + x);
        }
    }
}

void conclude(const float *sums, const float *bias, float *out, ptrdiff_t pitch, int outputs,
              int columns, Start start, Epilogue epilogue) {
    switch (epilogue) {
        case Epilogue::none:
            return conclude_all<Epilogue::none>(sums, bias, out, pitch, outputs, columns, start);
        case Epilogue::gelu:
            return conclude_all<Epilogue::gelu>(sums, bias, out, pitch, outputs, columns, start);
        case Epilogue::gate:
            return conclude_all<Epilogue::gate>(sums, bias, out, pitch, outputs, columns, start);
    }
}

const Kernels *table() {
    static constexpr Kernels kernels{pointwise, depthwise<Exact>, blend, moments};
    return &kernels;
}

const Bf16Kernels *bf16_table() {
    static constexpr Bf16Kernels kernels{conclude, depthwise<Quick>};
    return &kernels;
}

}  // namespace mdrn::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "error.h"

namespace mdrn::cpu {

HWY_EXPORT(table);
HWY_EXPORT(bf16_table);

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

Packed::Packed(const float *weight, int outputs_, int inputs_, int columns, int first)
    : outputs(outputs_), inputs(inputs_), stride((outputs + kQuantum - 1) / kQuantum * kQuantum) {
    values.resize(static_cast<size_t>(stride) * inputs + kQuantum);
    halves = Halves(weight + first, outputs, inputs, columns);
    for (int i = 0; i < inputs; ++i)
        for (int o = 0; o < outputs; ++o) values[i * stride + o] = weight[o * columns + first + i];
}

const Bf16Kernels &bf16_kernels() {
    return *HWY_DYNAMIC_DISPATCH(bf16_table)();
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
