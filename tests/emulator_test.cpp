// SPDX-License-Identifier: BSD-2-Clause
// The emulated device runs kernels as a device would, and each of its checks catches a mutant.
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "emulated.h"

extern __shared__ __align__(16) unsigned char mdrn_shared[];

namespace {

using emulated::Buffer;
using emulated::Device;
using emulated::launch_on;

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared,
            Arguments... arguments) {
    ASSERT_EQ(launch_on(nullptr, kernel, grid, block, shared, arguments...), cudaSuccess);
}

float *shared_floats() {
    return reinterpret_cast<float *>(mdrn_shared);
}

// ---- What kernels rely on

__global__ void positions(uint4 *out) {
    const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] = make_uint4(
        blockIdx.x, blockIdx.y * 100 + blockIdx.z, threadIdx.x, threadIdx.y * 100 + threadIdx.z);
}

TEST_F(Device, EveryThreadOfEveryBlockRunsOnce) {
    Buffer<uint4> out(2 * 3 * 4 * 5 * 6 * 7);
    launch(positions, {2, 3, 4}, {5, 6, 7}, 0, out.get());
    const std::vector<uint4> got = out.read();
    size_t at = 0;
    for (unsigned bz = 0; bz < 4; ++bz)
        for (unsigned by = 0; by < 3; ++by)
            for (unsigned bx = 0; bx < 2; ++bx)
                for (unsigned tz = 0; tz < 7; ++tz)
                    for (unsigned ty = 0; ty < 6; ++ty)
                        for (unsigned tx = 0; tx < 5; ++tx, ++at) {
                            EXPECT_EQ(got[at].x, bx);
                            EXPECT_EQ(got[at].y, by * 100 + bz);
                            EXPECT_EQ(got[at].z, tx);
                            EXPECT_EQ(got[at].w, ty * 100 + tz);
                        }
}

__global__ void sum_of_block(const float *in, float *out) {
    float *shared = shared_floats();
    const unsigned t = threadIdx.x;
    shared[t] = in[blockIdx.x * blockDim.x + t];
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (t < half) shared[t] += shared[t + half];
        __syncthreads();
    }
    if (t == 0) out[blockIdx.x] = shared[0];
}

TEST_F(Device, BarriersAndSharedMemory) {
    Buffer<float> in(4 * 256), out(4);
    std::vector<float> values(in.size());
    std::iota(values.begin(), values.end(), 0.0F);
    in.write(values);
    launch(sum_of_block, {4}, {256}, 256 * sizeof(float), in.get(), out.get());
    const std::vector<float> sums = out.read();
    for (int b = 0; b < 4; ++b) EXPECT_EQ(sums[b], 256 * (256 * b) + 255 * 128) << b;
}

__global__ void shuffles(int *out) {
    const int t = static_cast<int>(threadIdx.x);
    const unsigned all = 0xFFFFFFFFU;
    out[t * 5] = __shfl_sync(all, t, 3);
    out[t * 5 + 1] = __shfl_xor_sync(all, t, 5);
    out[t * 5 + 2] = __shfl_down_sync(all, t, 2, 8);
    out[t * 5 + 3] = __shfl_up_sync(all, t, 1, 16);
    __syncwarp();
    if (t % 32 < 4) out[t * 5 + 4] = static_cast<int>(__shfl_xor_sync(0xFU, 2.5 * t, 1) * 2);
}

TEST_F(Device, Shuffles) {
    Buffer<int> out(96 * 5);
    launch(shuffles, {1}, {96}, 0, out.get());
    const std::vector<int> got = out.read();
    for (int t = 0; t < 96; ++t) {
        EXPECT_EQ(got[t * 5], t / 32 * 32 + 3);
        EXPECT_EQ(got[t * 5 + 1], t ^ 5);
        EXPECT_EQ(got[t * 5 + 2], t % 8 < 6 ? t + 2 : t);
        EXPECT_EQ(got[t * 5 + 3], t % 16 > 0 ? t - 1 : t);
        if (t % 32 < 4) {
            EXPECT_EQ(got[t * 5 + 4], (t ^ 1) * 5);
        }
    }
}

// By the definition of the format, in double.
double value_of(unsigned bits) {
    const int exponent = bits >> 10 & 31;
    const double fraction = (bits & 1023) / 1024.0;
    const double sign = bits >> 15 ? -1 : 1;
    if (exponent == 31)
        return fraction > 0 ? std::numeric_limits<double>::quiet_NaN() : sign * INFINITY;
    return sign * (exponent ? std::ldexp(1 + fraction, exponent - 15) : std::ldexp(fraction, -14));
}

unsigned bits_of(__half h) {
    uint16_t bits;
    std::memcpy(&bits, &h, sizeof bits);
    return bits;
}

__half half_of(unsigned bits) {
    const auto word = static_cast<uint16_t>(bits);
    __half h;
    std::memcpy(&h, &word, sizeof h);
    return h;
}

TEST(Half, EveryValueBothWays) {
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const double value = value_of(bits);
        const float converted = __half2float(half_of(bits));
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(converted)) << bits;
            EXPECT_TRUE(std::isnan(value_of(bits_of(__float2half_rn(converted))))) << bits;
        } else {
            EXPECT_EQ(converted, value) << bits;
            EXPECT_EQ(std::signbit(converted), std::signbit(value)) << bits;
            EXPECT_EQ(bits_of(__float2half_rn(converted)), bits);
        }
    }
}

TEST(Half, RoundsToNearestEven) {
    for (unsigned bits = 0; bits < 0x7BFF; ++bits) {
        const double low = value_of(bits);
        const double high = value_of(bits + 1);
        const auto middle = static_cast<float>((low + high) / 2);  // exact
        EXPECT_EQ(bits_of(__float2half_rn(middle)), bits + (bits & 1)) << bits;
        EXPECT_EQ(bits_of(__float2half_rn(std::nextafter(middle, 0.0F))), bits) << bits;
        EXPECT_EQ(bits_of(__float2half_rn(std::nextafter(middle, 1e9F))), bits + 1) << bits;
        EXPECT_EQ(bits_of(__float2half_rn(-middle)), 0x8000 + bits + (bits & 1)) << bits;
    }
    EXPECT_EQ(bits_of(__float2half_rn(std::nextafter(65520.0F, 0.0F))), 0x7BFFU);
    EXPECT_EQ(bits_of(__float2half_rn(65520.0F)), 0x7C00U);
    EXPECT_EQ(bits_of(__float2half_rn(1e30F)), 0x7C00U);
}

// ---- Kernels that go wrong

__global__ void lacks_a_barrier(float *out) {
    shared_floats()[threadIdx.x] = static_cast<float>(threadIdx.x);
    out[threadIdx.x] = shared_floats()[blockDim.x - 1 - threadIdx.x];
}

__global__ void writes_before_all_have_read(float *out) {
    float *shared = shared_floats();
    shared[threadIdx.x] = static_cast<float>(threadIdx.x);
    __syncthreads();
    const float other = shared[blockDim.x - 1 - threadIdx.x];
    shared[threadIdx.x] = other + 1000;  // some have yet to read this
    __syncthreads();
    out[threadIdx.x] = shared[threadIdx.x];
}

__global__ void blocks_disturb_each_other(float *out) {
    out[threadIdx.x] = static_cast<float>(blockIdx.x);
}

TEST_F(Device, MissingBarrier) {
    Buffer<float> out(64);
    launch(lacks_a_barrier, {1}, {64}, 256, out.get());
    out.read();
    EXPECT_FAULT("lacks_a_barrier.*depends on the order of threads");
    launch(writes_before_all_have_read, {1}, {64}, 256, out.get());
    out.read();
    EXPECT_FAULT("writes_before_all_have_read.*depends on the order of threads");
    launch(blocks_disturb_each_other, {8}, {64}, 0, out.get());
    out.read();
    EXPECT_FAULT("blocks_disturb_each_other.*depends on the order of threads");
}

__global__ void some_skip_the_barrier(float *out) {
    if (threadIdx.x < 40) __syncthreads();
    out[threadIdx.x] = 1;
}

__global__ void two_barriers(float *out) {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
    out[threadIdx.x] = 1;
}

TEST_F(Device, BarrierThatNotAllReach) {
    Buffer<float> out(64);
    launch(some_skip_the_barrier, {1}, {64}, 0, out.get());
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    EXPECT_FAULT("40 of 64 threads.*wait at the barrier.*; 24 of 64.*have returned");
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure) << "such an error stays";
}

TEST_F(Device, BarriersAtTwoPlaces) {
    Buffer<float> out(64);
    launch(two_barriers, {1}, {64}, 0, out.get());
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    EXPECT_FAULT("barrier at .*while thread .* waits at the one at");
}

// As integers, where no NaN gives it away.
__global__ void reads_unwritten(unsigned *out) {
    out[threadIdx.x] = reinterpret_cast<unsigned *>(mdrn_shared)[threadIdx.x] & 1;
}

TEST_F(Device, UnwrittenSharedMemory) {
    Buffer<unsigned> out(32);
    launch(reads_unwritten, {1}, {32}, 128, out.get());
    out.read();
    EXPECT_FAULT("reads_unwritten.*on unwritten memory");
}

TEST_F(Device, UnwrittenDeviceMemoryIsNaN) {
    Buffer<float> out(4);
    for (const float value : out.read()) EXPECT_TRUE(std::isnan(value));
}

// Nothing of sanitizers' own: they end the process with a report.
#if defined(__SANITIZE_ADDRESS__)
#define EXPECT_CAUGHT(statement, pattern) EXPECT_DEATH(statement, "use-after-poison")
#else
#define EXPECT_CAUGHT(statement, pattern) \
    do {                                  \
        statement;                        \
        EXPECT_FAULT(pattern);            \
    } while (false)
#endif

__global__ void writes_at(float *out, int index) {
    out[index] = 1;
}
__global__ void reads_at(unsigned *out, int index) {
    out[0] = out[index] & 1;
}
__global__ void writes_shared_at(float *out, int index) {
    shared_floats()[index] = 1;
    out[0] = 1;
}

TEST_F(Device, OutOfBounds) {
    Buffer<float> out(100);
    Buffer<unsigned> words(100);
    const auto run = [](auto kernel, auto &buffer, int index, size_t shared) {
        launch(kernel, {1}, {1}, shared, buffer.get(), index);
        EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    };
    EXPECT_CAUGHT(run(writes_at, out, 100, 0), "writes_at.*: a write outside of an allocation");
    EXPECT_CAUGHT(run(writes_at, out, -1, 0), "writes_at.*: a write outside of an allocation");
    EXPECT_CAUGHT(run(reads_at, words, 100, 0), "reads_at.*depends on .*unwritten");
    EXPECT_CAUGHT(run(reads_at, words, -1, 0), "reads_at.*depends on .*unwritten");
}

__global__ void reads_shared_at(unsigned *out, int index) {
    out[0] = reinterpret_cast<unsigned *>(mdrn_shared)[index] & 1;
}

TEST_F(Device, SharedMemoryBeyondTheLaunchs) {
    Buffer<float> out(1);
    Buffer<unsigned> word(1);
    const auto read = [&] {
        launch(reads_shared_at, {1}, {1}, 64, word.get(), 16);
        EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    };
    EXPECT_CAUGHT(read(), "reads_shared_at.*depends on .*unwritten");
    const auto run = [&] {
        launch(writes_shared_at, {1}, {1}, 64, out.get(), 16);
        EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    };
    EXPECT_CAUGHT(run(), "writes_shared_at.*behind the 64 bytes of shared memory");
}

[[maybe_unused]] __global__ void reads_vector(const float *in, float *out) {
    const float2 pair = *reinterpret_cast<const float2 *>(in + 1);
    out[0] = pair.x + pair.y;
}

TEST_F(Device, MisalignedVector) {
    Buffer<float> in(4), out(1);
    in.write({1, 2, 3, 4});
#if defined(MDRN_CHECKS_ALIGNMENT)
    launch(reads_vector, {1}, {1}, 0, in.get(), out.get());
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    EXPECT_FAULT("misaligned access to .*float2.*, 4 bytes behind a multiple of 8");
#elif defined(MDRN_UBSAN)
    const auto run = [&] {
        launch(reads_vector, {1}, {1}, 0, in.get(), out.get());
        cudaDeviceSynchronize();
    };
    EXPECT_DEATH(run(), "misaligned address .* for type 'const struct float2'");
#else
    GTEST_SKIP() << "alignment is checked in builds without a sanitizer and in ubsan";
#endif
}

__global__ void nothing(float *) {}

TEST_F(Device, LimitsOfTheArchitecture) {
    Buffer<float> out(1);
    const auto result = [&](dim3 grid, dim3 block, size_t shared) {
        return launch_on(nullptr, nothing, grid, block, shared, out.get());
    };
    emulated::set_twice(false);
    EXPECT_EQ(result({1, 65535, 1}, {1}, 0), cudaSuccess);
    EXPECT_EQ(result({1, 65536, 1}, {1}, 0), cudaErrorInvalidConfiguration);
    EXPECT_EQ(result({1, 1, 65536}, {1}, 0), cudaErrorInvalidConfiguration);
    EXPECT_EQ(result({0}, {1}, 0), cudaErrorInvalidConfiguration);
    EXPECT_EQ(result({1}, {1024}, 0), cudaSuccess);
    EXPECT_EQ(result({1}, {1025}, 0), cudaErrorInvalidConfiguration);
    EXPECT_EQ(result({1}, {32, 33}, 0), cudaErrorInvalidConfiguration);
    EXPECT_EQ(result({1}, {1, 1, 65}, 0), cudaErrorInvalidConfiguration);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);

    EXPECT_EQ(result({1}, {1}, 48 << 10), cudaSuccess);
    EXPECT_EQ(result({1}, {1}, (48 << 10) + 1), cudaErrorInvalidValue);
    int most = 0;
    ASSERT_EQ(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0),
              cudaSuccess);
    const auto shared = cudaFuncAttributeMaxDynamicSharedMemorySize;
    EXPECT_EQ(cudaFuncSetAttribute(nothing, shared, most + 1), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFuncSetAttribute(nothing, shared, most), cudaSuccess);
    EXPECT_EQ(result({1}, {1}, most), cudaSuccess);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    emulated::set_twice(true);
}

__global__ void shuffles_from(int *out, unsigned mask, int from) {
    if (mask >> threadIdx.x & 1U) out[threadIdx.x] = __shfl_sync(mask, 1, from);
}
__global__ void lanes_leave(int *out) {
    if (threadIdx.x > 20) return;
    out[threadIdx.x] = __shfl_xor_sync(0xFFFFFFFFU, 1, 1);
}
__global__ void leaves_itself_out(int *out) {
    out[threadIdx.x] = __shfl_sync(1U, 1, 0);
}
__global__ void lanes_at_two_lines(int *out) {
    if (threadIdx.x < 16)
        out[threadIdx.x] = __shfl_xor_sync(0xFFFFFFFFU, 1, 1);
    else
        out[threadIdx.x] = __shfl_xor_sync(0xFFFFFFFFU, 1, 1);
}

TEST_F(Device, ShuffleWithInactiveLanes) {
    const auto fails = [&](auto kernel, auto... arguments) {
        emulated::reset();
        Buffer<int> out(32);
        launch(kernel, {1}, {32}, 0, out.get(), arguments...);
        EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    };
    fails(shuffles_from, 0xFFU, 8);
    EXPECT_FAULT("a shuffle from lane 8, which takes no part");
    fails(lanes_leave);
    EXPECT_FAULT("21 of 32 threads.* wait for their warp .*; 11 of 32 .*have returned");
    fails(leaves_itself_out);
    EXPECT_FAULT("mask leaves out the caller");
    fails(lanes_at_two_lines);
    EXPECT_FAULT("with another mask or at another line");
}

TEST_F(Device, PointersIntoTheHost) {
    float host = 0;
    EXPECT_EQ(launch_on(nullptr, writes_at, {1}, {1}, 0, &host, 0), cudaErrorIllegalAddress);
    EXPECT_FAULT("an argument points to memory of the host");
}

TEST_F(Device, TheHostCannotReadTheDevice) {
    Buffer<float> out(4);
    EXPECT_DEATH(
        {
            volatile float value = out.get()[0];
            static_cast<void>(value);
        },
        "");
}

}  // namespace
