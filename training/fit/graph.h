// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <functional>
#include <memory>

#include "fit/libtorch.h"

namespace mdrn::training {

// Work that is done again and again, on the same tensors. On a CUDA device it becomes a CUDA graph
// after a few times, which the device then runs without the host; it must not wait for the device,
// or copy from the host, and what it allocates lives on until this ends. Elsewhere, and where
// mdrn-train was built without CUDA, it is just done.
class Repeated {
public:
    explicit Repeated(std::function<void()> work);
    ~Repeated();
    Repeated(const Repeated &) = delete;
    Repeated &operator=(const Repeated &) = delete;

    void run(const torch::Device &device);

private:
    struct Graph;

    std::function<void()> work_;
    std::unique_ptr<Graph> graph_;
};

}  // namespace mdrn::training
