// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <filesystem>
#include <string>
#include <unordered_set>

namespace mdrn::training {

// What long work has done, a line each, so that it goes on after it was stopped. For one thread at
// a time. All throw std::runtime_error that names the file.
class Journal {
public:
    // heading: what the work is; an existing journal of other work is an error that says both.
    Journal(const std::filesystem::path &path, const std::string &heading);
    ~Journal();
    Journal(const Journal &) = delete;

    bool has(const std::string &line) const { return lines_.count(line) != 0; }
    void add(const std::string &line);  // on the disk when it returns

private:
    std::filesystem::path path_;
    int descriptor_ = -1;
    std::unordered_set<std::string> lines_;
};

}  // namespace mdrn::training
