// SPDX-License-Identifier: BSD-2-Clause
#include "fit/validation.h"

#include <algorithm>
#include <stdexcept>

#include "data/bicubic.h"
#include "fit/patches.h"
#include "quality/quality.h"

namespace mdrn::training {
namespace {

constexpr size_t kStrips = 6;
constexpr int kStripSide = 64;  // pixels of LR

Strip strip_of(const std::string &name, int scale, const Pair &pair, const Picture &ours,
               double psnr) {
    const Picture &lr = pair.lq;
    int width = std::min(kStripSide, lr.width), height = std::min(kStripSide, lr.height);
    int x = (lr.width - width) / 2, y = (lr.height - height) / 2;
    auto part = [&](const Picture &picture) {
        return crop(picture, scale * x, scale * y, scale * width, scale * height);
    };
    Picture bicubic = enlarge(lr, scale);
    return {name,       scale,         crop(lr, x, y, width, height),         part(bicubic),
            part(ours), part(pair.gt), measure(bicubic, pair.gt, scale).psnr, psnr};
}

}  // namespace

double Validated::mean() const {
    double sum = 0;
    for (auto &[scale, value] : psnr) sum += value;
    return sum / double(psnr.size());
}

Validated validate(const Network &network, const Recipe &recipe, const Listing &pictures) {
    torch::NoGradGuard guard;
    torch::Device device = network.parameters().at(0).device();
    Validated validated;
    for (int scale : recipe.scales) {
        double sum = 0;
        size_t count = 0;
        for (auto &item : pictures.items) {
            std::optional<Pair> pair = read_pair(item, scale);
            if (!pair) continue;
            const Picture &lq = pair->lq;
            Picture ours = to_picture(
                network.forward(to_tensor(lq.rgb, 1, lq.height, lq.width, device), scale));
            double psnr = measure(ours, pair->gt, scale).psnr;
            sum += psnr;
            if (count++ < kStrips / recipe.scales.size())
                validated.strips.push_back(strip_of(item.name, scale, *pair, ours, psnr));
        }
        if (!count)
            throw std::runtime_error("datasets.val has no pictures for x" + std::to_string(scale));
        validated.psnr[scale] = sum / double(count);
    }
    return validated;
}

}  // namespace mdrn::training
