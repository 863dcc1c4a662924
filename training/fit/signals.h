// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace mdrn::training {

// While this lives, the first SIGINT or SIGTERM is remembered, and the second one ends the program
// as usual. One at a time.
class Signals {
public:
    Signals();
    ~Signals();
    Signals(const Signals &) = delete;

    static bool stop();
};

}  // namespace mdrn::training
