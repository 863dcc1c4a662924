// SPDX-License-Identifier: BSD-2-Clause
// Where training begins.
#include "network/initialise.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "data/picture.h"
#include "quality/quality.h"

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(MDRN_REFERENCE_DIR) / "data/eval";

torch::Tensor tensor_of(const Picture &picture) {
    return torch::tensor(picture.rgb)
               .view({1, picture.height, picture.width, 3})
               .permute({0, 3, 1, 2}) /
           255.0F;
}

Picture picture_of(const torch::Tensor &chw) {
    const torch::Tensor rgb =
        (chw[0].permute({1, 2, 0}) * 255).round().clamp(0, 255).to(torch::kByte).contiguous();
    Picture picture = blank(static_cast<int>(rgb.size(1)), static_cast<int>(rgb.size(0)));
    std::copy_n(rgb.data_ptr<uint8_t>(), rgb.numel(), picture.rgb.begin());
    return picture;
}

fs::path lq_folder(const std::string &set, int scale) {
    return kData / set / ("LRbicx" + std::to_string(scale));
}

// Pictures that Set5 has none of.
Crops crops_of_set14(int scale) {
    Crops crops;
    for (const char *name : {"baboon.png", "barbara.png", "lenna.png", "pepper.png"}) {
        if (!fs::exists(lq_folder("Set14", scale) / name)) continue;
        const Picture lq = read_picture(lq_folder("Set14", scale) / name);
        const Picture gt = read_picture(kData / "Set14/HR" / name);
        const torch::Tensor lq_crop = tensor_of(crop(lq, 10, 10, 96, 96));
        const torch::Tensor gt_crop =
            tensor_of(crop(gt, 10 * scale, 10 * scale, 96 * scale, 96 * scale));
        crops.lq = crops.lq.defined() ? torch::cat({crops.lq, lq_crop}) : lq_crop;
        crops.gt = crops.gt.defined() ? torch::cat({crops.gt, gt_crop}) : gt_crop;
    }
    return crops;
}

double psnr(const torch::Tensor &result, const Picture &original, int scale) {
    return measure(picture_of(result), original, scale).psnr;
}

TEST(Initialise, TheInterpolatorIsAtLeastAsGoodAsBilinearOnSet5) {
    if (!fs::exists(kData / "Set5")) GTEST_SKIP() << "no Set5: set MDRN_REFERENCE_DIR";
    const torch::NoGradGuard guard;
    for (const char *name : {"mdrn", "mdrn-s"}) {
        Network network(architecture(name, 2), {2, 3, 4});
        initialise(network, Init::interpolator, 1,
                   {{2, crops_of_set14(2)}, {3, crops_of_set14(3)}, {4, crops_of_set14(4)}});
        for (int scale : network.scales()) {
            double ours = 0, bilinear = 0;
            for (const auto &entry : fs::directory_iterator(lq_folder("Set5", scale))) {
                const torch::Tensor lq = tensor_of(read_picture(entry.path()));
                const Picture gt = read_picture(kData / "Set5/HR" / entry.path().filename());
                ours += psnr(network.forward(lq, scale), gt, scale) / 5;
                bilinear += psnr(torch::upsample_bilinear2d(
                                     lq, {lq.size(2) * scale, lq.size(3) * scale}, false),
                                 gt, scale) /
                            5;
            }
            std::cout << name << " x" << scale << ": " << ours << " dB, bilinear " << bilinear
                      << " dB\n";
            EXPECT_GE(ours, bilinear);
        }
    }
}

TEST(Initialise, TheInterpolatorFindsAFilterThatMadeTheData) {
    const torch::Tensor kernel = torch::rand({4, 1, 3, 3}).repeat({3, 1, 1, 1});
    const torch::Tensor mean = torch::tensor({0.4488, 0.4371, 0.4040}).view({1, 3, 1, 1});
    Crops crops{torch::rand({3, 3, 14, 11}), {}};
    crops.gt =
        torch::pixel_shuffle(
            torch::conv2d(crops.lq - mean, kernel, {}, 1, std::vector<int64_t>{1, 1}, 1, 3), 2) +
        mean;
    Network network(architecture("mdrn-s", 2), {2});
    initialise(network, Init::interpolator, 1, {{2, crops}});
    const torch::Tensor taps = network.tensors(2).at("upsampler.upsampleOneStep.0.weight");
    for (int row = 0; row < 12; row++)
        for (int channel = 0; channel < 3; channel++) {
            const torch::Tensor expected =
                channel == row / 4 ? kernel[row][0] : torch::zeros({3, 3});
            EXPECT_LE((taps[row][channel] - expected).abs().max().item<float>(), 1e-4);
        }
}

TEST(Initialise, FlatCropsGiveFiniteTaps) {
    Network network(architecture("mdrn-s", 2), {2});
    const Crops flat{torch::full({1, 3, 8, 8}, 0.5), torch::full({1, 3, 16, 16}, 0.5)};
    initialise(network, Init::interpolator, 1, {{2, flat}});
    const torch::NoGradGuard guard;
    const torch::Tensor out = network.forward(torch::full({1, 3, 20, 20}, 0.5), 2);
    EXPECT_LE((out - 0.5).narrow(2, 4, 32).narrow(3, 4, 32).abs().max().item<float>(), 0.05);
}

TEST(Initialise, IsAFunctionOfTheSeed) {
    Network a(architecture("mdrn-s", 2), {2}), b(architecture("mdrn-s", 2), {2}),
        other(architecture("mdrn-s", 2), {2});
    initialise(a, Init::pytorch, 5);
    torch::rand({17});
    initialise(b, Init::pytorch, 5);
    initialise(other, Init::pytorch, 6);
    for (size_t i = 0; i < a.parameters().size(); i++) {
        EXPECT_TRUE(torch::equal(a.parameters()[i], b.parameters()[i]));
        EXPECT_FALSE(torch::equal(a.parameters()[i], other.parameters()[i]));
    }
}

TEST(Initialise, PyTorchsBounds) {
    Network network(architecture("mdrn", 2), {2});
    initialise(network, Init::pytorch, 1);
    const auto tensors = network.tensors(2);
    const auto expect = [&](const char *name, double bound) {
        const double largest = tensors.at(name).abs().max().item<double>();
        EXPECT_LE(largest, bound) << name;
        EXPECT_GE(largest, 0.8 * bound) << name;
    };
    expect("fea_conv.weight", 1 / std::sqrt(27.0));
    expect("fea_conv.bias", 1 / std::sqrt(27.0));
    expect("B3.c1_r.pw.weight", 1 / std::sqrt(56.0));
    expect("B3.c1_r.dw.bias", 1 / 3.0);
    expect("c1.weight", 1 / std::sqrt(448.0));
}

TEST(Initialise, WithoutCropsTheInterpolatorSaysSo) {
    Network network(architecture("mdrn-s", 2), {2, 3});
    const Crops crops{torch::rand({1, 3, 8, 8}), torch::rand({1, 3, 16, 16})};
    EXPECT_THROW(initialise(network, Init::interpolator, 1, {{2, crops}}), std::runtime_error);
    EXPECT_THROW(initialise(network, Init::interpolator, 1, {{2, crops}, {3, crops}}),
                 std::runtime_error);
}

}  // namespace
}  // namespace mdrn::training
