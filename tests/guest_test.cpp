// SPDX-License-Identifier: BSD-2-Clause
// libmdrn_cuda.so through mdrn.h, on the emulated device: contexts, streams, both memories, and
// what happens where something is missing or fails.
#include <cuda.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "api.h"
#include "emulator/control.h"
#include "own_context.h"

namespace mdrn::test {
namespace {

constexpr int kWidth = 24, kHeight = 18;

// AddressSanitizer takes ten times as long.
#if defined(__SANITIZE_ADDRESS__)
constexpr int kStride = 17;
#else
constexpr int kStride = 1;
#endif

mdrn_settings cuda_settings(int depth = 1) {
    mdrn_settings settings = small_settings();
    settings.device = MDRN_DEVICE_CUDA;
    settings.precision = MDRN_PRECISION_FP32;
    settings.async_depth = depth;
    return settings;
}

// A picture of its own for each seed.
FloatPicture picture(int width, int height, int seed) {
    FloatPicture result(width, height);
    for (size_t i = 0; i < result.values.size(); ++i)
        result.values[i] = 0.5F + 0.5F * std::sin(0.37F * static_cast<float>(i) + float(seed));
    return result;
}

FloatPicture on_cpu(const FloatPicture &in) {
    const Context context = open(small_settings());
    FloatPicture out(2 * in.image.width, 2 * in.image.height);
    EXPECT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
    return out;
}

void expect_close(const FloatPicture &a, const FloatPicture &b) {
    for (size_t i = 0; i < a.values.size(); ++i) ASSERT_NEAR(a.values[i], b.values[i], 1e-4F) << i;
}

// A device of its own for each test, that has to have no faults and all memory back at the end.
class Guest : public testing::Test {
protected:
    void SetUp() override {
        setenv("MDRN_CUDA_LIBRARY", EMULATED_FOLDER "/libmdrn_cuda.so", 1);
        emulated::reset();
        emulated::set_twice(false);
    }
    void TearDown() override {
        for (const std::string &fault : emulated::take_faults()) ADD_FAILURE() << fault;
        EXPECT_EQ(emulated::bytes_in_use(), 0U);
        emulated::reset();
    }
};

// A context of the caller's, as FFmpeg has one.
struct Lender {
    explicit Lender(bool with_stream) {
        EXPECT_EQ(cuInit(0), CUDA_SUCCESS);
        EXPECT_EQ(create_context(&context), CUDA_SUCCESS);
        if (with_stream) {
            EXPECT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
        }
        CUcontext left;
        EXPECT_EQ(cuCtxPopCurrent(&left), CUDA_SUCCESS);
    }
    ~Lender() {
        EXPECT_EQ(cuCtxPushCurrent(context), CUDA_SUCCESS);
        if (stream) {
            EXPECT_EQ(cuStreamDestroy(stream), CUDA_SUCCESS);
        }
        EXPECT_EQ(cuCtxDestroy(context), CUDA_SUCCESS);
    }

    // Of a context that is lent this one.
    mdrn_settings settings() const {
        mdrn_settings settings = cuda_settings();
        settings.cuda_context = context;
        settings.cuda_stream = stream;
        return settings;
    }

    CUcontext context = nullptr;
    CUstream stream = nullptr;
};

// A float picture in the memory of a lender's context.
class DevicePicture {
public:
    DevicePicture(const Lender &lender, const FloatPicture &like)
        : lender_(lender), bytes_(like.values.size() * sizeof(float)), image(like.image) {
        EXPECT_EQ(cuCtxPushCurrent(lender_.context), CUDA_SUCCESS);
        EXPECT_EQ(cuMemAlloc(&data_, bytes_), CUDA_SUCCESS);
        EXPECT_EQ(cuMemcpyHtoD(data_, like.values.data(), bytes_), CUDA_SUCCESS);
        EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);  // which other streams do not wait for
        pop();
        image.memory = MDRN_MEMORY_CUDA;
        for (int c = 0; c < 3; ++c)
            image.data[c] = reinterpret_cast<void *>(data_ + bytes_ / 3 * static_cast<size_t>(c));
    }
    ~DevicePicture() {
        EXPECT_EQ(cuCtxPushCurrent(lender_.context), CUDA_SUCCESS);
        EXPECT_EQ(cuMemFree(data_), CUDA_SUCCESS);
        pop();
    }
    FloatPicture read() const {
        FloatPicture result(image.width, image.height);
        EXPECT_EQ(cuCtxPushCurrent(lender_.context), CUDA_SUCCESS);
        EXPECT_EQ(cuStreamSynchronize(lender_.stream), CUDA_SUCCESS);
        EXPECT_EQ(cuMemcpyDtoH(result.values.data(), data_, bytes_), CUDA_SUCCESS);
        pop();
        return result;
    }

private:
    static void pop() {
        CUcontext left;
        EXPECT_EQ(cuCtxPopCurrent(&left), CUDA_SUCCESS);
    }
    const Lender &lender_;
    size_t bytes_;
    CUdeviceptr data_ = 0;

public:
    mdrn_image image;
};

TEST_F(Guest, HostPicturesGoToTheGpuAndComeBackInOrder) {
    for (int depth : {1, 2, 3}) {
        const Context context = open(cuda_settings(depth));
        std::vector<FloatPicture> in, out;
        for (int i = 0; i < 5; ++i) {
            in.push_back(picture(kWidth, kHeight, i));
            out.emplace_back(2 * kWidth, 2 * kHeight);
        }
        int received = 0;
        const auto receive = [&] {
            void *opaque = nullptr;
            ASSERT_EQ(mdrn_receive(context.get(), &opaque), 0) << mdrn_last_error();
            EXPECT_EQ(opaque, &out[received]);
            expect_close(out[received], on_cpu(in[received]));
            ++received;
        };
        for (int i = 0; i < 5; ++i) {
            if (i - received == depth) receive();
            ASSERT_EQ(mdrn_send(context.get(), &in[i].image, &out[i].image, &out[i]), 0)
                << mdrn_last_error();
        }
        EXPECT_EQ(mdrn_send(context.get(), nullptr, nullptr, nullptr), 0);
        while (received < 5) receive();
        EXPECT_EQ(mdrn_receive(context.get(), nullptr), MDRN_EOF);
    }
}

TEST_F(Guest, PicturesOfALentContextStayThere) {
    for (bool with_stream : {false, true}) {
        const Lender lender(with_stream);
        const Context context = open(lender.settings());
        for (int i = 0; i < 4; ++i) {  // plain, recorded, repeated twice
            const FloatPicture small = picture(kWidth, kHeight, i);
            const DevicePicture in(lender, small);
            const DevicePicture out(lender, FloatPicture(2 * kWidth, 2 * kHeight));
            ASSERT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
            expect_close(out.read(), on_cpu(small));
        }
    }
}

TEST_F(Guest, EitherMemoryGoesIntoEither) {
    const Lender lender(true);
    const Context context = open(lender.settings());
    const FloatPicture small = picture(kWidth, kHeight, 7);
    FloatPicture large(2 * kWidth, 2 * kHeight);
    {
        const DevicePicture in(lender, small);
        ASSERT_EQ(enlarge(context.get(), in.image, large.image), 0) << mdrn_last_error();
    }
    expect_close(large, on_cpu(small));
    const DevicePicture out(lender, FloatPicture(2 * kWidth, 2 * kHeight));
    ASSERT_EQ(enlarge(context.get(), small.image, out.image), 0) << mdrn_last_error();
    expect_close(out.read(), on_cpu(small));
}

TEST_F(Guest, PicturesFromTheHostFollowEachOtherIntoCudaMemory) {
    const Lender lender(true);
    const Context context = open(lender.settings());
    std::vector<FloatPicture> in;
    std::vector<std::unique_ptr<DevicePicture>> out;
    for (int i = 0; i < 3; ++i) {
        in.push_back(picture(kWidth, kHeight, i));
        out.push_back(
            std::make_unique<DevicePicture>(lender, FloatPicture(2 * kWidth, 2 * kHeight)));
        ASSERT_EQ(enlarge(context.get(), in[i].image, out[i]->image), 0) << mdrn_last_error();
    }
    for (int i = 0; i < 3; ++i) expect_close(out[i]->read(), on_cpu(in[i]));
}

uint64_t reused(const Context &context) {
    mdrn_statistics statistics;
    mdrn_get_statistics(context.get(), &statistics, sizeof statistics);
    return statistics.reused;
}

TEST_F(Guest, HostPicturesThatAreTheSameAreNotComputedAgain) {
    const std::string contents = "aabbbaccaa";
    for (int depth : {1, 2, 3}) {
        const Context context = open(cuda_settings(depth));
        std::vector<FloatPicture> out;
        for (size_t i = 0; i < contents.size(); ++i)
            out.push_back(FloatPicture(2 * kWidth, 2 * kHeight));
        for (size_t i = 0; i < contents.size(); ++i) {
            // Whose planes are the sender's as soon as it has them back.
            const auto in = std::make_unique<FloatPicture>(picture(kWidth, kHeight, contents[i]));
            ASSERT_EQ(mdrn_send(context.get(), &in->image, &out[i].image, nullptr), 0);
            if (int(i) + 1 >= depth) {
                ASSERT_EQ(mdrn_receive(context.get(), nullptr), 0);
            }
        }
        mdrn_send(context.get(), nullptr, nullptr, nullptr);
        while (mdrn_receive(context.get(), nullptr) == 0) {
        }
        EXPECT_EQ(reused(context), 5U);
        for (size_t i = 0; i < contents.size(); ++i) {
            if (i && contents[i] == contents[i - 1])
                EXPECT_EQ(out[i].values, out[i - 1].values);
            else
                expect_close(out[i], on_cpu(picture(kWidth, kHeight, contents[i])));
        }
    }
}

TEST_F(Guest, APictureInCudaMemoryIsComputedEachTime) {
    const Lender lender(true);
    const Context context = open(lender.settings());
    const FloatPicture small = picture(kWidth, kHeight, 5);
    const DevicePicture in(lender, small);
    const FloatPicture expected = on_cpu(small);
    // Where the picture is, and whether it is reused.
    const std::pair<const mdrn_image *, bool> pictures[] = {
        {&small.image, false}, {&small.image, true},  {&in.image, false},
        {&in.image, false},    {&small.image, false}, {&small.image, true}};
    uint64_t count = 0;
    for (const auto &[image, is_reused] : pictures) {
        const DevicePicture out(lender, FloatPicture(2 * kWidth, 2 * kHeight));
        ASSERT_EQ(enlarge(context.get(), *image, out.image), 0) << mdrn_last_error();
        expect_close(out.read(), expected);
        count += is_reused;
        EXPECT_EQ(reused(context), count);
    }
}

TEST_F(Guest, SaysInVerboseOutputWhichGpuComputes) {
    std::string text;
    mdrn_settings settings = cuda_settings();
    settings.log_opaque = &text;
    settings.log = [](void *opaque, mdrn_log_level level, const char *message) {
        if (level == MDRN_LOG_VERBOSE) *static_cast<std::string *>(opaque) += message;
    };
    open(settings);
    char name[256] = "";
    ASSERT_EQ(cuDeviceGetName(name, sizeof name, 0), CUDA_SUCCESS);
    EXPECT_NE(text.find("2 times on: gpu 0 (" + std::string(name) + ", compute capability "),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("), fp32"), std::string::npos) << text;
}

TEST_F(Guest, WhatCudnnHasNoPlanForIsToldOnce) {
    if (!emulated::kEmulated) GTEST_SKIP() << "this needs the emulated device";
    std::vector<std::string> warnings;
    mdrn_settings settings = cuda_settings();
    settings.log_opaque = &warnings;
    settings.log = [](void *opaque, mdrn_log_level level, const char *message) {
        if (level == MDRN_LOG_WARNING)
            static_cast<std::vector<std::string> *>(opaque)->emplace_back(message);
    };
    for (const bool planned : {true, false}) {
        if (!planned) setenv("MDRN_EMULATED_CUDNN_REFUSE", "28x44x1", 1);
        const Context context = open(settings);
        for (int width : {24, 24, 17}) {
            const FloatPicture in = picture(width, kHeight, 1);
            FloatPicture out(2 * width, 2 * kHeight);
            ASSERT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
            expect_close(out, on_cpu(in));
        }
        unsetenv("MDRN_EMULATED_CUDNN_REFUSE");
        EXPECT_EQ(warnings.size(), planned ? 0U : 1U);
    }
    EXPECT_NE(warnings.at(0).find("plain kernel"), std::string::npos) << warnings[0];
}

TEST_F(Guest, SizesMayChange) {
    const Context context = open(cuda_settings());
    int number = 0;
    for (auto [width, height] :
         {std::pair{24, 18}, {24, 18}, {1, 1}, {17, 31}, {17, 31}, {24, 18}}) {
        const FloatPicture in = picture(width, height, ++number);
        FloatPicture out(2 * width, 2 * height);
        ASSERT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
        expect_close(out, on_cpu(in));
    }
}

TEST_F(Guest, Fp16IsNearFp32) {
    mdrn_settings settings = cuda_settings();
    settings.precision = MDRN_PRECISION_AUTO;
    const Context context = open(settings);
    const FloatPicture in = picture(kWidth, kHeight, 3);
    FloatPicture out(2 * kWidth, 2 * kHeight);
    ASSERT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
    const FloatPicture expected = on_cpu(in);
    float most = 0;
    for (size_t i = 0; i < out.values.size(); ++i)
        most = std::max(most, std::abs(out.values[i] - expected.values[i]));
    EXPECT_LT(most, 0.02F);
    EXPECT_GT(most, 1e-5F) << "that was not fp16";
}

std::string open_error(const mdrn_settings &settings, int code) {
    mdrn_context *context = nullptr;
    EXPECT_EQ(mdrn_open(&context, &settings), code);
    mdrn_close(&context);
    return mdrn_last_error();
}

TEST_F(Guest, SaysWhichGpuThereIsNot) {
    mdrn_settings settings = cuda_settings();
    settings.gpu = 3;
    EXPECT_NE(open_error(settings, MDRN_ERROR_UNSUPPORTED).find("no gpu 3"), std::string::npos)
        << mdrn_last_error();
    const Lender lender(true);
    settings.cuda_context = lender.context;
    settings.cuda_stream = lender.stream;
    EXPECT_NE(open_error(settings, MDRN_ERROR_INVALID_ARGUMENT).find("frames are on gpu 0"),
              std::string::npos)
        << mdrn_last_error();
    settings.gpu = 0;
    open(settings);
    settings.precision = MDRN_PRECISION_BF16;
    EXPECT_NE(open_error(settings, MDRN_ERROR_UNSUPPORTED).find("fp16"), std::string::npos);
}

TEST_F(Guest, AGpuThatIsTooOldIsRefusedAndTheCpuTakesItsPlace) {
    if (!emulated::kEmulated) GTEST_SKIP() << "this needs the emulated device";
    emulated::set_capability(61);
    mdrn_settings settings = cuda_settings();
    const std::string error = open_error(settings, MDRN_ERROR_UNSUPPORTED);
    EXPECT_NE(error.find("compute capability 6.1; 7.5"), std::string::npos) << error;
    const FloatPicture in = picture(kWidth, kHeight, 2);
    FloatPicture out(2 * kWidth, 2 * kHeight);
    settings.device = MDRN_DEVICE_AUTO;
    {
        const Context context = open(settings);
        EXPECT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
    }
    expect_close(out, on_cpu(in));
    const Lender lender(true);
    settings.device = MDRN_DEVICE_CUDA;
    settings.cuda_context = lender.context;
    settings.cuda_stream = lender.stream;
    open_error(settings, MDRN_ERROR_UNSUPPORTED);
    emulated::set_capability(75);
    open(settings);
}

// Every call that can fail does so once, from open to close; then all goes well. Every other time
// the context is closed right after the failure.
TEST_F(Guest, FailuresOfTheDriverAreErrorsAndLoseNothing) {
    if (!emulated::kEmulated) GTEST_SKIP() << "this needs the emulated device";
    const FloatPicture in = picture(15, 15, 1), other = picture(15, 15, 2);
    FloatPicture out(30, 30);
    int failures = 0;
    const auto attempt = [&] {
        mdrn_context *opened = nullptr;
        const mdrn_settings settings = cuda_settings();
        int result = mdrn_open(&opened, &settings);
        const Context context(opened);
        // Plain, recorded, launched, and reused.
        for (const FloatPicture *picture : {&in, &other, &in, &in})
            if (!result) result = enlarge(context.get(), picture->image, out.image);
        if (result) {
            EXPECT_STRNE(mdrn_last_error(), "");
            ++failures;
        }
        emulated::fail_call(0);
        emulated::fail_allocation(0);
        if (context && (!result || failures % 2)) {
            EXPECT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
            expect_close(out, on_cpu(in));
        }
        return result;
    };
    // Some failures may pass unnoticed, as one of giving back does; many in a row are the end.
    for (const auto &fail : {emulated::fail_call, emulated::fail_allocation})
        for (int n = 1, unnoticed = 0; unnoticed < 20; n += kStride) {
            fail(n);
            SCOPED_TRACE(n);
            unnoticed = attempt() == 0 ? unnoticed + kStride : 0;
        }
    std::printf("%d failures\n", failures);
    EXPECT_GT(failures, 400 / kStride);
}

}  // namespace
}  // namespace mdrn::test
