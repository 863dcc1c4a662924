// SPDX-License-Identifier: BSD-2-Clause
// LibTorch, and all that differs between Debian's 1.13 and the ones inside PyTorch's wheels.
#pragma once

#include <ATen/autocast_mode.h>
#include <torch/torch.h>
#include <torch/version.h>

namespace mdrn::training {

// While this lives, and where it is on, convolutions compute in bf16.
class Bf16 {
public:
    Bf16(torch::DeviceType device, bool on) : device_(device), on_(on) {
        if (on_) enable(true);
    }
    ~Bf16() {
        if (!on_) return;
        at::autocast::clear_cache();
        enable(false);
    }
    Bf16(const Bf16 &) = delete;
    Bf16 &operator=(const Bf16 &) = delete;

    static bool is_on(torch::DeviceType device) {
#if TORCH_VERSION_MAJOR >= 2
        return at::autocast::is_autocast_enabled(device);
#else
        return device == torch::kCUDA ? at::autocast::is_enabled() : at::autocast::is_cpu_enabled();
#endif
    }

private:
    void enable(bool on) const {
#if TORCH_VERSION_MAJOR >= 2
        at::autocast::set_autocast_dtype(device_, torch::kBFloat16);
        at::autocast::set_autocast_enabled(device_, on);
#else
        if (device_ == torch::kCUDA) {
            at::autocast::set_autocast_gpu_dtype(torch::kBFloat16);
            at::autocast::set_enabled(on);
        } else {
            at::autocast::set_autocast_cpu_dtype(torch::kBFloat16);
            at::autocast::set_cpu_enabled(on);
        }
#endif
    }

    torch::DeviceType device_;
    bool on_;
};

}  // namespace mdrn::training
