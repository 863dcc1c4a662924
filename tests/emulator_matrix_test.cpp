// SPDX-License-Identifier: BSD-2-Clause
// Matrix products and deferred copies on the emulated device, and that misuse of them is caught.
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <ptx/copy.h>
#include <ptx/matrix.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "emulated.h"

extern __shared__ __align__(16) unsigned char mdrn_shared[];

namespace {

using emulated::Buffer;
using emulated::Device;
using emulated::launch_on;
using mdrn::cuda::Columns;
using mdrn::cuda::copy_async;
using mdrn::cuda::copy_commit;
using mdrn::cuda::copy_wait;
using mdrn::cuda::load_rows;
using mdrn::cuda::Rows;
using mdrn::cuda::Sums;

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared,
            Arguments... arguments) {
    ASSERT_EQ(launch_on(nullptr, kernel, grid, block, shared, arguments...), cudaSuccess);
}

__half *shared_halves() {
    return reinterpret_cast<__half *>(mdrn_shared);
}

// Where PTX's table of elements has element i of lane l: a_i, b_i and d_i. (The manual's section on
// mma.m16n8k16, whose first halves are mma.m16n8k8's.)
struct Element {
    int row, column;
};
Element a_of(int l, int i) {
    const bool low_row = i < 2 || (i >= 4 && i < 6);
    return {low_row ? l / 4 : l / 4 + 8, l % 4 * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
}
Element b_of(int l, int i) {
    return {l % 4 * 2 + (i & 1) + (i >= 2 ? 8 : 0), l / 4};
}
Element d_of(int l, int i) {
    return {i < 2 ? l / 4 : l / 4 + 8, l % 4 * 2 + (i & 1)};
}

// d (16, 8) = c (16, 8) + a (16, K) b (K, 8), in each of the block's warps; a by load_rows() where
// told, else element by element.
template <int K>
__global__ void product(const __half *a, const __half *b, const float *c, float *d, bool load) {
    constexpr int kRow = 24;  // halves
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    __half *tile = shared_halves() + warp * 16 * kRow;
    for (int i = lane; i < 16 * K; i += 32) tile[i / K * kRow + i % K] = a[i];
    __syncwarp();
    Rows<K> rows;
    if (load) {
        rows = load_rows<K>(tile + lane % 16 * kRow + (K == 16 ? lane / 16 * 8 : 0));
    } else {
        __half elements[K / 2];
        for (int i = 0; i < K / 2; ++i)
            elements[i] = a[a_of(lane, i).row * K + a_of(lane, i).column];
        std::memcpy(&rows, elements, sizeof rows);
    }
    Columns<K> columns;
    __half elements[K / 4];
    for (int i = 0; i < K / 4; ++i) elements[i] = b[b_of(lane, i).row * 8 + b_of(lane, i).column];
    std::memcpy(&columns, elements, sizeof columns);
    Sums sums;
    const auto at = [&](int i) { return d_of(lane, i).row * 8 + d_of(lane, i).column; };
    for (int i = 0; i < 4; ++i) sums.v[i] = c[at(i)];
    multiply_add(sums, rows, columns);
    for (int i = 0; i < 4; ++i) d[warp * 128 + at(i)] = sums.v[i];
}

std::vector<__half> halves(int count, std::mt19937 &random) {
    std::normal_distribution<float> normal;
    std::vector<__half> values;
    for (int i = 0; i < count; ++i) values.push_back(__float2half_rn(normal(random)));
    return values;
}

template <int K>
void expect_product(bool load) {
    std::mt19937 random(7);
    const auto a = halves(16 * K, random), b = halves(K * 8, random);
    std::vector<float> c(16 * 8);
    for (size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(i) / 16;
    Buffer<__half> on_a(a.size()), on_b(b.size());
    Buffer<float> on_c(c.size()), on_d(3 * c.size());
    on_a.write(a);
    on_b.write(b);
    on_c.write(c);
    launch(product<K>, {1}, {96}, 3 * 16 * 24 * sizeof(__half), on_a.get(), on_b.get(), on_c.get(),
           on_d.get(), load);
    const std::vector<float> d = on_d.read();
    for (int i = 0; i < 3 * 128; ++i) {
        double sum = c[i % 128], magnitude = std::abs(sum);
        for (int k = 0; k < K; ++k) {
            const double term =
                double{__half2float(a[i % 128 / 8 * K + k])} * __half2float(b[k * 8 + i % 8]);
            sum += term;
            magnitude += std::abs(term);
        }
        EXPECT_NEAR(d[i], sum, magnitude * K * 0x1p-24) << i;
    }
}

TEST_F(Device, MatrixProduct) {
    for (const bool load : {false, true}) {
        SCOPED_TRACE(load);
        expect_product<16>(load);
        expect_product<8>(load);
    }
}

// D of two products next to each other, rounded to half, is A of the next: d (16, 8) = (a b) b,
// with a (16, 16) and b (16, 16).
__global__ void chain(const __half *a, const __half *b, float *d) {
    const int lane = static_cast<int>(threadIdx.x);
    const auto columns = [&](int first) {
        __half elements[4];
        for (int i = 0; i < 4; ++i)
            elements[i] = b[b_of(lane, i).row * 16 + b_of(lane, i).column + first];
        Columns<16> loaded;
        std::memcpy(&loaded, elements, sizeof loaded);
        return loaded;
    };
    __half elements[8];
    for (int i = 0; i < 8; ++i) elements[i] = a[a_of(lane, i).row * 16 + a_of(lane, i).column];
    Rows<16> rows, next;
    std::memcpy(&rows, elements, sizeof rows);
    for (int tile = 0; tile < 2; ++tile) {
        Sums sums{};
        multiply_add(sums, rows, columns(8 * tile));
        for (int r = 0; r < 2; ++r) {
            const __half2 pair = __floats2half2_rn(sums.v[2 * r], sums.v[2 * r + 1]);
            std::memcpy(&next.v[2 * tile + r], &pair, sizeof pair);
        }
    }
    Sums sums{};
    multiply_add(sums, next, columns(0));
    for (int i = 0; i < 4; ++i) d[d_of(lane, i).row * 8 + d_of(lane, i).column] = sums.v[i];
}

TEST_F(Device, AProductIsAnOperandOfTheNext) {
    std::mt19937 random(8);
    const auto a = halves(256, random), b = halves(256, random);
    Buffer<__half> on_a(256), on_b(256);
    Buffer<float> on_d(128);
    on_a.write(a);
    on_b.write(b);
    launch(chain, {1}, {32}, 0, on_a.get(), on_b.get(), on_d.get());
    const std::vector<float> d = on_d.read();
    for (int row = 0; row < 16; ++row)
        for (int column = 0; column < 8; ++column) {
            double sum = 0;
            for (int k = 0; k < 16; ++k) {
                double between = 0;
                for (int i = 0; i < 16; ++i)
                    between += double{__half2float(a[row * 16 + i])} * __half2float(b[i * 16 + k]);
                sum += between * __half2float(b[k * 16 + column]);
            }
            EXPECT_NEAR(d[row * 8 + column], sum, 0.1) << row << ", " << column;
        }
}

__global__ void lane_leaves_before_a_product(float *out) {
    if (threadIdx.x == 7) return;
    Sums sums{};
    multiply_add(sums, Rows<16>{}, Columns<16>{});
    out[threadIdx.x] = sums.v[0];
}
__global__ void products_of_two_sizes(float *out) {
    Sums sums{};
    if (threadIdx.x < 16)
        multiply_add(sums, Rows<16>{}, Columns<16>{});
    else
        multiply_add(sums, Rows<8>{}, Columns<8>{});
    out[threadIdx.x] = sums.v[0];
}
__global__ void loads_at(float *out, int halves) {
    if (halves == 0) shared_halves()[threadIdx.x] = {};
    out[threadIdx.x] = static_cast<float>(load_rows<16>(shared_halves() + halves).v[0]);
}

TEST_F(Device, MatrixProductsNeedTheWholeWarp) {
    const auto fails = [&](auto kernel, unsigned threads, auto... arguments) {
        emulated::reset();
        Buffer<float> out(32);
        launch(kernel, {1}, {threads}, 512, out.get(), arguments...);
        EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    };
    fails(lane_leaves_before_a_product, 32);
    EXPECT_FAULT("31 of 32 threads.* wait for their warp .*; 1 of 32 .*have returned");
    fails(lane_leaves_before_a_product, 4);
    EXPECT_FAULT("a matrix product in a warp of less than 32 lanes");
    fails(products_of_two_sizes, 32);
    EXPECT_FAULT("with another mask or at another line");
    fails(loads_at, 32, 4);
    EXPECT_FAULT("not in shared memory or not a multiple of 16");
    fails(loads_at, 32, 256);
    EXPECT_FAULT("not in shared memory or not a multiple of 16");
}

// Each thread copies what its neighbour hands on: two groups of four words.
__global__ void copies(const float *in, float *out, int under, bool barrier) {
    auto *shared = reinterpret_cast<float *>(mdrn_shared);
    const unsigned t = threadIdx.x, other = (t + 1) % blockDim.x;
    copy_async<4>(shared + 4 * t, in + 4 * t);
    copy_async<4>(shared + 4 * t + 1, in + 4 * t + 1);
    copy_commit();
    copy_async<8>(shared + 4 * t + 2, in + 4 * t + 2);
    copy_commit();
    if (under == 0) copy_wait();
    if (under == 1) copy_wait<1>();
    if (barrier) __syncthreads();
    for (int i = 0; i < 4; ++i) out[4 * t + i] = shared[4 * other + i];
}

__global__ void overwrites_what_is_read(const float *in, float *out) {
    auto *shared = reinterpret_cast<float *>(mdrn_shared);
    shared[threadIdx.x] = 1;
    __syncthreads();
    copy_async<4>(shared + threadIdx.x, in + threadIdx.x);
    copy_commit();
    out[threadIdx.x] = shared[threadIdx.x];
    copy_wait();
}

TEST_F(Device, CopiesThatAreWaitedFor) {
    Buffer<float> in(256), out(256);
    std::vector<float> values(256);
    for (int i = 0; i < 256; ++i) values[i] = static_cast<float>(i);
    in.write(values);
    const auto run = [&](int under, bool barrier) {
        launch(copies, {1}, {64}, 1024, in.get(), out.get(), under, barrier);
        return out.read();
    };
    const std::vector<float> got = run(0, true);
    for (int i = 0; i < 256; ++i) EXPECT_EQ(got[i], (i + 4) % 256) << i;
    run(2, true);  // no wait at all
    EXPECT_FAULT("copies.*depends on the order of threads or on unwritten");
    run(1, true);
    EXPECT_FAULT("copies.*depends on the order of threads or on unwritten");
    run(0, false);
    EXPECT_FAULT("copies.*depends on the order of threads or on unwritten");
    launch(overwrites_what_is_read, {1}, {64}, 256, in.get(), out.get());
    out.read();
    EXPECT_FAULT("overwrites_what_is_read.*depends on the order of threads or on unwritten");
}

__global__ void copies_16_bytes(const float *in, float *out, int from) {
    copy_async<16>(mdrn_shared, in + from);
    copy_wait();
    out[0] = *reinterpret_cast<float *>(mdrn_shared);
}

TEST_F(Device, MisalignedCopy) {
    Buffer<float> in(8), out(1);
    launch(copies_16_bytes, {1}, {1}, 16, in.get(), out.get(), 2);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    EXPECT_FAULT("a copy of 16 bytes to what is not shared memory, or misaligned");
}

}  // namespace
