// SPDX-License-Identifier: BSD-2-Clause
// Copies to shared memory that a thread waits for later.
#include <algorithm>
#include <cstring>

#include "device/block.h"
#include "ptx/copy.h"

namespace emulated {

void copy_async(void *shared, const void *device, int bytes) {
    const auto multiple = [&](const void *at) {
        return reinterpret_cast<uintptr_t>(at) % static_cast<unsigned>(bytes) == 0;
    };
    if (!multiple(shared) || !multiple(device) || !block().in_shared(shared, bytes)) {
        block().fail("a copy of " + std::to_string(bytes) +
                     " bytes to what is not shared memory, or misaligned");
        block().stop();
    }
    block().copy(shared, device, bytes);
}

void copy_commit() {
    block().commit();
}

void copy_wait(int under) {
    block().finish_copies(under);
}

void Block::copy(void *to, const void *from, int bytes) {
    Thread &self = threads_[current_];
    if (copies_at_once_)
        std::memcpy(to, from, bytes);
    else
        self.copies.push_back({to, from, bytes, self.groups});
}

void Block::commit() {
    ++threads_[current_].groups;
}

void Block::finish_copies(int under) {
    Thread &self = threads_[current_];
    const auto done = std::find_if(self.copies.begin(), self.copies.end(), [&](const Copy &copy) {
        return copy.group >= self.groups - under;
    });
    for (auto copy = self.copies.begin(); copy != done; ++copy)
        std::memcpy(copy->to, copy->from, copy->bytes);
    self.copies.erase(self.copies.begin(), done);
}

}  // namespace emulated
