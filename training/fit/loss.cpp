// SPDX-License-Identifier: BSD-2-Clause
#include "fit/loss.h"

namespace mdrn::training {
namespace {

torch::Tensor elements(const Loss &loss, const torch::Tensor &difference) {
    switch (loss.type) {
        case Loss::Type::l1:
            return difference.abs();
        case Loss::Type::mse:
            return difference.square();
        case Loss::Type::charbonnier:
            return (difference.square() + loss.eps).sqrt();
    }
    return difference;
}

}  // namespace

torch::Tensor loss_of(const Loss &loss, const torch::Tensor &output, const torch::Tensor &hr) {
    torch::Tensor mean = elements(loss, output - hr).mean();
    return loss.weight == 1 ? mean : mean * loss.weight;
}

}  // namespace mdrn::training
