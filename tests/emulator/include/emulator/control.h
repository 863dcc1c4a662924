// SPDX-License-Identifier: BSD-2-Clause
// An emulated CUDA device, for machines without one.
//
//   include/   headers under the toolkit's names: with them a plain C++ compiler builds .cu files
//   device/    what runs them: a block's threads are fibers, with barriers and warp operations;
//              launches; the runtime API
//   driver/    a libcuda.so.1 of our own under it: contexts, memory, streams, events, graphs. A
//              program that opens the driver by itself, as ffmpeg does, shares it with our kernels
//
// What runs here right may be wrong on a device in ways that do not show there at once. So
// - threads and blocks run in an order that a seed shuffles, each kernel twice, the second time in
//   the reverse order, with other bytes in unwritten shared memory and around allocations: results
//   that differ show a missing barrier, a read of what nobody wrote or of what lies outside;
// - barriers that not all threads reach, shuffles from lanes that take no part, matrix products
//   without some lane of the warp, misaligned vectors, writes out of bounds, pointers into the
//   host's memory and launches beyond the architecture's limits are caught;
// - work on a stream is deferred until something waits for it: data is old where nobody has waited;
//   so are copies to shared memory that a thread waits for later, in one of a kernel's two runs;
// - host code that touches device memory crashes; memory that pending work needs cannot be freed
//   unnoticed; what may not be done while a stream is captured is refused.
// It says nothing about speed.
//
// Below is what a test says to the device, and asks it. The same can be said by the environment,
// where the device is inside another program:
//
//   MDRN_EMULATED_DEVICES=n          number of devices (1)
//   MDRN_EMULATED_CAPABILITY=75      compute capability, major x 10 + minor (75)
//   MDRN_EMULATED_MEMORY=bytes       memory of a device (4 GiB)
//   MDRN_EMULATED_SEED=n             order of blocks and threads; printed with every fault (1)
//   MDRN_EMULATED_TWICE=0            each kernel runs once, for speed (1)
//   MDRN_EMULATED_EAGER=1            work is done when it is enqueued (0)
//   MDRN_EMULATED_FAIL_ALLOCATION=n  the n-th allocation finds no memory
//   MDRN_EMULATED_FAIL_CALL=n        the n-th driver call fails; those that give back do not count
//   MDRN_EMULATED_REPORT=path        written at exit: "calls N" and "allocations N" made, "bytes
//   N",
//                                    "contexts N", "streams N", "events N" and "graphs N" never
//                                    given back, and "fault: ..." for each fault
//
// A fault is what a program does wrong and no error code tells it. Faults are printed; a process
// whose faults nobody takes ends with status 86. A kernel that cannot go on also leaves its context
// in error, as on a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace emulated {

// Not so where the same tests run on a real device, see tests/gpu/.
inline constexpr bool kEmulated = true;

std::vector<std::string> take_faults();

// The n-th from now on fails, 1 the next; 0: none.
void fail_allocation(uint64_t nth);
void fail_call(uint64_t nth);

// Since the program's start; of calls, those that give back do not count.
uint64_t allocations();
uint64_t calls();

void set_seed(uint64_t seed);
void set_twice(bool twice);
void set_eager(bool eager);
void set_capability(int capability);
// Each sum of the tensor cores is wrong by this much of it (0).
void set_matrix_error(float proportion);

// Bytes allocated and not given back, device and pinned.
size_t bytes_in_use();

// Bytes that contexts took with them when they were destroyed.
size_t bytes_abandoned();

// Gives up all contexts, whatever is in them, and forgets errors: a new process's state.
void reset();

}  // namespace emulated
