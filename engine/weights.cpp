// SPDX-License-Identifier: BSD-2-Clause
#include "weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "error.h"

namespace mdrn {
namespace {

using nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kHeaderLimit = 16 << 20;
constexpr int kDepthLimit = 3;  // header, tensor, shape
constexpr size_t kRankLimit = 8;

struct Range {
    uint64_t begin, end;
    std::string name;
    auto operator<=>(const Range &) const = default;
};

[[noreturn]] void reject_file(const std::string &origin, const std::string &expected,
                              const std::string &found) {
    throw Error(MDRN_ERROR_MODEL, origin + ": expected " + expected + ", found " + found);
}

std::string shortened(std::string text) {
    constexpr size_t kLongest = 160;
    if (text.size() <= kLongest) return text;
    size_t cut = kLongest;
    while ((static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80)  // inside a UTF-8 sequence
        cut--;
    return text.substr(0, cut) + "...";
}

std::string shown(const json &value) {
    return shortened(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

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

json parse_header(std::span<const std::byte> text, const std::string &origin) {
    std::set<std::string> keys[kDepthLimit + 1];
    const auto watch = [&](int depth, json::parse_event_t event, json &value) {
        const bool opens =
            event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
        if (opens && depth >= kDepthLimit)
            reject_file(origin, "a header nested at most " + std::to_string(kDepthLimit) + " deep",
                        "more");
        if (opens) keys[depth + 1].clear();
        if (event == json::parse_event_t::key &&
            !keys[depth].insert(value.get<std::string>()).second)
            throw Error(MDRN_ERROR_MODEL, origin + ": duplicate: expected " + shown(value) +
                                              " once in the header, found it twice");
        return true;
    };
    const auto *begin = reinterpret_cast<const char *>(text.data());
    json header = json::parse(begin, begin + text.size(), watch, false);
    if (header.is_discarded()) reject_file(origin, "a JSON header", "text that is not JSON");
    if (!header.is_object()) reject_file(origin, "a JSON object as header", shown(header));
    return header;
}

DType dtype_of(const json &entry, const std::string &name, const std::string &origin) {
    const auto found = entry.find("dtype");
    if (found != entry.end() && *found == "F32") return DType::F32;
    if (found != entry.end() && *found == "F16") return DType::F16;
    if (found != entry.end() && *found == "BF16") return DType::BF16;
    reject_tensor(origin, name, "dtype F32, F16 or BF16",
                  found == entry.end() ? "none" : shown(*found));
}

// A list of counts, as "shape" and "data_offsets" are. What JSON cannot hold as an unsigned integer
// is none: negative, fractional, beyond 64 bits.
std::vector<uint64_t> counts_of(const json &entry, const char *key, const std::string &name,
                                const std::string &origin) {
    const auto list = entry.find(key);
    const std::string expected = std::string(key) + " as a list of non-negative integers";
    if (list == entry.end()) reject_tensor(origin, name, expected, "none");
    if (!list->is_array() || !std::ranges::all_of(*list, [](const json &count) {
            return count.is_number_unsigned() && count.get<uint64_t>() <= INT64_MAX;
        }))
        reject_tensor(origin, name, expected, shown(*list));
    return list->get<std::vector<uint64_t>>();
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

StoredTensor parse_tensor(const json &entry, const std::string &name,
                          std::span<const std::byte> data, const std::string &origin,
                          std::vector<Range> &ranges) {
    if (!entry.is_object())
        reject_tensor(origin, name, "an object with dtype, shape and data_offsets", shown(entry));
    const DType dtype = dtype_of(entry, name, origin);
    const auto shape = counts_of(entry, "shape", name, origin);
    const auto offsets = counts_of(entry, "data_offsets", name, origin);
    if (shape.size() > kRankLimit)
        reject_tensor(origin, name, "at most " + std::to_string(kRankLimit) + " dimensions",
                      std::to_string(shape.size()));
    if (offsets.size() != 2 || offsets[0] > offsets[1])
        reject_tensor(origin, name, "data_offsets [begin, end]", shown(entry["data_offsets"]));
    if (offsets[1] > data.size())
        reject_tensor(origin, name, "data_offsets within the " + bytes(data.size()) + " of data",
                      shown(entry["data_offsets"]) + " (past the end: truncated?)");
    const uint64_t size = size_of(shape, dtype, data.size());
    if (offsets[1] - offsets[0] != size)
        reject_tensor(origin, name,
                      (size > data.size() ? "more bytes than the file has" : bytes(size)) +
                          " for shape " + shown(entry["shape"]) + " of " + shown(entry["dtype"]),
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

std::map<std::string, std::string> parse_metadata(const json &metadata, const std::string &origin) {
    const auto is_string = [](const json &value) { return value.is_string(); };
    if (!metadata.is_object() || !std::ranges::all_of(metadata, is_string))
        reject_file(origin, "__metadata__ as an object of strings", shown(metadata));
    return metadata.get<std::map<std::string, std::string>>();
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
    const json header = parse_header(file.subspan(kLengthBytes, length), origin);
    const auto data = file.subspan(kLengthBytes + length);

    WeightsFile weights;
    std::vector<Range> ranges;
    for (const auto &[name, entry] : header.items()) {
        if (name == "__metadata__")
            weights.metadata = parse_metadata(entry, origin);
        else
            weights.tensors.emplace(name, parse_tensor(entry, name, data, origin, ranges));
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

std::string quoted(const std::string &name) {
    return shown(json(name));
}

}  // namespace mdrn
