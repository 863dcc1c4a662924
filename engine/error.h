// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <stdexcept>
#include <string>

#include "mdrn.h"

namespace mdrn {

// What goes wrong inside the engine; turned into a code and a message at the C boundary.
class Error : public std::runtime_error {
public:
    Error(mdrn_error code_, const std::string &message)
        : std::runtime_error(message), code(code_) {}
    const mdrn_error code;
};

}  // namespace mdrn
