// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "source.h"

namespace mdrn::training {

// Decoded pictures in memory, up to a limit. Every picture comes once before any comes again, so
// none is thrown out for another: that would keep nothing long enough. From any number of threads.
class Cache {
public:
    explicit Cache(size_t most_bytes) : most_(most_bytes) {}

    // As read(source), null for its nothing.
    std::shared_ptr<const Picture> get(const Source &source);
    size_t bytes() const;

private:
    const size_t most_;
    size_t bytes_ = 0;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, std::shared_ptr<const Picture>> pictures_;  // by Source::text()
};

}  // namespace mdrn::training
