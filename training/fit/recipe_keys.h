// SPDX-License-Identifier: BSD-2-Clause
// The keys of a recipe: names, types, ranges, and where each goes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fit/recipe.h"

namespace mdrn::training {

// A value as it was written, and where.
struct Value {
    std::vector<std::string> texts;
    bool list = false;
    std::string where;  // "x4.yml, line 12" or "command line"
};

struct Key {
    std::string name;  // full; N stands for a phase's index
    // Writes the value, to phase N where the key has one. Throws std::runtime_error that says what
    // the value should have been, but not which key's or where.
    std::function<void(Recipe &, size_t phase, const Value &)> set;
};

// In the order in which short names are looked for.
const std::vector<Key> &recipe_keys();

// True for BasicSR's keys that have no meaning here.
bool ignored_key(const std::string &name);

}  // namespace mdrn::training
