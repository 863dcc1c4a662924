// SPDX-License-Identifier: BSD-2-Clause
#include "cpu/kernels.h"

#include <limits>
#include <utility>

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

#include "cpu/functions-inl.h"

HWY_BEFORE_NAMESPACE();
namespace mdrn::cpu::HWY_NAMESPACE {

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

#define MDRN_ALWAYS __attribute__((always_inline))

// f(0), f(1) ... with constants, so that arrays of vectors stay in registers.
template <int kCount, class F>
HWY_INLINE void repeat(const F &f) {
    [&]<int... i>(std::integer_sequence<int, i...>) {
        (f(i), ...);
    }
    (std::make_integer_sequence<int, kCount>());
}

// kRows outputs over kVectors vectors of columns from x on; only the first `outputs` are stored.
template <int kRows, int kVectors, Start S, Epilogue E>
HWY_INLINE void pointwise_block(const Packed &w, int first, const float *const *HWY_RESTRICT in,
                                float *HWY_RESTRICT out, ptrdiff_t pitch, int x) {
    const int n = static_cast<int>(hn::Lanes(d));
    const int outputs = HWY_MIN(kRows, w.outputs - first);
    const float *HWY_RESTRICT weights = w.values.data() + first;
    const float *HWY_RESTRICT bias = w.bias.data() + first;
    out += first * pitch + x;
    constexpr bool kReadsOut = S == Start::out || E == Epilogue::gate;
    // Each block of outputs asks for its share of the inputs.
    const int share = w.inputs * first / w.outputs;
    const int share_end = w.inputs * (first + kRows) / w.outputs;
    V sum[kRows][kVectors];
    repeat<kRows>([&](int o) MDRN_ALWAYS {
        const float *row = out + HWY_MIN(o, outputs - 1) * pitch;
        for (int v = 0; v < kVectors; ++v)
            sum[o][v] = S == Start::out ? hn::LoadU(d, row + v * n) : hn::Set(d, bias[o]);
        if (kReadsOut)
            for (int v = 0; v < kVectors; ++v) hwy::Prefetch(row + kAhead + v * n);
    });
    for (int i = 0; i < w.inputs; ++i, weights += w.stride) {
        V column[kVectors];
        for (int v = 0; v < kVectors; ++v) column[v] = hn::LoadU(d, in[i] + x + v * n);
        if (i >= share && i < share_end)
            for (int v = 0; v < kVectors; ++v) hwy::Prefetch(in[i] + x + kAhead + v * n);
        repeat<kRows>([&](int o) MDRN_ALWAYS {
            const V weight = hn::Set(d, weights[o]);
            for (int v = 0; v < kVectors; ++v) sum[o][v] = hn::MulAdd(weight, column[v], sum[o][v]);
        });
    }
    repeat<kRows>([&](int o) MDRN_ALWAYS {
        if (o < outputs) finish<E, Exact>(sum[o], out + o * pitch);
    });
}

template <int kVectors, Start S, Epilogue E>
HWY_NOINLINE void pointwise_columns(const Packed &w, const float *const *in, float *out,
                                    ptrdiff_t pitch, int x) {
    int o = 0;
    for (; o + kOutputs / 2 < w.outputs; o += kOutputs)
        pointwise_block<kOutputs, kVectors, S, E>(w, o, in, out, pitch, x);
    if (o < w.outputs) pointwise_block<kOutputs / 2, kVectors, S, E>(w, o, in, out, pitch, x);
}

template <Start S, Epilogue E>
void pointwise_all(const Packed &w, const float *const *in, float *out, ptrdiff_t pitch,
                   int columns) {
    const int n = static_cast<int>(hn::Lanes(d));
    const int end = (columns + kQuantum - 1) / kQuantum * kQuantum;
    int x = 0;
    for (; x + kWidest * n <= end; x += kWidest * n)
        pointwise_columns<kWidest, S, E>(w, in, out, pitch, x);
    for (; x < end; x += n) pointwise_columns<1, S, E>(w, in, out, pitch, x);
}

// call with Start and Epilogue as template arguments.
template <class Call>
void with_ends(Start start, Epilogue epilogue, const Call &call) {
    const auto with_start = [&]<Start S>() {
        switch (epilogue) {
            case Epilogue::none:
                return call.template operator()<S, Epilogue::none>();
            case Epilogue::gelu:
                return call.template operator()<S, Epilogue::gelu>();
            case Epilogue::gate:
                return call.template operator()<S, Epilogue::gate>();
        }
    };
    if (start == Start::out)
        with_start.template operator()<Start::out>();
    else
        with_start.template operator()<Start::bias>();
}

void pointwise(const Packed &w, const float *const *in, float *out, ptrdiff_t pitch, int columns,
               Start start, Epilogue epilogue) {
    with_ends(start, epilogue,
              [&]<Start S, Epilogue E>() { pointwise_all<S, E>(w, in, out, pitch, columns); });
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

// out[c][x] = sum of 3x3 taps around (rows[1][c], 2 x) + bias[c]
void depthwise_halving(const float *taps, const float *bias, const float *const rows[3],
                       ptrdiff_t in_pitch, float *out, ptrdiff_t out_pitch, int channels,
                       int columns) {
    const int n = static_cast<int>(hn::Lanes(d));
    for (int c = 0; c < channels; ++c, taps += 9, out += out_pitch)
        for (int x = 0; x < columns; x += n) {
            V sum = hn::Set(d, bias[c]);
            for (int k = 0; k < 3; ++k) {
                const float *row = rows[k] + c * in_pitch + 2 * x;
                V left, middle, right, unused;
                hn::LoadInterleaved2(d, row - 1, left, middle);
                hn::LoadInterleaved2(d, row + 1, right, unused);
                sum = hn::MulAdd(hn::Set(d, taps[3 * k]), left, sum);
                sum = hn::MulAdd(hn::Set(d, taps[3 * k + 1]), middle, sum);
                sum = hn::MulAdd(hn::Set(d, taps[3 * k + 2]), right, sum);
            }
            hn::StoreU(sum, d, out + x);
        }
}

// Visits, for each of the vector's pools, the kWindow values from row on; pools are 3 apart.
template <int kWindow, class Visit>
HWY_INLINE void visit_window(const float *row, const Visit &visit) {
    for (int x = 0; x < kWindow; x += 3) {
        V values[3];
        hn::LoadInterleaved3(d, row + x, values[0], values[1], values[2]);
        for (int k = 0; k < 3 && x + k < kWindow; ++k) visit(values[k]);
    }
}

template <int kWindow>
void max_pool_all(const float *const *rows, float *out, int count) {
    const int n = static_cast<int>(hn::Lanes(d));
    for (int i = 0; i < count; i += n) {
        V most = hn::Set(d, -std::numeric_limits<float>::infinity());
        for (int y = 0; y < kWindow; ++y)
            visit_window<kWindow>(rows[y] + 3 * i, [&](V value) { most = hn::Max(most, value); });
        hn::StoreU(most, d, out + i);
    }
}

void max_pool(const float *const *rows, int window, float *out, int count) {
    switch (window) {
        case 3:
            return max_pool_all<3>(rows, out, count);
        case 5:
            return max_pool_all<5>(rows, out, count);
        case 7:
            return max_pool_all<7>(rows, out, count);
    }
}

void add_variance(const float *const *rows, float *out, int count) {
    constexpr int kWindow = 7;
    constexpr int kValues = kWindow * kWindow;
    const int n = static_cast<int>(hn::Lanes(d));
    for (int i = 0; i < count; i += n) {
        V sum = hn::Zero(d);
        for (int y = 0; y < kWindow; ++y)
            visit_window<kWindow>(rows[y] + 3 * i, [&](V value) { sum = hn::Add(sum, value); });
        const V mean = hn::Div(sum, hn::Set(d, kValues));
        V m2 = hn::Zero(d);
        for (int y = 0; y < kWindow; ++y)
            visit_window<kWindow>(rows[y] + 3 * i, [&](V value) {
                const V apart = hn::Sub(value, mean);
                m2 = hn::MulAdd(apart, apart, m2);
            });
        const V variance = hn::Div(m2, hn::Set(d, kValues - 1));
        hn::StoreU(hn::Add(hn::LoadU(d, out + i), variance), d, out + i);
    }
}

// Sixteen running sums, whatever the vectors' length, then halves on halves.
template <typename Term>
HWY_INLINE float sum_of(const float *values, int count, const Term &term) {
    constexpr int kLanes = static_cast<int>(hn::MaxLanes(d));
    V sums[kQuantum / kLanes];
    for (int v = 0; v < kQuantum / kLanes; ++v) {
        sums[v] = hn::Zero(d);
        int x = v * kLanes;
        for (; x + kLanes <= count; x += kQuantum)
            sums[v] = hn::Add(sums[v], term(hn::LoadU(d, values + x)));
        if (x < count) {
            const auto valid = hn::FirstN(d, static_cast<size_t>(count - x));
            sums[v] = hn::Add(sums[v], hn::IfThenElseZero(valid, term(hn::LoadU(d, values + x))));
        }
    }
    for (int half = kQuantum / kLanes / 2; half > 0; half /= 2)
        for (int v = 0; v < half; ++v) sums[v] = hn::Add(sums[v], sums[v + half]);
    return hn::GetLane(hn::SumOfLanes(d, sums[0]));
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

template <Start S, Epilogue E>
void conclude_all(const Packed &w, const float *sums, float *out, ptrdiff_t pitch, int columns) {
    const int n = static_cast<int>(hn::Lanes(d));
    for (int o = 0; o < w.outputs; ++o, sums += kSums, out += pitch) {
        const V bias = hn::Set(d, w.bias[o]);
        for (int x = 0; x < columns; x += n) {
            V sum[1] = {
                hn::Add(hn::LoadU(d, sums + x), S == Start::out ? hn::LoadU(d, out + x) : bias)};
            finish<E, Quick>(sum, out + x);
        }
    }
}

void conclude(const Packed &w, const float *sums, float *out, ptrdiff_t pitch, int columns,
              Start start, Epilogue epilogue) {
    with_ends(start, epilogue,
              [&]<Start S, Epilogue E>() { conclude_all<S, E>(w, sums, out, pitch, columns); });
}

const Kernels *table() {
    static constexpr Kernels kernels{
        pointwise, depthwise<Exact>, depthwise_halving, max_pool, add_variance, blend, moments};
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

Packed::Packed(const float *weight, const float *bias_, int outputs_, int inputs_, int columns,
               int first)
    : outputs(outputs_), inputs(inputs_), stride((outputs + kQuantum - 1) / kQuantum * kQuantum) {
    bias.resize(static_cast<size_t>(stride) + kQuantum);
    if (bias_) std::copy_n(bias_, outputs, bias.begin());
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
