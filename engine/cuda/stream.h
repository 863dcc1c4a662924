// SPDX-License-Identifier: BSD-2-Clause
// Streams and events that destroy themselves. Each belongs to the context that is current when it
// is made; that context is current when it goes.
#pragma once

#include <cuda_runtime.h>

#include "cuda/launch.h"

namespace mdrn::cuda {

// Waits for no other stream, nor for what is still under way on it when it goes.
class Stream {
public:
    Stream() {
        check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
    }
    ~Stream() { cudaStreamDestroy(stream_); }
    Stream(const Stream &) = delete;
    operator cudaStream_t() const { return stream_; }

private:
    cudaStream_t stream_ = nullptr;
};

class Event {
public:
    Event() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "making an event"); }
    ~Event() { cudaEventDestroy(event_); }
    Event(const Event &) = delete;
    operator cudaEvent_t() const { return event_; }

private:
    cudaEvent_t event_ = nullptr;
};

}  // namespace mdrn::cuda
