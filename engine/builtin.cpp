// SPDX-License-Identifier: BSD-2-Clause
#include "builtin.h"
namespace mdrn {
std::span<const std::byte> builtin_file(const std::string &, int) {
    return {};
}
}  // namespace mdrn
