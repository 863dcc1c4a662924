// SPDX-License-Identifier: BSD-2-Clause
// The pickle in a PyTorch checkpoint, read as data: nothing in it is executed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mdrn::training {

// Values refer to each other by index, so that what refers to itself does no harm.
struct Pickle {
    using Index = uint32_t;
    enum class Kind {
        other,     // None, a truth value or a floating-point number
        integer,   // integer
        text,      // text, in UTF-8
        sequence,  // items: a tuple's or a list's
        dict,      // items: key, value, key, value, ...
        global,    // text: "<module> <name>", one of the few that a state dict needs
        storage,   // items[0]: a sequence of "storage", type (a global), name, device, length
        tensor,    // items[0]: a sequence of storage, offset, shape, strides and more
    };
    struct Value {
        Kind kind = Kind::other;
        int64_t integer = 0;
        std::string text;
        std::vector<Index> items;
    };

    std::vector<Value> values;
    Index root = 0;

    // Of a dictionary: its value for a key; null where there is none, or dict is no dictionary.
    const Value *find(const Value &dict, std::string_view key) const;
};

// Of protocol 2, as torch.save() writes it. Throws mdrn::Error at whatever is no part of a state
// dict: "<origin>: expected ..., found ...".
Pickle parse_pickle(std::span<const std::byte> bytes, const std::string &origin);

}  // namespace mdrn::training
