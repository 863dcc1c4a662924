// SPDX-License-Identifier: BSD-2-Clause
// The safetensors container: names, shapes and bytes, before anyone asks what they mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace mdrn {

enum class DType { F32, F16, BF16 };

struct StoredTensor {
    DType dtype;
    std::vector<int64_t> shape;
    std::span<const std::byte> data;  // within the parsed file
};

struct WeightsFile {
    std::map<std::string, StoredTensor> tensors;
    std::map<std::string, std::string> metadata;
};

// Every promise of the format is checked: each byte of data belongs to one tensor, whose shape and
// dtype account for its size. Throws Error(MDRN_ERROR_MODEL).
WeightsFile parse_weights(std::span<const std::byte> file, const std::string &origin);

// Exact; throws Error(MDRN_ERROR_MODEL) at the first value that is not finite.
std::vector<float> to_float(const StoredTensor &tensor, const std::string &name,
                            const std::string &origin);

// "<origin>: tensor "<name>": expected <expected>, found <found>"
[[noreturn]] void reject_tensor(const std::string &origin, const std::string &name,
                                const std::string &expected, const std::string &found);

// "[28, 3, 3, 3]"
std::string to_string(const std::vector<int64_t> &shape);

}  // namespace mdrn
