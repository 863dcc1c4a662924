// SPDX-License-Identifier: BSD-2-Clause
// Warp operations: lanes meet, and the last one to come acts for all.
#include "emulator/warp.h"

#include <algorithm>

#include "device/block.h"

namespace emulated {

int lane() {
    return block().lane();
}

uint64_t exchange(unsigned mask, uint64_t value, int from, std::source_location where) {
    struct Traded {
        uint64_t value;
        int from;
    };
    mask &= block().lanes();  // a warp may be named whole
    if (from < 0 || from > 31 || !(mask >> from & 1U)) {
        block().fail("a shuffle from lane " + std::to_string(from) + ", which takes no part");
        block().stop();
    }
    Traded mine{value, from};
    const auto trade = [](void *const all[32]) {
        uint64_t values[32];
        for (int l = 0; l < 32; ++l)
            if (all[l]) values[l] = static_cast<Traded *>(all[l])->value;
        for (int l = 0; l < 32; ++l)
            if (auto *its = static_cast<Traded *>(all[l])) its->value = values[its->from];
    };
    block().meet(mask, &mine, trade, where);
    return mine.value;
}

unsigned Block::lanes() const {
    const int count = std::min(32, static_cast<int>(threads_.size()) - current_ / 32 * 32);
    return count == 32 ? 0xFFFFFFFFU : (1U << count) - 1;
}

void Block::meet(unsigned mask, void *mine, Act act, std::source_location where) {
    const int warp = current_ / 32;
    if (!(mask >> lane() & 1U)) {
        fail("a warp operation whose mask leaves out the caller");
        stop();
    }
    auto meeting = std::find_if(meetings_.begin(), meetings_.end(), [&](const Meeting &m) {
        return m.warp == warp && (m.mask & mask) != 0;
    });
    if (meeting == meetings_.end()) {
        meetings_.push_back({warp, mask, 0, act, where, {}});
        meeting = std::prev(meetings_.end());
    }
    if (meeting->mask != mask || meeting->act != act || !same(meeting->where, where)) {
        fail("a warp operation that other lanes meet with another mask or at another line");
        stop();
    }
    meeting->arrived |= 1U << lane();
    meeting->brought[lane()] = mine;
    if (meeting->arrived != mask) return wait(State::in_warp, where);
    act(meeting->brought);
    for (int l = 0; l < 32; ++l)
        if (mask >> l & 1U && l != lane()) ready_.push_back(warp * 32 + l);
    meetings_.erase(meeting);
}

}  // namespace emulated
