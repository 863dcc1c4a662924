// SPDX-License-Identifier: BSD-2-Clause
// Weights in memory, and as .safetensors files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace mdrn::training {

struct Tensor {
    std::vector<int64_t> shape;
    std::vector<float> values;  // row-major, as many as the shape's product

    bool operator==(const Tensor &) const = default;
};

struct Weights {
    std::map<std::string, Tensor> tensors;  // by the published checkpoints' names
    std::map<std::string, std::string> metadata;

    bool operator==(const Weights &) const = default;
};

// Weights files of all kinds are no larger.
inline constexpr uint64_t kWeightsLimit = 256 << 20;  // bytes

// F32, F16 or BF16, all finite. Throws mdrn::Error that says what is wrong and where.
Weights read_safetensors(const std::filesystem::path &path);

// F32, in the order of the names; the same weights give the same bytes. Written as
// write_atomically() writes. Throws std::runtime_error.
void write_safetensors(const std::filesystem::path &path, const Weights &weights);
void write_safetensors(std::ostream &stream, const Weights &weights);

}  // namespace mdrn::training
