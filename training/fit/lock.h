// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <filesystem>

namespace mdrn::training {

// Keeps other runs out of a folder as long as this lives, or its process does. Makes the folder
// where there is none. Throws std::runtime_error where another run has it.
class Lock {
public:
    explicit Lock(const std::filesystem::path &folder);
    ~Lock();
    Lock(const Lock &) = delete;
    Lock &operator=(const Lock &) = delete;

private:
    int file_;
};

}  // namespace mdrn::training
