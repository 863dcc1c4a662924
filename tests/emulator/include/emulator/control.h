// SPDX-License-Identifier: BSD-2-Clause
// What a test says to the emulated device, and asks it. The same can be said by the environment,
// where the device is inside another program:
//
//   MDRN_EMULATED_DEVICES=n          number of devices (1)
//   MDRN_EMULATED_CAPABILITY=75      compute capability, major x 10 + minor (75)
//   MDRN_EMULATED_MEMORY=bytes       memory of a device (4 GiB)
//   MDRN_EMULATED_SEED=n             order of blocks and threads; printed where something is wrong
//   MDRN_EMULATED_TWICE=0            each kernel runs once, unchecked for its order (1)
//   MDRN_EMULATED_EAGER=1            work is done when it is enqueued, not when it is waited for
//   (0) MDRN_EMULATED_FAIL_ALLOCATION=n  the n-th allocation finds no memory
//   MDRN_EMULATED_FAIL_CALL=n        the n-th driver call that may fail, does
//   MDRN_EMULATED_REPORT=path        at exit: "calls N", "allocations N", "bytes N", "contexts N",
//                                    "streams N", "events N", "graphs N" (the last five: never
//                                    given back) and a line "fault: ..." each
//
// A fault is what a program does wrong and no error code tells it. Faults are printed; a process
// whose faults nobody takes ends with status 86.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace emulated {

std::vector<std::string> take_faults();

// The n-th from now on fails, 1 the next; 0: none.
void fail_allocation(uint64_t nth);
void fail_call(uint64_t nth);

void set_seed(uint64_t seed);
void set_twice(bool twice);
void set_eager(bool eager);

// Bytes allocated and not given back, device and pinned.
size_t bytes_in_use();

// Gives up all contexts, whatever is in them, and forgets errors: a new process's state.
void reset();

}  // namespace emulated
