// SPDX-License-Identifier: BSD-2-Clause
#include "network/initialise.h"

#include <ATen/CPUGeneratorImpl.h>

#include <stdexcept>

#include "network/forward.h"

namespace mdrn::training {
namespace {

constexpr double kDamped = 0.1;

// torch.nn.Conv2d's reset_parameters(): a layer's bias has the bound of its weight.
void initialise_pytorch(Network &network, uint64_t seed) {
    at::Generator generator = at::detail::createCPUGenerator(seed);
    double bound = 0;
    for (auto &[name, tensor] : network.named_parameters()) {
        if (name.ends_with(".weight"))
            bound = 1 / std::sqrt(static_cast<double>(tensor[0].numel()));
        const torch::Tensor drawn = torch::empty(tensor.sizes(), torch::kFloat);
        tensor.copy_(drawn.uniform_(-bound, bound, generator));
    }
}

// (9, s²): of each subpixel the taps, row after row, for the pixels around that of a colour.
torch::Tensor fit_taps(const Crops &crops, int scale) {
    torch::Tensor products = torch::zeros({9, 9}, torch::kDouble);
    torch::Tensor targets = torch::zeros({9, scale * scale}, torch::kDouble);
    for (int64_t i = 0; i < crops.lq.size(0); i++) {
        const torch::Tensor shift = colour_mean(torch::kDouble);  // (1, 3, 1, 1)
        const torch::Tensor lq = crops.lq.narrow(0, i, 1).to(torch::kCPU, torch::kDouble) - shift;
        const torch::Tensor gt = crops.gt.narrow(0, i, 1).to(torch::kCPU, torch::kDouble) - shift;
        const torch::Tensor windows = lq.unfold(2, 3, 1).unfold(3, 3, 1).reshape({-1, 9});
        const torch::Tensor subpixels = gt.unfold(2, scale, scale).unfold(3, scale, scale);
        const int64_t height = lq.size(2) - 2, width = lq.size(3) - 2;
        const torch::Tensor inside = subpixels.narrow(2, 1, height).narrow(3, 1, width);
        products += windows.t().mm(windows);
        targets += windows.t().mm(inside.reshape({-1, scale * scale}));
    }
    // Flat crops leave taps undecided; a trace of a ridge then shares them out evenly.
    products += torch::eye(9, torch::kDouble) * (1e-9 * products.trace() + 1e-12);
    return torch::linalg_solve(products, targets);
}

void check(const Crops &crops, int scale) {
    const auto &lq = crops.lq, &gt = crops.gt;
    if (lq.dim() != 4 || gt.dim() != 4 || lq.size(0) < 1 || lq.size(1) != 3 || lq.size(2) < 3 ||
        lq.size(3) < 3 || gt.size(0) != lq.size(0) || gt.size(1) != 3 ||
        gt.size(2) != scale * lq.size(2) || gt.size(3) != scale * lq.size(3))
        throw std::runtime_error("init interpolator: crops for scale " + std::to_string(scale) +
                                 " are not (N, 3, h, w) and (N, 3, " + std::to_string(scale) +
                                 "h, " + std::to_string(scale) + "w), h and w at least 3");
}

void interpolate(const torch::Tensor &weight, const torch::Tensor &bias, const Crops &crops,
                 int scale) {
    check(crops, scale);
    const int64_t subpixels = int64_t{scale} * scale;
    torch::Tensor taps = weight;  // (3s², C, 3, 3)
    taps.mul_(kDamped).narrow(1, 0, 3).zero_();
    torch::Tensor(bias).zero_();
    const torch::Tensor fitted = fit_taps(crops, scale).t().reshape({subpixels, 3, 3});
    for (int64_t colour = 0; colour < 3; colour++)
        taps.narrow(0, colour * subpixels, subpixels).select(1, colour).copy_(fitted);
}

void pass_colours(const Network &network) {
    for (auto &[name, parameter] : network.named_parameters()) {
        torch::Tensor tensor = parameter;
        if (name.find(".c5.") != std::string::npos) tensor.mul_(kDamped);
        if (name.find(".cca.body.3.") != std::string::npos) tensor.zero_();
        if (name.starts_with("c2.dw.")) tensor.mul_(kDamped).narrow(0, 0, 3).zero_();
        if (name.starts_with("fea_conv.")) tensor.narrow(0, 0, 3).zero_();
        if (name == "fea_conv.weight")
            for (int colour = 0; colour < 3; colour++) tensor[colour][colour][1][1] = 1;
    }
}

}  // namespace

void initialise(Network &network, Init init, uint64_t seed, const std::map<int, Crops> &crops) {
    const torch::NoGradGuard guard;
    initialise_pytorch(network, seed);
    if (init == Init::pytorch) return;
    pass_colours(network);
    for (int scale : network.scales()) {
        const auto own = crops.find(scale);
        if (own == crops.end())
            throw std::runtime_error("init interpolator: no crops for scale " +
                                     std::to_string(scale));
        const auto tensors = network.tensors(scale);
        interpolate(tensors.at("upsampler.upsampleOneStep.0.weight"),
                    tensors.at("upsampler.upsampleOneStep.0.bias"), own->second, scale);
    }
}

}  // namespace mdrn::training
