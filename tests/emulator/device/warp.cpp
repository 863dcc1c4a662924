// SPDX-License-Identifier: BSD-2-Clause
// Warp operations: lanes meet, the last one to come hands out the values.
#include "emulator/warp.h"

#include <algorithm>

#include "device/block.h"

namespace emulated {

int lane() {
    return block().lane();
}

uint64_t exchange(unsigned mask, uint64_t value, int from, std::source_location where) {
    return block().exchange(mask, value, from, where);
}

uint64_t Block::exchange(unsigned mask, uint64_t value, int from, std::source_location where) {
    const int self = current_;
    const int warp = self / 32;
    const int lanes = std::min(32, static_cast<int>(threads_.size()) - warp * 32);
    if (lanes < 32) mask &= (1U << lanes) - 1;  // a warp may be named whole
    if (!(mask >> lane() & 1U)) {
        fail("a warp operation whose mask leaves out the caller");
        stop();
    }
    if (from < 0 || from > 31 || !(mask >> from & 1U)) {
        fail("a shuffle from lane " + std::to_string(from) + ", which takes no part");
        stop();
    }

    auto meeting = std::find_if(meetings_.begin(), meetings_.end(), [&](const Meeting &m) {
        return m.warp == warp && (m.mask & mask) != 0;
    });
    if (meeting == meetings_.end()) {
        meetings_.push_back({warp, mask, 0, where, {}, {}});
        meeting = std::prev(meetings_.end());
    }
    if (meeting->mask != mask || !same(meeting->where, where)) {
        fail("a warp operation that other lanes meet with another mask or at another line");
        stop();
    }
    meeting->arrived |= 1U << lane();
    meeting->value[lane()] = value;
    meeting->from[lane()] = from;
    if (meeting->arrived != mask) {
        wait(State::in_warp, where);
        return threads_[self].received;
    }
    for (int l = 0; l < 32; ++l) {
        if (!(mask >> l & 1U)) continue;
        const int other = warp * 32 + l;
        threads_[other].received = meeting->value[meeting->from[l]];
        if (other != self) ready_.push_back(other);
    }
    meetings_.erase(meeting);
    return threads_[self].received;
}

}  // namespace emulated
