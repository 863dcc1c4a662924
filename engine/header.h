// SPDX-License-Identifier: BSD-2-Clause
// The header of a safetensors file as a tree of JSON values. (nlohmann's own tree allocates in its
// destructor and ends the program where that fails.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mdrn {

struct Json {
    enum class Kind { object, list, string, count, other };  // count: an integer from 0 to 2^64 - 1
    Kind kind = Kind::other;
    std::string name;  // in the object that holds this value
    std::string text;  // a string's; of what is other, its JSON
    uint64_t count = 0;
    std::vector<Json> children;  // an object's or a list's, in the file's order

    const Json *find(std::string_view name) const;  // null where this has no such child
};

// Of text that is one JSON object, without duplicate names, nested no deeper than a header is.
// Throws Error(MDRN_ERROR_MODEL).
Json parse_header(std::span<const std::byte> text, const std::string &origin);

// A value or a string as it may stand in a message: as JSON, not too long.
std::string shown(const Json &value);
std::string quoted(const std::string &text);

// "<origin>: expected <expected>, found <found>"
[[noreturn]] void reject_file(const std::string &origin, const std::string &expected,
                              const std::string &found);

}  // namespace mdrn
