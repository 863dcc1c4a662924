// SPDX-License-Identifier: BSD-2-Clause
// mdrn.h as a program sees it.
#include "api.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "backends.h"

#ifdef _WIN32
static int setenv(const char *name, const char *value, int) {
    return _putenv_s(name, value);
}
#endif

namespace mdrn::test {
namespace {

std::string open_error(const mdrn_settings &settings, int expected) {
    mdrn_context *context = nullptr;
    EXPECT_EQ(mdrn_open(&context, &settings), expected);
    EXPECT_EQ(context, nullptr);
    mdrn_close(&context);
    return mdrn_last_error();
}

TEST(Api, EnlargesByTheScale) {
    for (int scale : {2, 3, 4}) {
        mdrn_settings settings = small_settings();
        settings.scale = scale;
        const Context context = open(settings);
        EXPECT_EQ(mdrn_scale(context.get()), scale);
        const FloatPicture in(20, 17);
        FloatPicture out(20 * scale, 17 * scale);
        out.values.assign(out.values.size(), -9);
        int told = 0;
        ASSERT_EQ(mdrn_send(context.get(), &in.image, &out.image, &told), 0) << mdrn_last_error();
        void *opaque = nullptr;
        ASSERT_EQ(mdrn_receive(context.get(), &opaque), 0) << mdrn_last_error();
        EXPECT_EQ(opaque, &told);
        for (float value : out.values) ASSERT_TRUE(value > -2 && value < 3) << value;
    }
}

TEST(Api, DefaultsAreTheBuiltInModelAtTwo) {
    mdrn_context *context = nullptr;
    ASSERT_EQ(mdrn_open(&context, nullptr), 0) << mdrn_last_error();
    EXPECT_EQ(mdrn_scale(context), 2);
    mdrn_close(&context);
    EXPECT_EQ(context, nullptr);
    mdrn_close(&context);
    EXPECT_EQ(mdrn_version(), 0x000100U);
}

TEST(Api, PicturesComeBackInOrderAndAreDrained) {
    for (int depth : {1, 2, 3}) {
        mdrn_settings settings = small_settings();
        settings.async_depth = depth;
        const Context context = open(settings);
        const FloatPicture in(15, 15);
        FloatPicture out(30, 30);
        int received = 0;
        std::vector<int> numbers(5);
        const auto receive = [&] {
            void *opaque = nullptr;
            const int result = mdrn_receive(context.get(), &opaque);
            if (result == 0) {
                EXPECT_EQ(opaque, &numbers[received]);
                ++received;
            }
            return result;
        };
        for (int &number : numbers) {
            if (mdrn_send(context.get(), &in.image, &out.image, &number) == 0) continue;
            ASSERT_EQ(receive(), 0);
            ASSERT_EQ(mdrn_send(context.get(), &in.image, &out.image, &number), 0);
        }
        EXPECT_EQ(received, 5 - depth);
        EXPECT_EQ(mdrn_send(context.get(), nullptr, nullptr, nullptr), 0);
        EXPECT_EQ(mdrn_send(context.get(), &in.image, &out.image, nullptr), MDRN_EOF);
        while (receive() == 0) {
        }
        EXPECT_EQ(received, 5);
        EXPECT_EQ(receive(), MDRN_EOF);
        mdrn_flush(context.get());
        EXPECT_EQ(mdrn_receive(context.get(), nullptr), MDRN_AGAIN);
        EXPECT_EQ(mdrn_send(context.get(), &in.image, &out.image, nullptr), 0);
        mdrn_flush(context.get());
        EXPECT_EQ(mdrn_receive(context.get(), nullptr), MDRN_AGAIN);
    }
}

TEST(Api, SizesMayChangeBetweenPictures) {
    const Context context = open(small_settings());
    for (auto [width, height] : {std::pair{1, 1}, {33, 2}, {16, 40}, {1, 1}}) {
        const FloatPicture in(width, height);
        FloatPicture out(2 * width, 2 * height);
        ASSERT_EQ(mdrn_send(context.get(), &in.image, &out.image, nullptr), 0) << mdrn_last_error();
        ASSERT_EQ(mdrn_receive(context.get(), nullptr), 0) << mdrn_last_error();
        for (float value : out.values) ASSERT_TRUE(std::isfinite(value));
    }
}

TEST(Api, AnotherSizeWaitsForWhatIsInFlight) {
    mdrn_settings settings = small_settings();
    settings.async_depth = 2;
    const Context context = open(settings);
    const FloatPicture in(15, 15), other(16, 15);
    FloatPicture out(30, 30), other_out(32, 30);
    ASSERT_EQ(mdrn_send(context.get(), &in.image, &out.image, nullptr), 0);
    EXPECT_EQ(mdrn_send(context.get(), &other.image, &other_out.image, nullptr), MDRN_AGAIN);
}

TEST(Api, SameBitsForAnyNumberOfThreads) {
    const FloatPicture in(70, 41);
    std::vector<float> first;
    for (int threads : {1, 2, 3, 7}) {
        mdrn_settings settings = small_settings();
        settings.threads = threads;
        const Context context = open(settings);
        for (int run = 0; run < 2; ++run) {
            FloatPicture out(140, 82);
            ASSERT_EQ(mdrn_send(context.get(), &in.image, &out.image, nullptr), 0);
            ASSERT_EQ(mdrn_receive(context.get(), nullptr), 0);
            if (first.empty()) first = out.values;
            EXPECT_EQ(out.values, first) << threads << " threads, run " << run;
        }
    }
}

TEST(Api, ReferenceAgreesWithTheCpu) {
    mdrn_settings settings = small_settings();
    const FloatPicture in(24, 31);
    FloatPicture fast(48, 62), plain(48, 62);
    for (auto [device, out] :
         {std::pair{MDRN_DEVICE_CPU, &fast}, {MDRN_DEVICE_REFERENCE, &plain}}) {
        settings.device = device;
        const Context context = open(settings);
        ASSERT_EQ(mdrn_send(context.get(), &in.image, &out->image, nullptr), 0);
        ASSERT_EQ(mdrn_receive(context.get(), nullptr), 0);
    }
    for (size_t i = 0; i < fast.values.size(); ++i)
        ASSERT_NEAR(fast.values[i], plain.values[i], 1e-5) << i;
}

TEST(Api, RefusesSettingsThatCannotBe) {
    mdrn_settings settings = small_settings();
    settings.scale = 5;
    EXPECT_NE(open_error(settings, MDRN_ERROR_INVALID_ARGUMENT).find("2, 3, 4"), std::string::npos);
    settings = small_settings();
    settings.model = "nowhere.safetensors";
    EXPECT_NE(open_error(settings, MDRN_ERROR_MODEL).find("nowhere.safetensors"),
              std::string::npos);
    settings = small_settings();
    settings.async_depth = 0;
    EXPECT_NE(open_error(settings, MDRN_ERROR_INVALID_ARGUMENT).find("async_depth"),
              std::string::npos);
    settings = small_settings();
    settings.threads = -1;
    open_error(settings, MDRN_ERROR_INVALID_ARGUMENT);
    settings = small_settings();
    settings.device = MDRN_DEVICE_CUDA;
    setenv("MDRN_CUDA_LIBRARY", "/nowhere/libmdrn_cuda.so", 1);
    EXPECT_NE(open_error(settings, MDRN_ERROR_UNSUPPORTED).find("no GPU can be used"),
              std::string::npos);
    settings = small_settings();
    settings.precision = MDRN_PRECISION_FP16;
    open_error(settings, MDRN_ERROR_UNSUPPORTED);
    settings = small_settings();
    settings.precision = MDRN_PRECISION_BF16;
    settings.device = MDRN_DEVICE_REFERENCE;
    open_error(settings, MDRN_ERROR_UNSUPPORTED);
    settings.device = MDRN_DEVICE_CPU;
    if (cpu_bf16_units().empty()) open_error(settings, MDRN_ERROR_UNSUPPORTED);
    settings = small_settings();
    settings.size = 0;
    open_error(settings, MDRN_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(mdrn_open(nullptr, nullptr), MDRN_ERROR_INVALID_ARGUMENT);
}

TEST(Api, RefusesPicturesThatDoNotFit) {
    const Context context = open(small_settings());
    const FloatPicture in(15, 15);
    FloatPicture out(31, 30);
    EXPECT_EQ(mdrn_send(context.get(), &in.image, &out.image, nullptr),
              MDRN_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(mdrn_send(context.get(), &in.image, nullptr, nullptr), MDRN_ERROR_INVALID_ARGUMENT);
    FloatPicture broken(15, 15);
    broken.image.data[1] = nullptr;
    FloatPicture good(30, 30);
    EXPECT_EQ(mdrn_send(context.get(), &broken.image, &good.image, nullptr),
              MDRN_ERROR_INVALID_ARGUMENT);
    FloatPicture far(15, 15);
    far.image.memory = MDRN_MEMORY_CUDA;
    EXPECT_EQ(mdrn_send(context.get(), &far.image, &good.image, nullptr), MDRN_ERROR_UNSUPPORTED);
    EXPECT_NE(std::string(mdrn_last_error()).find("MDRN_DEVICE_CUDA"), std::string::npos);
    EXPECT_EQ(mdrn_receive(context.get(), nullptr), MDRN_AGAIN);
}

TEST(Api, WithoutAGpuAutoTellsOnceWhyTheCpuComputes) {
    setenv("MDRN_CUDA_LIBRARY", MDRN_SOURCE_DIR "/README.md", 1);
    std::vector<std::string> told;
    mdrn_settings settings = small_settings();
    settings.device = MDRN_DEVICE_AUTO;
    settings.log = [](void *opaque, mdrn_log_level level, const char *message) {
        if (level <= MDRN_LOG_INFO)
            static_cast<std::vector<std::string> *>(opaque)->push_back(message);
    };
    settings.log_opaque = &told;
    const Context context = open(settings);
    const FloatPicture in(15, 15);
    FloatPicture out(30, 30);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(enlarge(context.get(), in.image, out.image), 0);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_NE(told[0].find("the CPU computes"), std::string::npos) << told[0];
    EXPECT_NE(told[0].find("README.md"), std::string::npos) << told[0];
}

TEST(Api, AModelsFileIsReadByOpenOnly) {
    const std::string file = testing::TempDir() + "mdrn_api_test.safetensors";
    const auto write = [&](const std::string &text) {
        std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
    };
    std::stringstream weights;
    weights
        << std::ifstream(MDRN_SOURCE_DIR "/models/mdrn-s_x2.safetensors", std::ios::binary).rdbuf();
    write(weights.str());
    mdrn_settings settings = small_settings();
    settings.model = file.c_str();
    settings.reuse = 0;
    const Context context = open(settings);
    const FloatPicture in(20, 16);
    FloatPicture first(40, 32), out(40, 32);
    ASSERT_EQ(enlarge(context.get(), in.image, first.image), 0) << mdrn_last_error();
    for (const std::string &text :
         {std::string(), weights.str().substr(0, 5000), std::string(400000, '!')}) {
        write(text);
        ASSERT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
        EXPECT_EQ(out.values, first.values);
        open_error(settings, MDRN_ERROR_MODEL);
    }
    std::remove(file.c_str());
    ASSERT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
    EXPECT_EQ(out.values, first.values);
}

// The first count columns and rows of a picture, the last of which go on to its edges.
FloatPicture extended(const FloatPicture &in, int width, int height) {
    FloatPicture result(width, height);
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x)
                result.at(c, y, x) =
                    in.at(c, std::min(y, in.image.height - 1), std::min(x, in.image.width - 1));
    return result;
}

TEST(Api, SmallPicturesAreExtendedByTheirLastColumnAndRow) {
    const Context context = open(small_settings());
    constexpr int kLeast = 15;
    for (int width = 1; width <= 16; ++width)
        for (int height = 1; height <= 16; ++height) {
            const FloatPicture in(width, height);
            const FloatPicture larger =
                extended(in, std::max(width, kLeast), std::max(height, kLeast));
            FloatPicture out(2 * width, 2 * height);
            FloatPicture expected(2 * larger.image.width, 2 * larger.image.height);
            ASSERT_EQ(enlarge(context.get(), larger.image, expected.image), 0) << mdrn_last_error();
            ASSERT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
            for (int c = 0; c < 3; ++c)
                for (int y = 0; y < 2 * height; ++y)
                    for (int x = 0; x < 2 * width; ++x)
                        ASSERT_EQ(out.at(c, y, x), expected.at(c, y, x))
                            << width << "x" << height << " at " << c << ", " << y << ", " << x;
        }
}

}  // namespace
}  // namespace mdrn::test
