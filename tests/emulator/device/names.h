// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>

namespace emulated {

// As it stands in the source, or "a kernel".
std::string name_of(const void *function);

}  // namespace emulated
