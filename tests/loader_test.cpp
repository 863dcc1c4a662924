// SPDX-License-Identifier: BSD-2-Clause
// How libmdrn finds libmdrn_cuda.so, and what it says of one that is missing, damaged or another's.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "backends.h"
#include "error.h"

namespace mdrn {
namespace {

Error error_with(const std::string &library) {
    setenv("MDRN_CUDA_LIBRARY", library.c_str(), 1);
    try {
        make_cuda_stages(Model(), {}, nullptr);
    } catch (const Error &error) {
        return error;
    }
    return Error(MDRN_ERROR_INTERNAL, "no error");
}

void expect_refused(const std::string &library, const std::string &part) {
    const Error error = error_with(library);
    EXPECT_EQ(error.code, MDRN_ERROR_UNSUPPORTED);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(library), std::string::npos) << error.what();
}

TEST(Loader, SaysWhatIsWrongWithALibrary) {
    expect_refused("/nowhere/libmdrn_cuda.so", "there is no");
    expect_refused("libmdrn_cuda.so", "not an absolute path");
    expect_refused(MDRN_SOURCE_DIR "/README.md", "cannot be opened");
    expect_refused(LIBRARY_FOLDER "/libmdrn.so", "no part of mdrn");
    expect_refused(LIBRARY_FOLDER "/libplugin_old.so", "another build");
    expect_refused(LIBRARY_FOLDER "/libplugin_stranger.so", "another build");
}

TEST(Loader, TellsWhetherThereIsOne) {
    setenv("MDRN_CUDA_LIBRARY", "/nowhere/libmdrn_cuda.so", 1);
    EXPECT_FALSE(cuda_installed());
    setenv("MDRN_CUDA_LIBRARY", LIBRARY_FOLDER "/libplugin_ours.so", 1);
    EXPECT_TRUE(cuda_installed());
}

TEST(Loader, CallsThePluginWhoseErrorsAndWarningsArrive) {
    setenv("MDRN_CUDA_LIBRARY", LIBRARY_FOLDER "/libplugin_ours.so", 1);
    Model model;
    model.features = 56;
    CudaOptions options;
    options.gpu = 3;
    std::string warned;
    try {
        make_cuda_stages(model, options, [&](const std::string &message) { warned = message; });
        FAIL() << "the fake plugin has made stages";
    } catch (const Error &error) {
        EXPECT_EQ(error.code, MDRN_ERROR_DEVICE);
        EXPECT_STREQ(error.what(), "no stages for 56");
    }
    EXPECT_EQ(warned, "made for gpu 3");
}

}  // namespace
}  // namespace mdrn
