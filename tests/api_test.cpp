// SPDX-License-Identifier: BSD-2-Clause
// mdrn.h as a program sees it.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "mdrn.h"

namespace {

struct Close {
    void operator()(mdrn_context *context) const { mdrn_close(&context); }
};
using Context = std::unique_ptr<mdrn_context, Close>;

mdrn_settings small_settings() {
    mdrn_settings settings;
    mdrn_settings_default(&settings, sizeof settings);
    settings.model = "mdrn-s";
    settings.device = MDRN_DEVICE_CPU;
    return settings;
}

Context open(const mdrn_settings &settings) {
    mdrn_context *context = nullptr;
    EXPECT_EQ(mdrn_open(&context, &settings), 0) << mdrn_last_error();
    return Context(context);
}

// A picture of planar float RGB that owns its planes.
struct Picture {
    Picture(int width, int height) : values(size_t{3} * width * height) {
        for (size_t i = 0; i < values.size(); ++i)
            values[i] = 0.5F + 0.5F * std::sin(0.37F * static_cast<float>(i));
        image.size = sizeof image;
        image.width = width;
        image.height = height;
        image.layout.model = MDRN_COLOR_RGB;
        image.layout.components = 3;
        image.layout.is_float = 1;
        for (uint8_t c = 0; c < 3; ++c) {
            image.layout.component[c] = {c, 4, 0, 0, 32};
            image.data[c] = values.data() + static_cast<size_t>(c) * width * height;
            image.stride[c] = static_cast<ptrdiff_t>(sizeof(float)) * width;
        }
    }
    std::vector<float> values;
    mdrn_image image{};
};

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
        const Picture in(20, 17);
        Picture out(20 * scale, 17 * scale);
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
        const Picture in(15, 15);
        Picture out(30, 30);
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
        const Picture in(width, height);
        Picture out(2 * width, 2 * height);
        ASSERT_EQ(mdrn_send(context.get(), &in.image, &out.image, nullptr), 0) << mdrn_last_error();
        ASSERT_EQ(mdrn_receive(context.get(), nullptr), 0) << mdrn_last_error();
        for (float value : out.values) ASSERT_TRUE(std::isfinite(value));
    }
}

TEST(Api, AnotherSizeWaitsForWhatIsInFlight) {
    mdrn_settings settings = small_settings();
    settings.async_depth = 2;
    const Context context = open(settings);
    const Picture in(15, 15), other(16, 15);
    Picture out(30, 30), other_out(32, 30);
    ASSERT_EQ(mdrn_send(context.get(), &in.image, &out.image, nullptr), 0);
    EXPECT_EQ(mdrn_send(context.get(), &other.image, &other_out.image, nullptr), MDRN_AGAIN);
}

TEST(Api, SameBitsForAnyNumberOfThreads) {
    const Picture in(70, 41);
    std::vector<float> first;
    for (int threads : {1, 2, 3, 7}) {
        mdrn_settings settings = small_settings();
        settings.threads = threads;
        const Context context = open(settings);
        for (int run = 0; run < 2; ++run) {
            Picture out(140, 82);
            ASSERT_EQ(mdrn_send(context.get(), &in.image, &out.image, nullptr), 0);
            ASSERT_EQ(mdrn_receive(context.get(), nullptr), 0);
            if (first.empty()) first = out.values;
            EXPECT_EQ(out.values, first) << threads << " threads, run " << run;
        }
    }
}

TEST(Api, ReferenceAgreesWithTheCpu) {
    mdrn_settings settings = small_settings();
    const Picture in(24, 31);
    Picture fast(48, 62), plain(48, 62);
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
    EXPECT_NE(open_error(settings, MDRN_ERROR_UNSUPPORTED).find("CUDA"), std::string::npos);
    settings = small_settings();
    settings.precision = MDRN_PRECISION_BF16;
    open_error(settings, MDRN_ERROR_UNSUPPORTED);
    settings = small_settings();
    settings.size = 0;
    open_error(settings, MDRN_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(mdrn_open(nullptr, nullptr), MDRN_ERROR_INVALID_ARGUMENT);
}

TEST(Api, RefusesPicturesThatDoNotFit) {
    const Context context = open(small_settings());
    const Picture in(15, 15);
    Picture out(31, 30);
    EXPECT_EQ(mdrn_send(context.get(), &in.image, &out.image, nullptr),
              MDRN_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(mdrn_send(context.get(), &in.image, nullptr, nullptr), MDRN_ERROR_INVALID_ARGUMENT);
    Picture broken(15, 15);
    broken.image.data[1] = nullptr;
    Picture good(30, 30);
    EXPECT_EQ(mdrn_send(context.get(), &broken.image, &good.image, nullptr),
              MDRN_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(mdrn_receive(context.get(), nullptr), MDRN_AGAIN);
}

TEST(Api, MemoryIsKnownBeforehandAndLimited) {
    mdrn_settings settings = small_settings();
    std::string told;
    settings.log = [](void *opaque, mdrn_log_level level, const char *message) {
        if (level == MDRN_LOG_ERROR) *static_cast<std::string *>(opaque) = message;
    };
    settings.log_opaque = &told;
    uint64_t bytes = 0;
    {
        const Context context = open(settings);
        ASSERT_EQ(mdrn_memory_needed(context.get(), 320, 180, &bytes), 0);
        const double maps = static_cast<double>(bytes) / (4.0 * 28 * 320 * 180);
        EXPECT_GT(maps, 5);
        EXPECT_LT(maps, 10);
        EXPECT_EQ(mdrn_memory_needed(context.get(), 0, 4, &bytes), MDRN_ERROR_INVALID_ARGUMENT);
        EXPECT_EQ(mdrn_memory_needed(context.get(), 1 << 30, 1 << 30, &bytes),
                  MDRN_ERROR_INVALID_ARGUMENT);
        ASSERT_EQ(mdrn_memory_needed(context.get(), 320, 180, &bytes), 0);
    }
    settings.memory = bytes;
    EXPECT_EQ(mdrn_prepare(open(settings).get(), 320, 180), 0);
    settings.memory = bytes - 1;
    EXPECT_EQ(mdrn_prepare(open(settings).get(), 320, 180), MDRN_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(told, mdrn_last_error());
    EXPECT_NE(told.find("raise memory"), std::string::npos) << told;
    EXPECT_EQ(mdrn_prepare(open(settings).get(), 100, 100), 0);
}

}  // namespace
