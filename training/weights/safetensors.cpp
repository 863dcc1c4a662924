// SPDX-License-Identifier: BSD-2-Clause
#include "weights/safetensors.h"

#include <bit>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "os.h"
#include "weights.h"
#include "weights/atomic.h"

namespace mdrn::training {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

std::string header_of(const Weights &weights) {
    nlohmann::json header = nlohmann::json::object();
    if (!weights.metadata.empty()) header["__metadata__"] = weights.metadata;
    uint64_t offset = 0;
    for (const auto &[name, tensor] : weights.tensors) {
        const uint64_t end = offset + tensor.values.size() * sizeof(float);
        header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
        offset = end;
    }
    try {
        std::string text = header.dump();
        text.append((8 - text.size() % 8) % 8, ' ');  // the data after it is aligned
        return text;
    } catch (const nlohmann::json::type_error &error) {
        throw std::runtime_error(std::string("a tensor's name or the metadata is not UTF-8: ") +
                                 error.what());
    }
}

template <typename T>
void put(std::ostream &stream, const T *values, size_t count) {
    stream.write(reinterpret_cast<const char *>(values),
                 static_cast<std::streamsize>(count * sizeof(T)));
}

}  // namespace

Weights read_safetensors(const std::filesystem::path &path) {
    const std::vector<std::byte> bytes = read_file(path, kWeightsLimit);
    WeightsFile file = parse_weights(bytes, path);
    Weights weights;
    for (const auto &[name, tensor] : file.tensors)
        weights.tensors[name] = {tensor.shape, to_float(tensor, name, path)};
    weights.metadata = std::move(file.metadata);
    return weights;
}

void write_safetensors(const std::filesystem::path &path, const Weights &weights) {
    write_atomically(path, [&](std::ostream &stream) { write_safetensors(stream, weights); });
}

void write_safetensors(std::ostream &stream, const Weights &weights) {
    const std::string header = header_of(weights);
    const uint64_t length = header.size();
    put(stream, &length, 1);
    put(stream, header.data(), header.size());
    for (const auto &[name, tensor] : weights.tensors)
        put(stream, tensor.values.data(), tensor.values.size());
}

}  // namespace mdrn::training
