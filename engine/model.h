// SPDX-License-Identifier: BSD-2-Clause
// What MDRN is: its layers by their published names, and the weights they are filled with.
// Paper: Mao et al., "Multi-level Dispersion Residual Network for Efficient Image
// Super-Resolution", CVPRW 2023.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace mdrn {

inline constexpr int kBlocks = 8;
inline constexpr int kMostFeatures = 256;

// A convolution's weight (out, in / groups, k, k) and bias (out), row-major float32.
// bias is empty where the layer has none.
struct Conv {
    std::vector<float> weight;
    std::vector<float> bias;
};

// 1x1 without bias, then 3x3 depthwise with bias and reflect padding.
struct BSConv {
    Conv pw;
    Conv dw;
};

struct Mdsa {  // B*.esa.body.0
    Conv conv1, conv_f, conv4;
    std::array<BSConv, 4> conv2;  // [3] feeds the local variance
    std::array<BSConv, 3> conv_max;
    std::array<BSConv, 3> conv3;
};

struct Ecca {        // B*.cca
    Conv body_0;     // 1x1
    Conv conv_du_0;  // 1x1 on the statistics, C -> C / 16
    Conv conv_du_2;  // 1x1 on the statistics, C / 16 -> C
    Conv body_3;     // 3x3 depthwise, zero padding
};

struct Eadb {  // B1 ... B8
    Conv c1_d, c2_d, c3_d;
    BSConv c1_r, c2_r, c3_r, c4;
    Conv c5;
    Mdsa esa;
    Ecca cca;
};

struct Model {
    int features = 0;  // C: 56 in MDRN, 28 in MDRN-S
    int scale = 0;     // s: 2, 3 or 4

    int distilled() const { return features / 2; }   // D
    int dispersion() const { return features / 4; }  // f
    int squeezed() const { return features / 16; }   // inside ECCA

    Conv fea_conv;  // 3x3, zero padding
    std::array<Eadb, kBlocks> blocks;
    Conv c1;  // 1x1, 8C -> C
    BSConv c2;
    Conv upsampler;  // upsampler.upsampleOneStep.0: 3x3, C -> 3s², zero padding

    // Calls visit once for every tensor of this features and scale, in the order of the network.
    using Visitor = std::function<void(const std::string &name, const std::vector<int64_t> &shape,
                                       std::vector<float> &values)>;
    void visit(const Visitor &visitor);

    int64_t parameters();
};

// Reads a .safetensors file held in memory (F32, F16, BF16). origin is its name in messages.
// Throws Error(MDRN_ERROR_MODEL) naming the tensor, what was expected and what was found.
Model parse_model(std::span<const std::byte> file, const std::string &origin);

// name: "mdrn", "mdrn-s", or the path of a .safetensors file. scale: 2, 3, 4, or 0 = the file's
// own (2 for built-in models). Throws Error(MDRN_ERROR_INVALID_ARGUMENT) for a scale that there is
// not, or that contradicts the file; Error(MDRN_ERROR_MODEL) for a file that is missing or damaged.
Model load_model(const std::string &name, int scale);

}  // namespace mdrn
