// SPDX-License-Identifier: BSD-2-Clause
// mdrn_settings.cuda_path, and the self-test behind its "auto", on the emulated device.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "api.h"
#include "emulator/control.h"

namespace mdrn::test {
namespace {

// What a device has shown is remembered for as long as the process lives, so each test has a model
// of its own kind where that matters.
class CudaPath : public testing::Test {
protected:
    void SetUp() override {
        setenv("MDRN_CUDA_LIBRARY", EMULATED_FOLDER "/libmdrn_cuda.so", 1);
        emulated::reset();
        emulated::set_twice(false);
        settings.device = MDRN_DEVICE_CUDA;
        settings.log_opaque = &warnings;
        settings.log = [](void *opaque, mdrn_log_level level, const char *message) {
            if (level == MDRN_LOG_WARNING)
                static_cast<std::vector<std::string> *>(opaque)->emplace_back(message);
        };
    }
    void TearDown() override {
        emulated::set_matrix_error(0);
        for (const std::string &fault : emulated::take_faults()) ADD_FAILURE() << fault;
        EXPECT_EQ(emulated::bytes_in_use(), 0U);
        emulated::reset();
    }
    std::vector<float> enlarged(int times = 1) {
        const Context context = open(settings);
        const FloatPicture in(24, 18);
        FloatPicture out(48, 36);
        for (int i = 0; i < times; ++i) {
            std::fill(out.values.begin(), out.values.end(), -1.0F);
            EXPECT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
        }
        return out.values;
    }
    std::vector<float> enlarged_by(mdrn_cuda_path path) {
        settings.cuda_path = path;
        return enlarged();
    }
    std::string open_error(int code) {
        mdrn_context *context = nullptr;
        EXPECT_EQ(mdrn_open(&context, &settings), code);
        mdrn_close(&context);
        return mdrn_last_error();
    }
    mdrn_settings settings = small_settings();
    std::vector<std::string> warnings;
};

TEST_F(CudaPath, AutoIsTheFusedOneOfADeviceThatComputesRight) {
    const std::vector<float> fused = enlarged_by(MDRN_CUDA_PATH_FUSED);
    EXPECT_NE(fused, enlarged_by(MDRN_CUDA_PATH_CUDNN));
    EXPECT_EQ(fused, enlarged_by(MDRN_CUDA_PATH_AUTO));
    EXPECT_EQ(fused, enlarged(4)) << "recorded, then repeated";
    EXPECT_TRUE(warnings.empty()) << warnings[0];
}

TEST_F(CudaPath, ADeviceThatComputesWrongGetsCudnnsAndAWarning) {
    if (!emulated::kEmulated) GTEST_SKIP() << "this needs the emulated device";
    settings.model = "mdrn";
    emulated::set_matrix_error(0.01F);
    const std::vector<float> right = enlarged_by(MDRN_CUDA_PATH_CUDNN);
    EXPECT_TRUE(warnings.empty());
    EXPECT_EQ(enlarged_by(MDRN_CUDA_PATH_AUTO), right);
    ASSERT_EQ(warnings.size(), 1U);
    for (const char *part :
         {"Emulated device", "compute capability 7.5", "driver for CUDA", "report"})
        EXPECT_NE(warnings[0].find(part), std::string::npos) << warnings[0];
    EXPECT_NE(enlarged_by(MDRN_CUDA_PATH_FUSED), right) << "who asks for it gets it";
}

TEST_F(CudaPath, SaysWhereThereIsNoFusedOne) {
    settings.cuda_path = MDRN_CUDA_PATH_FUSED;
    settings.precision = MDRN_PRECISION_FP32;
    EXPECT_NE(open_error(MDRN_ERROR_UNSUPPORTED).find("precision"), std::string::npos)
        << mdrn_last_error();
    settings.cuda_path = MDRN_CUDA_PATH_AUTO;
    open(settings);
    settings.cuda_path = static_cast<mdrn_cuda_path>(3);
    EXPECT_NE(open_error(MDRN_ERROR_INVALID_ARGUMENT).find("cuda_path 3"), std::string::npos)
        << mdrn_last_error();
}

}  // namespace
}  // namespace mdrn::test
