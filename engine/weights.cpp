// SPDX-License-Identifier: BSD-2-Clause
#include "weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "error.h"
#include "header.h"

namespace mdrn {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kHeaderLimit = 16 << 20;
constexpr size_t kRankLimit = 8;

struct Range {
    uint64_t begin, end;
    std::string name;
    auto operator<=>(const Range &) const = default;
};

std::string bytes(uint64_t count) {
    return std::to_string(count) + " bytes";
}

uint64_t header_length(std::span<const std::byte> file, const std::string &origin) {
    if (file.size() < kLengthBytes)
        reject_file(origin, "a safetensors file of at least " + bytes(kLengthBytes),
                    bytes(file.size()) + " (truncated)");
    uint64_t length = 0;
    for (size_t i = 0; i < kLengthBytes; i++) length |= std::to_integer<uint64_t>(file[i]) << 8 * i;
    if (length > kHeaderLimit)
        reject_file(origin, "a safetensors header of at most " + bytes(kHeaderLimit),
                    bytes(length) + " (header too long, or not a safetensors file)");
    if (length > file.size() - kLengthBytes)
        reject_file(origin, "a header of " + bytes(length),
                    bytes(file.size() - kLengthBytes) + " (truncated)");
    return length;
}

DType dtype_of(const Json &entry, const std::string &name, const std::string &origin) {
    const Json *found = entry.find("dtype");
    const std::string dtype = found && found->kind == Json::Kind::string ? found->text : "";
    if (dtype == "F32") return DType::F32;
    if (dtype == "F16") return DType::F16;
    if (dtype == "BF16") return DType::BF16;
    reject_tensor(origin, name, "dtype F32, F16 or BF16", found ? shown(*found) : "none");
}

// A list of counts, as "shape" and "data_offsets" are.
std::vector<uint64_t> counts_of(const Json &entry, const char *key, const std::string &name,
                                const std::string &origin) {
    const Json *list = entry.find(key);
    const std::string expected = std::string(key) + " as a list of non-negative integers";
    if (!list) reject_tensor(origin, name, expected, "none");
    std::vector<uint64_t> counts;
    for (const Json &child : list->children)
        if (child.kind == Json::Kind::count && child.count <= INT64_MAX)
            counts.push_back(child.count);
    if (list->kind != Json::Kind::list || counts.size() != list->children.size())
        reject_tensor(origin, name, expected, shown(*list));
    return counts;
}

uint64_t size_of(DType dtype) {
    return dtype == DType::F32 ? 4 : 2;
}

// Of shape x dtype, in bytes; more than limit counts as limit + 1.
uint64_t size_of(const std::vector<uint64_t> &shape, DType dtype, uint64_t limit) {
    if (std::ranges::count(shape, 0u)) return 0;
    uint64_t size = size_of(dtype);
    for (uint64_t side : shape) {
        if (side > limit / size) return limit + 1;
        size *= side;
    }
    return size;
}

StoredTensor parse_tensor(const Json &entry, const std::string &name,
                          std::span<const std::byte> data, const std::string &origin,
                          std::vector<Range> &ranges) {
    if (entry.kind != Json::Kind::object)
        reject_tensor(origin, name, "an object with dtype, shape and data_offsets", shown(entry));
    const DType dtype = dtype_of(entry, name, origin);
    const auto shape = counts_of(entry, "shape", name, origin);
    const auto offsets = counts_of(entry, "data_offsets", name, origin);
    if (shape.size() > kRankLimit)
        reject_tensor(origin, name, "at most " + std::to_string(kRankLimit) + " dimensions",
                      std::to_string(shape.size()));
    if (offsets.size() != 2 || offsets[0] > offsets[1])
        reject_tensor(origin, name, "data_offsets [begin, end]",
                      shown(*entry.find("data_offsets")));
    if (offsets[1] > data.size())
        reject_tensor(origin, name, "data_offsets within the " + bytes(data.size()) + " of data",
                      shown(*entry.find("data_offsets")) + " (past the end: truncated?)");
    const uint64_t size = size_of(shape, dtype, data.size());
    if (offsets[1] - offsets[0] != size)
        reject_tensor(origin, name,
                      (size > data.size() ? "more bytes than the file has" : bytes(size)) +
                          " for shape " + shown(*entry.find("shape")) + " of " +
                          shown(*entry.find("dtype")),
                      bytes(offsets[1] - offsets[0]));
    ranges.push_back({offsets[0], offsets[1], name});
    return {dtype, {shape.begin(), shape.end()}, data.subspan(offsets[0], size)};
}

void check_ranges(std::vector<Range> ranges, uint64_t size, const std::string &origin) {
    std::ranges::sort(ranges);
    uint64_t end = 0;
    for (const Range &range : ranges) {
        if (range.begin != end)
            reject_tensor(
                origin, range.name, "data from byte " + std::to_string(end) + " on",
                std::to_string(range.begin) + (range.begin < end ? " (overlap)" : " (gap)"));
        end = range.end;
    }
    if (end != size)
        reject_file(origin, bytes(end) + " of data", bytes(size) + " (trailing bytes)");
}

std::map<std::string, std::string> parse_metadata(const Json &metadata, const std::string &origin) {
    std::map<std::string, std::string> strings;
    for (const Json &child : metadata.children)
        if (child.kind == Json::Kind::string) strings.emplace(child.name, child.text);
    if (metadata.kind != Json::Kind::object || strings.size() != metadata.children.size())
        reject_file(origin, "__metadata__ as an object of strings", shown(metadata));
    return strings;
}

float half_to_float(uint16_t half) {
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const float sign = half & 0x8000 ? -1.f : 1.f;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? std::ldexp(1024.f + static_cast<float>(fraction), exponent - 25)
                            : std::ldexp(static_cast<float>(fraction), -24));
}

float value_at(const StoredTensor &tensor, size_t index) {
    const size_t size = size_of(tensor.dtype);
    uint32_t bits = 0;
    for (size_t i = 0; i < size; i++)
        bits |= std::to_integer<uint32_t>(tensor.data[index * size + i]) << 8 * i;
    switch (tensor.dtype) {
        case DType::F16:
            return half_to_float(static_cast<uint16_t>(bits));
        case DType::BF16:
            return std::bit_cast<float>(bits << 16);
        default:
            return std::bit_cast<float>(bits);
    }
}

}  // namespace

WeightsFile parse_weights(std::span<const std::byte> file, const std::string &origin) {
    const uint64_t length = header_length(file, origin);
    const Json header = parse_header(file.subspan(kLengthBytes, length), origin);
    const auto data = file.subspan(kLengthBytes + length);

    WeightsFile weights;
    std::vector<Range> ranges;
    for (const Json &entry : header.children) {
        if (entry.name == "__metadata__")
            weights.metadata = parse_metadata(entry, origin);
        else
            weights.tensors.emplace(entry.name,
                                    parse_tensor(entry, entry.name, data, origin, ranges));
    }
    check_ranges(std::move(ranges), data.size(), origin);
    return weights;
}

std::vector<float> to_float(const StoredTensor &tensor, const std::string &name,
                            const std::string &origin) {
    std::vector<float> values(tensor.data.size() / size_of(tensor.dtype));
    for (size_t i = 0; i < values.size(); i++) {
        values[i] = value_at(tensor, i);
        if (!std::isfinite(values[i]))
            reject_tensor(origin, name, "finite values",
                          std::string(std::isnan(values[i]) ? "NaN" : "infinity") + " at element " +
                              std::to_string(i));
    }
    return values;
}

void reject_tensor(const std::string &origin, const std::string &name, const std::string &expected,
                   const std::string &found) {
    throw Error(MDRN_ERROR_MODEL, origin + ": tensor " + quoted(name) + ": expected " + expected +
                                      ", found " + found);
}

std::string to_string(const std::vector<int64_t> &shape) {
    std::string text = "[";
    for (int64_t side : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(side);
    return text + "]";
}

}  // namespace mdrn
