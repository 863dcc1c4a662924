// SPDX-License-Identifier: BSD-2-Clause
// mdrn-train convert, with PyTorch and ONNX Runtime as judges where they are installed.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "folder.h"
#include "model.h"
#include "program.h"
#include "weights/onnx.h"
#include "weights/pth.h"
#include "weights/recognise.h"

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;
using test::Outcome;
using test::python_with;

const fs::path kModels = fs::path(MDRN_SOURCE_DIR) / "models";
const fs::path kScripts = fs::path(MDRN_SOURCE_DIR) / "tests/training";
const fs::path kReference = fs::path(MDRN_REFERENCE_DIR) / "reference";

Outcome convert(const fs::path &in, const fs::path &out, std::vector<std::string> options = {}) {
    options.insert(options.begin(), {MDRN_TRAIN, "convert", in, out});
    return test::run(options);
}

using Convert = test::Folder;

TEST_F(Convert, ThereAndBack) {
    const fs::path bundled = kModels / "mdrn_x3.safetensors";
    const Outcome there =
        convert(bundled, path / "w.pth", {"--metadata", "license=a b=c", "--params-key", "net"});
    EXPECT_EQ(there.status, 0) << there.output;
    EXPECT_NE(there.output.find("mdrn x3 of 56 features, 521 tensors, 311299 parameters"),
              std::string::npos)
        << there.output;
    const Outcome back = convert(path / "w.pth", path / "w.safetensors", {"--params-key", "net"});
    EXPECT_EQ(back.status, 0) << back.output;
    const Weights weights = read_safetensors(path / "w.safetensors");
    EXPECT_EQ(weights.tensors, read_safetensors(bundled).tensors);
    const std::map<std::string, std::string> metadata = {
        {"architecture", "mdrn"}, {"license", "a b=c"}, {"scale", "3"}};
    EXPECT_EQ(weights.metadata, metadata);
    EXPECT_EQ(load_model(path / "w.safetensors", 0).scale, 3);
}

TEST_F(Convert, SaysWhatIsWrong) {
    const fs::path bundled = kModels / "mdrn-s_x2.safetensors";
    const auto fails = [](const Outcome &outcome, const std::string &words) {
        EXPECT_EQ(outcome.status, 1);
        EXPECT_NE(outcome.output.find(words), std::string::npos) << outcome.output;
    };
    fails(convert(bundled, path / "w.bin"), "expected a name that ends in");
    fails(convert(path / "w.onnx", path / "w.pth"), "only written");
    fails(convert(path / "missing.pth", path / "w.onnx"), "No such file");
    fails(convert(bundled, path / "none" / "w.pth"), "cannot be written");
    fails(convert(bundled, path / "w.pth", {"--metadata", "license"}), "KEY=VALUE");
    fails(convert(bundled, path / "w.pth", {"--architecture", "mdrn"}), "found those of mdrn-s");
    Weights weights = read_safetensors(bundled);
    weights.tensors.erase("B3.c5.bias");
    write_safetensors(path / "less.safetensors", weights);
    fails(convert(path / "less.safetensors", path / "w.pth"), "B3.c5.bias");
    EXPECT_FALSE(fs::exists(path / "w.pth"));
}

Weights zeros(const Architecture &architecture) {
    Weights weights;
    for (const TensorShape &tensor : tensors(architecture)) {
        int64_t count = 1;
        for (const int64_t side : tensor.shape) count *= side;
        weights.tensors[tensor.name] = {tensor.shape, std::vector<float>(count)};
    }
    return weights;
}

TEST_F(Convert, AblationsAreRecognised) {
    for (const std::string &name : architecture_names()) {
        Weights weights = zeros(architecture(name, 2));
        weights.metadata["architecture"] = name;
        EXPECT_EQ(recognise(weights, "").name, name);
        EXPECT_EQ(recognise(weights, "").scale, 2);
    }
    Architecture wide = architecture("mdrn", 3);
    wide.features = 64;
    EXPECT_EQ(recognise(zeros(wide), "").features, 64);
    Weights ecca = zeros(architecture("mdrn", 4));
    EXPECT_EQ(recognise(ecca, "").name, "mdrn");
    EXPECT_THROW(write_onnx(path / "w.onnx", zeros(architecture("mdrn-cca", 4)),
                            architecture("mdrn-cca", 4)),
                 std::runtime_error);
}

TEST_F(Convert, PyTorchReadsWhatIsWritten) {
    const std::string python = python_with("torch");
    if (python.empty()) GTEST_SKIP() << "no Python with torch";
    const fs::path bundled = kModels / "mdrn_x2.safetensors";
    ASSERT_EQ(convert(bundled, path / "w.pth").status, 0);
    const Outcome loaded = test::run({python, kScripts / "load_pth.py", path / "w.pth", bundled});
    EXPECT_EQ(loaded.status, 0) << loaded.output;
    EXPECT_EQ(loaded.output, "521 tensors\n");
}

class Onnx : public test::Folder, public testing::WithParamInterface<std::string> {};

TEST_P(Onnx, EqualsTheGoldens) {
    const std::string python = python_with("onnxruntime");
    if (python.empty()) GTEST_SKIP() << "no Python with onnxruntime";
    const fs::path weights = kReference / "weights" / (GetParam() + ".official.safetensors");
    if (!fs::exists(weights)) GTEST_SKIP() << "no goldens: set MDRN_REFERENCE_DIR";
    const Outcome written = convert(weights, path / "w.onnx");
    if (written.output.find("built without libonnx") != std::string::npos)
        GTEST_SKIP() << "built without libonnx";
    ASSERT_EQ(written.status, 0) << written.output;
    std::vector<std::string> command = {python, kScripts / "run_onnx.py", path / "w.onnx"};
    for (const char *size : {"_15x15", "_37x29", "_64x48"})
        command.push_back(kReference / "golden" / (GetParam() + size + ".safetensors"));
    const Outcome outcome = test::run(command);
    ASSERT_EQ(outcome.status, 0) << outcome.output;
    std::istringstream differences(outcome.output);
    int sizes = 0;
    for (double difference; differences >> difference; ++sizes) EXPECT_LE(difference, 1e-4);
    EXPECT_EQ(sizes, 3) << outcome.output;
}

INSTANTIATE_TEST_SUITE_P(Published, Onnx,
                         testing::Values("mdrn_x2", "mdrn_x3", "mdrn_x4", "mdrn-s_x4"),
                         [](const auto &weights) {
                             std::string name = weights.param;
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

}  // namespace
}  // namespace mdrn::training
