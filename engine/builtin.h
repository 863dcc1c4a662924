// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace mdrn {

// The bundled .safetensors file of a model ("mdrn", "mdrn-s") at a scale; empty if there is none.
std::span<const std::byte> builtin_file(const std::string &name, int scale);

bool is_builtin(const std::string &name);

// For messages: "mdrn, mdrn-s".
std::string builtin_names();

}  // namespace mdrn
