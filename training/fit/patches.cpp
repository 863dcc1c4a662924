// SPDX-License-Identifier: BSD-2-Clause
#include "fit/patches.h"

namespace mdrn::training {

torch::Tensor to_tensor(const std::vector<uint8_t> &rgb, int64_t count, int64_t height,
                        int64_t width, const torch::Device &device) {
    auto *bytes = const_cast<uint8_t *>(rgb.data());
    torch::Tensor patches = torch::from_blob(bytes, {count, height, width, 3}, torch::kUInt8);
    return patches.to(device).permute({0, 3, 1, 2}).to(torch::kFloat).div_(255);
}

Picture to_picture(const torch::Tensor &tensor) {
    torch::Tensor bytes = tensor.mul(255).round().clamp(0, 255).to(torch::kUInt8);
    bytes = bytes.permute({0, 2, 3, 1}).to(torch::kCPU).contiguous();  // (1, height, width, 3)
    const uint8_t *first = bytes.data_ptr<uint8_t>();
    return {int(bytes.size(2)), int(bytes.size(1)), {first, first + bytes.numel()}};
}

}  // namespace mdrn::training
