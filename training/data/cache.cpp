// SPDX-License-Identifier: BSD-2-Clause
#include "cache.h"

namespace mdrn::training {

std::shared_ptr<const Picture> Cache::get(const Source &source) {
    const std::string key = source.text();
    {
        const std::lock_guard lock(mutex_);
        if (const auto it = pictures_.find(key); it != pictures_.end()) return it->second;
    }
    std::optional<Picture> read_one = read(source);
    if (!read_one) return nullptr;
    auto picture = std::make_shared<const Picture>(std::move(*read_one));
    const std::lock_guard lock(mutex_);
    if (bytes_ + picture->rgb.size() <= most_ && pictures_.emplace(key, picture).second)
        bytes_ += picture->rgb.size();
    return picture;
}

size_t Cache::bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
}

}  // namespace mdrn::training
