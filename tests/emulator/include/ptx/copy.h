// SPDX-License-Identifier: BSD-2-Clause
// The emulated device's engine/cuda/ptx/copy.h. Copies are made when the thread waits for them, not
// before, and those that it never waits for not at all; where threads run in the reverse order (see
// emulator/control.h) they are made at once. A device may do either.
#pragma once

namespace emulated {

void copy_async(void *shared, const void *device, int bytes);
void copy_commit();
void copy_wait(int under);

}  // namespace emulated

namespace mdrn::cuda {

template <int Bytes>
void copy_async(void *shared, const void *device) {
    static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
    emulated::copy_async(shared, device, Bytes);
}

inline void copy_commit() {
    emulated::copy_commit();
}

template <int Under = 0>
void copy_wait() {
    emulated::copy_wait(Under);
}

}  // namespace mdrn::cuda
