// SPDX-License-Identifier: BSD-2-Clause
// What the kernels share: maps of half or float read and written in vectors, arithmetic in float.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>

// All of a block's shared memory: each kernel divides it up.
extern __shared__ __align__(16) unsigned char mdrn_shared[];

namespace mdrn::cuda {

template <int N>
struct Floats {
    float v[N];
};

// N neighbouring channels as they lie in memory, aligned so that as few accesses as can be do.
template <typename T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Packed {
    T v[N];
};

__device__ __forceinline__ float to_float(float value) {
    return value;
}
__device__ __forceinline__ float to_float(__half value) {
    return __half2float(value);
}
__device__ __forceinline__ void convert(float from, float &to) {
    to = from;
}
__device__ __forceinline__ void convert(float from, __half &to) {
    to = __float2half_rn(from);
}

template <int N, typename T>
__device__ __forceinline__ Floats<N> load(const T *from) {
    const Packed<T, N> packed = *reinterpret_cast<const Packed<T, N> *>(from);
    Floats<N> values;
#pragma unroll
    for (int i = 0; i < N; ++i) values.v[i] = to_float(packed.v[i]);
    return values;
}

template <int N, typename T>
__device__ __forceinline__ void store(T *to, const Floats<N> &values) {
    Packed<T, N> packed;
#pragma unroll
    for (int i = 0; i < N; ++i) convert(values.v[i], packed.v[i]);
    *reinterpret_cast<Packed<T, N> *>(to) = packed;
}

template <int N>
__device__ __forceinline__ Floats<N> zeros() {
    Floats<N> values;
#pragma unroll
    for (int i = 0; i < N; ++i) values.v[i] = 0;
    return values;
}

template <int N>
__device__ __forceinline__ Floats<N> operator+(Floats<N> a, const Floats<N> &b) {
#pragma unroll
    for (int i = 0; i < N; ++i) a.v[i] += b.v[i];
    return a;
}

// a * b + c
template <int N>
__device__ __forceinline__ Floats<N> multiply_add(const Floats<N> &a, const Floats<N> &b,
                                                  Floats<N> c) {
#pragma unroll
    for (int i = 0; i < N; ++i) c.v[i] = fmaf(a.v[i], b.v[i], c.v[i]);
    return c;
}

// a * b + c
template <int N>
__device__ __forceinline__ Floats<N> scaled_add(float a, const Floats<N> &b, Floats<N> c) {
#pragma unroll
    for (int i = 0; i < N; ++i) c.v[i] = fmaf(a, b.v[i], c.v[i]);
    return c;
}

__device__ __forceinline__ float gelu(float x) {
    return 0.5F * x * (1 + erff(x * 0.70710678F));
}

template <int N>
__device__ __forceinline__ Floats<N> gelu(Floats<N> x) {
#pragma unroll
    for (int i = 0; i < N; ++i) x.v[i] = gelu(x.v[i]);
    return x;
}

__device__ __forceinline__ float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

template <typename T>
__device__ __forceinline__ T least(T a, T b) {
    return a < b ? a : b;
}

__device__ __forceinline__ int reflected(int i, int n) {
    if (i < 0) return -i;
    return i < n ? i : 2 * n - 2 - i;
}

__device__ __forceinline__ int clamped(int i, int n) {
    return i < 0 ? 0 : i < n ? i : n - 1;
}

// Three neighbours of a row.
template <int N>
struct Row {
    Floats<N> left, middle, right;
};

// Walks down one column of a 3x3 depthwise convolution: fetch(y) gives row y of the column and its
// neighbours, for y from first - 1 to last in turn; emit(y, sum) takes row y's sum, without bias,
// for y from first to last - 1. taps (9, channels) begin at the column's channel.
template <int N, typename Fetch, typename Emit>
__device__ __forceinline__ void slide(const float *__restrict__ taps, int channels, int first,
                                      int last, Fetch fetch, Emit emit) {
    Floats<N> tap[9];
#pragma unroll
    for (int k = 0; k < 9; ++k) tap[k] = load<N>(taps + k * channels);
    const auto add_row = [&](const Row<N> &row, int ky, Floats<N> sum) {
        sum = multiply_add(row.left, tap[3 * ky], sum);
        sum = multiply_add(row.middle, tap[3 * ky + 1], sum);
        return multiply_add(row.right, tap[3 * ky + 2], sum);
    };
    Floats<N> above = zeros<N>();  // row y - 1's sum so far
    Floats<N> here = zeros<N>();   // row y's
    for (int y = first - 1; y <= last; ++y) {
        const Row<N> row = fetch(y);
        if (y > first) emit(y - 1, add_row(row, 2, above));
        above = add_row(row, 1, here);
        here = add_row(row, 0, zeros<N>());
    }
}

// fetch for slide(): a column of a map (height, width, stride), reflected at the map's edges.
template <int N, typename T>
struct ReflectedColumn {
    __device__ ReflectedColumn(const T *__restrict__ map, int height_, int width, int stride, int x,
                               int channel)
        : map_(map + channel),
          height(height_),
          row(width * stride),
          left(reflected(x - 1, width) * stride),
          middle(x * stride),
          right(reflected(x + 1, width) * stride) {}

    __device__ __forceinline__ Row<N> operator()(int y) const {
        const T *at = map_ + static_cast<size_t>(reflected(y, height)) * row;
        return {load<N>(at + left), load<N>(at + middle), load<N>(at + right)};
    }

    const T *map_;
    int height;
    int row, left, middle, right;  // distances
};

}  // namespace mdrn::cuda
