// SPDX-License-Identifier: BSD-2-Clause
// The real cuDNN, which needs no device for planning: what it plans for each convolution of the
// network on devices that are described to it, and what is said where something of it is missing.
// It shows neither that a plan runs, nor how fast.
#include "cuda/cudnn.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "cuda/channels.h"
#include "error.h"

namespace mdrn::cuda {

// Nothing runs here.
void plain_convolution(const ConvolutionShape &, const void *, const void *, void *, cudaStream_t) {
    std::abort();
}

namespace {

struct Device {
    const char *name;
    int capability, processors, threads, blocks, shared;
    int64_t memory, cache;
    int clock, memory_clock;  // kHz
    int bus;                  // bits
};

// From the data sheets.
constexpr Device kDevices[] = {
    {"NVIDIA H100 80GB HBM3", 900, 132, 2048, 32, 232448, 85028896768, 52428800, 1980000, 2619000,
     5120},
    {"NVIDIA GeForce RTX 4090", 890, 128, 1536, 24, 101376, 25250627584, 75497472, 2520000,
     10501000, 384},
};

std::string json(const Device &d) {
    const auto number = [](const char *key, int64_t value) {
        return '"' + std::string(key) + "\":" + std::to_string(value) + ',';
    };
    return '{' + number("deviceVer", d.capability) + number("driverVer", 13000) +
           "\"deviceName\":\"" + d.name + "\"," + number("cudaDeviceId", 0) +
           number("pciDeviceId", 0) + number("isTccDriver", 0) + number("supportCoopLaunch", 1) +
           number("multiProcessorCount", d.processors) + number("warpSize", 32) +
           number("maxThreadsPerBlock", 1024) + number("maxThreadsPerSM", d.threads) +
           number("maxCtasPerSM", d.blocks) + number("regsPerBlock", 65536) +
           number("maxRegistersPerSM", 65536) + number("maxSharedMemoryPerBlock", 49152) +
           number("maxSharedMemoryPerBlockOptin", d.shared) +
           number("reservedSharedMemoryPerBlock", 1024) +
           number("oversizedSharedMemoryPerBlock", 0) + number("smCountOrigin", 0) +
           number("memoryBusWidth", d.bus) + number("totalGlobalMem", d.memory) +
           number("l2CacheSize", d.cache) + number("smClockRateKHz", d.clock) +
           number("memClockRateKHz", d.memory_clock) +
           "\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64]}";
}

// Why the real cuDNN cannot be asked here; empty where it can.
std::string missing() {
    try {
        const std::string version = Cudnn::version();
        const int minor = std::stoi(version.substr(version.find('.') + 1));
        if (minor < 8) return "cuDNN " + version + " plans only on a device; 9.8 needs none";
        Cudnn(json(kDevices[0]));
        return "";
    } catch (const Error &error) {
        const std::string what = error.what();
        // Of late a part of it needs the driver's library for loading.
        const bool apart = what.find("SUBLIBRARY_LOADING_FAILED") != std::string::npos;
        return error.code == MDRN_ERROR_UNSUPPORTED || apart ? what : "";
    }
}

std::string text(const ConvolutionShape &s) {
    char line[80];
    std::snprintf(line, sizeof line, "%dx%d %3d -> %2d%s, %s, %4dx%d", s.kernel, s.kernel, s.inputs,
                  s.outputs, s.accumulate ? " summed" : "", s.half ? "fp16" : "fp32", s.width,
                  s.height);
    return line;
}

Model model(int features, int scale) {
    Model model;
    model.features = features;
    model.scale = scale;
    return model;
}

void PrintTo(const Device &device, std::ostream *out) {
    *out << device.name;
}

class CudnnTest : public testing::TestWithParam<Device> {
protected:
    void SetUp() override {
        const std::string why = missing();
        if (!why.empty()) GTEST_SKIP() << why;
    }
};

TEST_P(CudnnTest, PlansEveryConvolution) {
    const auto start = std::chrono::steady_clock::now();
    Cudnn cudnn(json(GetParam()));
    for (const Size size : {Size{1920, 1080},
                            {1921, 1079},
                            {3840, 2160},
                            {8192, 4320},
                            {320, 180},
                            {17, 33},
                            {kSmallest, kSmallest}})
        for (const bool half : {true, false})
            for (const int features : {56, 28})
                for (const int scale : {2, 3, 4})
                    Convolutions(Channels(model(features, scale)), size, half, &cudnn, false);

    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("cuDNN %s, %s: %zu convolutions planned in %.2f s\n", Cudnn::version().c_str(),
                GetParam().name, cudnn.plans().size(), seconds.count());
    for (const auto &[shape, plan] : cudnn.plans()) {
        ASSERT_TRUE(plan) << text(shape);
        if (shape.width == 1920)
            std::printf("  %-37s engine %2ld, workspace %8zu%s%s\n", text(shape).c_str(),
                        long(plan->engine), plan->workspace,
                        plan->tensor_cores ? ", tensor cores" : "",
                        plan->compiled ? ", compiled at run time" : "");
        EXPECT_EQ(plan->tensor_cores, shape.half) << text(shape);
        EXPECT_FALSE(plan->compiled) << text(shape);
        EXPECT_LE(plan->workspace, kConvolutionWorkspace) << text(shape);
    }
}

std::string short_name(const testing::TestParamInfo<Device> &info) {
    return "sm" + std::to_string(info.param.capability / 10);
}
INSTANTIATE_TEST_SUITE_P(Devices, CudnnTest, testing::ValuesIn(kDevices), short_name);

TEST(CudnnErrors, ADescriptionThatIsNoneIsTold) {
    const std::string why = missing();
    if (!why.empty()) GTEST_SKIP() << why;
    EXPECT_THROW(Cudnn("{}"), Error);
}

TEST(CudnnErrors, WithoutADeviceItSaysSo) {
    const std::string why = missing();
    if (!why.empty()) GTEST_SKIP() << why;
    try {
        Cudnn cudnn;
        GTEST_SKIP() << "there is a device";
    } catch (const Error &error) {
        EXPECT_EQ(error.code, MDRN_ERROR_DEVICE);
        EXPECT_TRUE(std::string(error.what())
                        .starts_with("cuDNN " + Cudnn::version() +
                                     " failed at opening it for the device: "))
            << error.what();
    }
}

// In a process of its own, to which a folder of other libraries comes first.
class MissingLibrary : public testing::Test {
protected:
    void SetUp() override {
        GTEST_FLAG_SET(death_test_style, "threadsafe");
        std::filesystem::create_directories(folder_);
        setenv("LD_LIBRARY_PATH", folder_.c_str(), 1);
    }
    void TearDown() override {
        unsetenv("LD_LIBRARY_PATH");
        std::filesystem::remove_all(folder_);
    }

    // The process of its own comes here again.
    void instead_of_cudnn(const char *path) const {
        const auto link = folder_ / "libcudnn_graph.so.9";
        std::filesystem::remove(link);
        std::filesystem::create_symlink(path, link);
    }

    [[noreturn]] static void open_and_tell() {
        try {
            Cudnn::version();
        } catch (const Error &error) {
            std::fprintf(stderr, "%d: %s\n", error.code, error.what());
            std::exit(0);
        }
        std::exit(1);
    }

    const std::filesystem::path folder_ =
        std::filesystem::path(MDRN_EMPTY_LIBRARY).parent_path() /
        testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(MissingLibrary, OfCudnnIsTold) {
    instead_of_cudnn("/dev/null");
    EXPECT_EXIT(open_and_tell(), testing::ExitedWithCode(0),
                "^-4: cuDNN cannot be loaded: .*libcudnn_graph.so.9.*; install cuDNN 9 ");
}

TEST_F(MissingLibrary, OfSomethingElseByItsNameIsTold) {
    instead_of_cudnn(MDRN_EMPTY_LIBRARY);
    EXPECT_EXIT(open_and_tell(), testing::ExitedWithCode(0),
                "^-4: libcudnn_graph.so.9 lacks cudnnGetVersion: .*; install cuDNN 9 ");
}

TEST_F(MissingLibrary, OfCublasIsTold) {
    instead_of_cudnn(MDRN_CUDNN_STAND_IN);
    setenv("MDRN_EMULATED_CUDNN_CUDA", "99000", 1);
    EXPECT_EXIT(open_and_tell(), testing::ExitedWithCode(0),
                "^-4: cuBLAS, which cuDNN needs, cannot be loaded: libcublasLt.so.99: .*; "
                "install it ");
    unsetenv("MDRN_EMULATED_CUDNN_CUDA");
}

}  // namespace
}  // namespace mdrn::cuda
