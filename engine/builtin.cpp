// SPDX-License-Identifier: BSD-2-Clause
#include "builtin.h"

#include <algorithm>

extern "C" {
#define BUNDLED(symbol) \
    __attribute__((visibility("hidden"))) extern const std::byte symbol[], symbol##_end[]
BUNDLED(mdrn_builtin_x2);
BUNDLED(mdrn_builtin_x3);
BUNDLED(mdrn_builtin_x4);
BUNDLED(mdrn_builtin_s_x2);
BUNDLED(mdrn_builtin_s_x3);
BUNDLED(mdrn_builtin_s_x4);
#undef BUNDLED
}

namespace mdrn {
namespace {

struct Builtin {
    const char *name;
    int scale;
    const std::byte *begin, *end;
};

constexpr Builtin kBuiltins[] = {
    {"mdrn", 2, mdrn_builtin_x2, mdrn_builtin_x2_end},
    {"mdrn", 3, mdrn_builtin_x3, mdrn_builtin_x3_end},
    {"mdrn", 4, mdrn_builtin_x4, mdrn_builtin_x4_end},
    {"mdrn-s", 2, mdrn_builtin_s_x2, mdrn_builtin_s_x2_end},
    {"mdrn-s", 3, mdrn_builtin_s_x3, mdrn_builtin_s_x3_end},
    {"mdrn-s", 4, mdrn_builtin_s_x4, mdrn_builtin_s_x4_end},
};

}  // namespace

std::span<const std::byte> builtin_file(const std::string &name, int scale) {
    for (const Builtin &builtin : kBuiltins)
        if (name == builtin.name && scale == builtin.scale) return {builtin.begin, builtin.end};
    return {};
}

bool is_builtin(const std::string &name) {
    return std::ranges::any_of(kBuiltins, [&](const Builtin &b) { return name == b.name; });
}

std::string builtin_names() {
    std::string names;
    const char *last = "";
    for (const Builtin &builtin : kBuiltins) {
        if (std::string(last) != builtin.name)
            names += (names.empty() ? "" : ", ") + std::string(builtin.name);
        last = builtin.name;
    }
    return names;
}

}  // namespace mdrn
