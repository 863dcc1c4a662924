// SPDX-License-Identifier: BSD-2-Clause
// Files that are there whole or not at all, whenever the program or the machine stops.
#pragma once

#include <filesystem>
#include <functional>
#include <ostream>

namespace mdrn::training {

// Has write fill a file beside path ("<path>.tmp"), which takes path's place once it is on the
// disk; a link is followed. What was there before stays where anything fails, write's own
// exceptions included, and the file beside it is removed. One writer at a time for each path.
// Throws std::runtime_error that names path.
void write_atomically(const std::filesystem::path &path,
                      const std::function<void(std::ostream &)> &write);

}  // namespace mdrn::training
