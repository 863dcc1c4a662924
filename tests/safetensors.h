// SPDX-License-Identifier: BSD-2-Clause
// Small safetensors files for tests: golden tensors in, damaged and sound weights out.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

struct Tensor {
    std::vector<int64_t> shape;
    std::vector<float> values;
};

// Float32 files only, and trusted ones: what is wrong with them is an exception of some kind.
inline std::map<std::string, Tensor> read_safetensors(const std::string &path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw std::runtime_error(path + ": cannot be opened");
    const std::string file(std::istreambuf_iterator<char>(stream), {});
    uint64_t length = 0;
    if (file.size() < sizeof length) throw std::runtime_error(path + ": too short");
    std::memcpy(&length, file.data(), sizeof length);
    if (length > file.size() - sizeof length) throw std::runtime_error(path + ": header too long");
    const auto header = nlohmann::json::parse(file.substr(sizeof length, length));
    const size_t data = sizeof length + length;

    std::map<std::string, Tensor> tensors;
    for (const auto &[name, entry] : header.items()) {
        if (name == "__metadata__") continue;
        if (entry.at("dtype") != "F32")
            throw std::runtime_error(path + ": " + name + " is not F32");
        Tensor tensor{entry.at("shape"), {}};
        size_t count = 1;
        for (int64_t side : tensor.shape) count *= static_cast<size_t>(side);
        const size_t begin = entry.at("data_offsets").at(0), end = entry.at("data_offsets").at(1);
        if (end > file.size() - data || end - begin != count * sizeof(float))
            throw std::runtime_error(path + ": " + name + " has other data than its shape");
        tensor.values.resize(count);
        if (count)
            std::memcpy(tensor.values.data(), file.data() + data + begin, count * sizeof(float));
        tensors.emplace(name, std::move(tensor));
    }
    return tensors;
}

// A safetensors file from the text of its header and the bytes of its data.
inline std::string join_safetensors(const std::string &header, const std::string &data) {
    const uint64_t length = header.size();
    std::string file(sizeof length, '\0');
    std::memcpy(file.data(), &length, sizeof length);
    return file + header + data;
}
