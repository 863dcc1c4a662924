// SPDX-License-Identifier: BSD-2-Clause
// Convolution on the emulated device, by the stand-in for cuDNN and by the plain kernel, against a
// double loop; and which of cuDNN's plans are taken.
#include "cuda/convolution.h"

#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cuda/cudnn.h"
#include "emulator/control.h"
#include "error.h"
#include "own_context.h"

using mdrn::cuda::Convolution;
using mdrn::cuda::ConvolutionShape;
using mdrn::cuda::Cudnn;

namespace {

// A setting of the stand-in's, for the time of a test.
class Setting {
public:
    Setting(const char *name, const char *value) : name_(name) { setenv(name, value, 1); }
    ~Setting() { unsetenv(name_); }

private:
    const char *name_;
};

void check(cudaError_t result) {
    ASSERT_EQ(result, cudaSuccess) << cudaGetErrorString(result);
}

class Memory {
public:
    explicit Memory(size_t bytes) : bytes_(bytes) {
        if (bytes > 0) check(cudaMalloc(&address_, bytes));
    }
    ~Memory() { EXPECT_EQ(cudaFree(address_), cudaSuccess); }
    Memory(const Memory &) = delete;
    void *get() const { return address_; }
    size_t bytes() const { return bytes_; }

private:
    void *address_ = nullptr;
    size_t bytes_;
};

// Tests of it alone, since the real cuDNN takes no settings.
#define NEEDS_THE_STAND_IN() \
    if (!emulated::kEmulated) GTEST_SKIP() << "this needs the stand-in for cuDNN"

class ConvolutionTest : public testing::Test {
protected:
    void SetUp() override { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
    void TearDown() override {
        check(cudaStreamDestroy(stream_));
        EXPECT_EQ(emulated::take_faults(), std::vector<std::string>());
    }

    // Values as the maps' type has them.
    void upload(const std::vector<float> &values, bool half, const Memory &to) {
        std::vector<__half> halves;
        for (const float value : values) halves.push_back(__float2half_rn(value));
        check(cudaMemcpyAsync(to.get(),
                              half ? static_cast<const void *>(halves.data()) : values.data(),
                              to.bytes(), cudaMemcpyHostToDevice, stream_));
        check(cudaStreamSynchronize(stream_));
    }
    std::vector<float> download(const Memory &from, bool half) {
        std::vector<float> values(from.bytes() / (half ? 2 : 4));
        std::vector<__half> halves(half ? values.size() : 0);
        check(cudaMemcpyAsync(half ? static_cast<void *>(halves.data()) : values.data(), from.get(),
                              from.bytes(), cudaMemcpyDeviceToHost, stream_));
        check(cudaStreamSynchronize(stream_));
        for (size_t i = 0; i < halves.size(); i++) values[i] = __half2float(halves[i]);
        return values;
    }

    void compare(Cudnn *cudnn, const ConvolutionShape &shape, bool planned,
                 size_t most = mdrn::cuda::kMostElements);

    cudaStream_t stream_ = nullptr;
    std::mt19937 random_{20230601};
};

std::vector<float> random_values(std::mt19937 &random, size_t count, bool half) {
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float &value : values) {
        value = normal(random);
        if (half) value = __half2float(__float2half_rn(value));
    }
    return values;
}

// In double; magnitude is the sum of all products' magnitudes, by which rounding is bounded.
struct Expected {
    double value = 0, magnitude = 0;
};

Expected expected(const ConvolutionShape &s, const std::vector<float> &x,
                  const std::vector<float> &weight, const std::vector<float> &y, int at_y, int at_x,
                  int output) {
    Expected sum;
    const int k = s.kernel;
    for (int ky = 0; ky < k; ky++)
        for (int kx = 0; kx < k; kx++) {
            const int row = at_y + ky - k / 2, column = at_x + kx - k / 2;
            if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
            for (int i = 0; i < s.inputs; i++) {
                const double product =
                    double(x[size_t((row * s.width + column) * s.inputs + i)]) *
                    double(weight[size_t(((output * k + ky) * k + kx) * s.inputs + i)]);
                sum.value += product;
                sum.magnitude += std::abs(product);
            }
        }
    if (s.accumulate) {
        const double added = double(y[size_t((at_y * s.width + at_x) * s.outputs + output)]);
        sum.value += added;
        sum.magnitude += std::abs(added);
    }
    return sum;
}

std::string name(const ConvolutionShape &s) {
    return std::to_string(s.inputs) + " to " + std::to_string(s.outputs) + ", kernel " +
           std::to_string(s.kernel) + ", " + std::to_string(s.width) + 'x' +
           std::to_string(s.height) + (s.half ? ", fp16" : ", fp32") +
           (s.accumulate ? ", summed" : "");
}

void ConvolutionTest::compare(Cudnn *cudnn, const ConvolutionShape &s, bool planned, size_t most) {
    SCOPED_TRACE(name(s));
    const size_t element = s.half ? 2 : 4, pixels = size_t(s.height * s.width);
    const auto xs = random_values(random_, pixels * size_t(s.inputs), s.half);
    const auto weights =
        random_values(random_, size_t(s.outputs * s.kernel * s.kernel * s.inputs), s.half);
    const auto before = random_values(random_, pixels * size_t(s.outputs), s.half);

    const Convolution convolution(cudnn, s, most);
    if (emulated::kEmulated) {
        ASSERT_EQ(convolution.planned(), planned);
    }
    const Memory x(xs.size() * element), weight(weights.size() * element),
        y(before.size() * element), workspace(convolution.workspace());
    upload(xs, s.half, x);
    upload(weights, s.half, weight);
    upload(before, s.half, y);
    convolution.run(x.get(), weight.get(), y.get(), workspace.get(), stream_);
    const auto got = download(y, s.half);

    // fp32 sums of n terms are off by at most n ulps / 2 of the magnitude; then fp16 rounds.
    const double terms = s.kernel * s.kernel * s.inputs + 1;
    for (size_t i = 0; i < got.size(); i++) {
        const int output = int(i) % s.outputs, pixel = int(i) / s.outputs;
        const Expected e =
            expected(s, xs, weights, before, pixel / s.width, pixel % s.width, output);
        const double bound =
            terms * 0x1p-24 * e.magnitude + (s.half ? 0x1p-11 * std::abs(e.value) + 0x1p-24 : 0);
        ASSERT_NEAR(double(got[i]), e.value, 1.01 * bound)
            << "at pixel " << pixel << ", output " << output;
    }
}

// Those of the network, of both models, and some that fit no vector; at two odd sizes.
std::vector<ConvolutionShape> shapes() {
    const struct {
        int inputs, outputs, kernel;
        bool accumulate;
    } kinds[] = {{4, 56, 3, false},  {4, 28, 3, false},  {56, 84, 1, false},  {28, 44, 1, false},
                 {56, 28, 1, false}, {28, 14, 1, false}, {120, 56, 1, false}, {64, 28, 1, false},
                 {56, 16, 1, false}, {28, 8, 1, false},  {56, 56, 1, false},  {28, 28, 1, false},
                 {56, 56, 1, true},  {28, 28, 1, true},  {56, 16, 3, false},  {56, 32, 3, false},
                 {56, 48, 3, false}, {28, 16, 3, false}, {28, 32, 3, false},  {28, 48, 3, false},
                 {5, 3, 3, true},    {1, 1, 1, false}};
    std::vector<ConvolutionShape> all;
    for (const bool half : {true, false})
        for (const auto &kind : kinds)
            for (const auto &[width, height] : {std::pair{15, 17}, {67, 16}})
                all.push_back(
                    {height, width, kind.inputs, kind.outputs, kind.kernel, half, kind.accumulate});
    return all;
}

constexpr ConvolutionShape kHalf{16, 16, 56, 84, 1, true};
constexpr ConvolutionShape kFloat{16, 16, 56, 84, 1, false};

// The engine that is taken of those that mode A proposes, FALLBACK, and nobody; 0: none.
int64_t taken(const ConvolutionShape &shape, const char *a, const char *fallback = "",
              const char *unranked = "") {
    const Setting first("MDRN_EMULATED_CUDNN_A", a),
        second("MDRN_EMULATED_CUDNN_FALLBACK", fallback),
        third("MDRN_EMULATED_CUDNN_UNRANKED", unranked);
    Cudnn cudnn;
    const auto plan = cudnn.plan(shape);
    return plan ? plan->engine : 0;
}

}  // namespace

TEST_F(ConvolutionTest, MatchesADoubleLoop) {
    Cudnn cudnn;
    for (const ConvolutionShape &shape : shapes()) compare(&cudnn, shape, true);
}

TEST_F(ConvolutionTest, ThePlainKernelMatchesADoubleLoop) {
    for (const ConvolutionShape &shape : shapes()) compare(nullptr, shape, false);
}

TEST_F(ConvolutionTest, WithoutAPlanThePlainKernelRuns) {
    NEEDS_THE_STAND_IN();
    const Setting refuse("MDRN_EMULATED_CUDNN_REFUSE", "56x84x1 4x56x3");
    Cudnn cudnn;
    compare(&cudnn, kHalf, false);
    compare(&cudnn, {16, 16, 4, 56, 3, false}, false);
    compare(&cudnn, {16, 16, 56, 56, 1, true, true}, true);
}

TEST_F(ConvolutionTest, LargeMapsAreComputedInBands) {
    for (const ConvolutionShape &shape : shapes()) {
        if (shape.kernel != 1 || shape.height != 17) continue;
        // 8 rows fit, so that the map is three bands; then less than that does.
        const auto most = size_t(15 * shape.width * std::max(shape.inputs, shape.outputs));
        for (const size_t fits : {most, size_t(1)}) {
            Cudnn cudnn;
            compare(&cudnn, shape, true, fits);
            EXPECT_EQ(cudnn.plans().size(), 2U);
            for (const auto &[band, plan] : cudnn.plans())
                EXPECT_TRUE(band.height == 8 || band.height == 1) << band.height;
            compare(nullptr, shape, false, fits);
        }
    }
}

TEST_F(ConvolutionTest, HalfPrefersTensorCoresThenWhatIsCompiled) {
    NEEDS_THE_STAND_IN();
    EXPECT_EQ(taken(kHalf, "28 34 47 7"), 47);
    EXPECT_EQ(taken(kHalf, "7 28 47"), 47);
    EXPECT_EQ(taken(kHalf, "28 7"), 7);
    EXPECT_EQ(taken(kHalf, "34 28"), 34);
    EXPECT_EQ(taken(kHalf, "34 28", "47"), 47);
    EXPECT_EQ(taken(kHalf, "1 34 28", "28", "7 28 47"), 47);
    EXPECT_EQ(taken(kHalf, "1 28", "", "34"), 28);
}

TEST_F(ConvolutionTest, FloatKeepsFromTensorCores) {
    NEEDS_THE_STAND_IN();
    EXPECT_EQ(taken(kFloat, "47 7 34 28"), 34);
    EXPECT_EQ(taken(kFloat, "47", "28"), 28);
    EXPECT_EQ(taken(kFloat, "47", "47", "34 47"), 34);
    EXPECT_EQ(taken(kFloat, "47"), 0);
}

TEST_F(ConvolutionTest, UnfitPlansAreDropped) {
    NEEDS_THE_STAND_IN();
    for (const char *unfit : {"1", "5", "9", "13"}) {
        SCOPED_TRACE(unfit);
        EXPECT_EQ(taken(kHalf, unfit), 0);
        EXPECT_EQ(taken(kHalf, unfit, "28"), 28);
        EXPECT_EQ(taken(kHalf, (std::string(unfit) + " 47").c_str()), 47);
    }
}

TEST_F(ConvolutionTest, AShapeIsPlannedOnce) {
    Cudnn cudnn;
    const auto plan = cudnn.plan(kHalf);
    EXPECT_EQ(cudnn.plan(kHalf), plan);
    EXPECT_NE(cudnn.plan(kFloat), plan);
}

TEST_F(ConvolutionTest, RunsInAGraph) {
    Cudnn cudnn;
    const ConvolutionShape shape{16, 16, 56, 56, 1, false, true};
    const auto xs = random_values(random_, 16 * 16 * 56, false);
    const auto weights = random_values(random_, 56 * 56, false);
    const Convolution convolution(&cudnn, shape);
    const Memory x(xs.size() * 4), weight(weights.size() * 4), y(xs.size() * 4),
        workspace(convolution.workspace());
    upload(xs, false, x);
    upload(weights, false, weight);
    check(cudaMemsetAsync(y.get(), 0, y.bytes(), stream_));
    const auto run = [&] {
        convolution.run(x.get(), weight.get(), y.get(), workspace.get(), stream_);
    };
    run();
    const auto once = download(y, false);

    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    run();
    check(cudaStreamEndCapture(stream_, &graph));
    check(cudaGraphInstantiate(&exec, graph));
    EXPECT_EQ(download(y, false), once) << "a captured run must do nothing";
    check(cudaGraphLaunch(exec, stream_));
    const auto twice = download(y, false);
    for (size_t i = 0; i < once.size(); i++)
        ASSERT_NEAR(twice[i], 2 * once[i], 1e-5F * std::abs(once[i]) + 1e-5F) << i;
    check(cudaGraphExecDestroy(exec));
    check(cudaGraphDestroy(graph));
}

TEST_F(ConvolutionTest, FailuresSayWhatAndWhere) {
    NEEDS_THE_STAND_IN();
    Cudnn cudnn;
    const Setting ranked("MDRN_EMULATED_CUDNN_A", "34"),
        unranked("MDRN_EMULATED_CUDNN_UNRANKED", "");
    const Convolution convolution(&cudnn, kHalf);
    const Memory x(16 * 16 * 56 * 2 + 2), weight(84 * 56 * 2), y(16 * 16 * 84 * 2),
        workspace(convolution.workspace());
    const auto message = [&](void *from, void *place, cudaStream_t stream) -> std::string {
        try {
            convolution.run(from, weight.get(), y.get(), place, stream);
        } catch (const mdrn::Error &error) {
            EXPECT_EQ(error.code, MDRN_ERROR_DEVICE);
            return error.what();
        }
        return "";
    };
    const std::string prefix = "cuDNN " + Cudnn::version() +
                               " failed at running the 1x1 convolution 56 to 84, 16x16, fp16: ";
    EXPECT_TRUE(message(x.get(), nullptr, stream_).starts_with(prefix));
    EXPECT_TRUE(message(x.get(), nullptr, stream_).ends_with("the workspace is null"));
    EXPECT_TRUE(message(static_cast<char *>(x.get()) + 2, workspace.get(), stream_)
                    .ends_with("x is not aligned to 16 bytes"));
    EXPECT_TRUE(message(y.get(), workspace.get(), stream_)
                    .ends_with("y or the workspace overlaps something"));

    CUcontext own = nullptr, other = nullptr, popped = nullptr;
    CUstream foreign = nullptr;
    ASSERT_EQ(cuCtxGetCurrent(&own), CUDA_SUCCESS);
    ASSERT_EQ(mdrn::test::create_context(&other), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamCreate(&foreign, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    EXPECT_TRUE(message(x.get(), workspace.get(), stream_)
                    .ends_with("the handle is another context's than the current one"));
    ASSERT_EQ(cuCtxPopCurrent(&popped), CUDA_SUCCESS);
    EXPECT_TRUE(message(x.get(), workspace.get(), foreign)
                    .ends_with("the stream is another context's than the handle"));
    ASSERT_EQ(cuCtxDestroy(other), CUDA_SUCCESS);
    EXPECT_EQ(message(x.get(), workspace.get(), stream_), "");
    check(cudaStreamSynchronize(stream_));
}

TEST_F(ConvolutionTest, NoMemoryForTheLibraryIsTold) {
    NEEDS_THE_STAND_IN();
    emulated::fail_allocation(1);
    try {
        Cudnn cudnn;
        FAIL() << "it was opened without memory";
    } catch (const mdrn::Error &error) {
        EXPECT_EQ(error.code, MDRN_ERROR_OUT_OF_MEMORY) << error.what();
    }
    emulated::fail_allocation(0);
}
