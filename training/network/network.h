// SPDX-License-Identifier: BSD-2-Clause
// The network, trainable: any Architecture, one body for one or several scales.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fit/libtorch.h"
#include "model/architecture.h"
#include "weights/safetensors.h"

namespace mdrn::training {

// Its tensors are leaves that need a gradient, float32 on the CPU at first. A copy shares them.
// Not thread safe.
class Network {
public:
    // One body, and for each of scales an upsampler of its own; architecture.scale is not used.
    // All tensors are zero until load() or initialise(). Throws std::runtime_error for no scale,
    // one that is named twice, or one that there is not.
    Network(const Architecture &architecture, const std::vector<int> &scales);

    const Architecture &architecture() const { return architecture_; }
    const std::vector<int> &scales() const { return scales_; }

    // x: (N, 3, H, W) in [0, 1], any strides -> (N, 3, sH, sW), not clipped. Throws
    // std::runtime_error for another shape, frames below smallest_side() and a scale it has not.
    torch::Tensor forward(const torch::Tensor &x, int scale) const;

    // All that is trained, in a fixed order. Names are the published ones, upsamplers' with the
    // scale in front: "x2.upsampler.upsampleOneStep.0.weight".
    std::vector<std::pair<std::string, torch::Tensor>> named_parameters() const;
    std::vector<torch::Tensor> parameters() const;

    // The tensors of one scale's own model, under its published names.
    std::map<std::string, torch::Tensor> tensors(int scale) const;

    // The body, and the upsampler if its scale is one of scales(); other upsamplers stay. Throws
    // std::runtime_error that names the tensor that is missing, one too many or of another shape;
    // nothing is changed then.
    void load(const Weights &weights);

    // A copy, float32, without metadata.
    Weights weights(int scale) const;

    // Moves the tensors; optimisers made before hold the old ones.
    void to(const torch::Device &device);
    void to(torch::ScalarType type);

private:
    const torch::Tensor &at(const std::string &published, int scale) const;

    Architecture architecture_;
    std::vector<int> scales_;
    std::vector<std::pair<std::string, torch::Tensor>> parameters_;
    std::map<std::string, size_t> index_;  // of a name in parameters_
};

}  // namespace mdrn::training
