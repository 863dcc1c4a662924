// SPDX-License-Identifier: BSD-2-Clause
// Tensors as kernels.h sees them, and pictures shared out to threads.
#pragma once

#include <ATen/Parallel.h>

#include "fit/libtorch.h"
#include "network/kernels.h"

namespace mdrn::training {

// A float32 tensor (N, C, H, W) whose pixels lie a fixed pitch apart, their channels side by side:
// with channels last, or a slice of such a one's channels. Of anything else a copy is made.
class Maps {
public:
    enum class Pitch { any, dense };
    // NOLINTNEXTLINE: a view, as a span is
    Maps(const torch::Tensor &tensor, Pitch wanted = Pitch::any) : tensor_(tensor) {
        if (!fits() || (wanted == Pitch::dense && pitch() != tensor_.size(1))) {
            tensor_ = torch::empty(
                tensor.sizes(), tensor.options().memory_format(torch::MemoryFormat::ChannelsLast));
            tensor_.copy_(tensor);
        }
    }
    static Maps empty(int64_t pictures, int64_t channels, int64_t height, int64_t width) {
        return torch::empty(
            {pictures, channels, height, width},
            torch::TensorOptions(torch::kFloat).memory_format(torch::MemoryFormat::ChannelsLast));
    }
    const torch::Tensor &tensor() const { return tensor_; }
    int pictures() const { return static_cast<int>(tensor_.size(0)); }
    int channels() const { return static_cast<int>(tensor_.size(1)); }
    int height() const { return static_cast<int>(tensor_.size(2)); }
    int width() const { return static_cast<int>(tensor_.size(3)); }
    int pixels() const { return height() * width(); }
    float *data(int picture) const {
        return tensor_.data_ptr<float>() + picture * pixels() * pitch();
    }
    Map operator[](int picture) const { return {data(picture), pitch(), channels()}; }

private:
    ptrdiff_t pitch() const {  // a side of 1 has a stride that means nothing
        if (width() > 1) return tensor_.stride(3);
        if (height() > 1) return tensor_.stride(2);
        return pictures() > 1 ? tensor_.stride(0) : channels();
    }
    bool fits() const {
        const ptrdiff_t p = pitch();
        const auto strided = [&](int dim, ptrdiff_t stride) {
            return tensor_.size(dim) == 1 || tensor_.stride(dim) == stride;
        };
        return p >= channels() && strided(1, 1) && strided(3, p) && strided(2, p * width()) &&
               strided(0, p * pixels());
    }

    torch::Tensor tensor_;
};

// f(i) for every picture, on LibTorch's threads.
template <class F>
void for_pictures(int pictures, const F &f) {
    at::parallel_for(0, pictures, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) f(static_cast<int>(i));
    });
}

// A gradient of each picture, (pictures, size), summed in their order so that the number of threads
// doesn't matter.
class Partial {
public:
    Partial(int pictures, int64_t size) : each_(torch::empty({pictures, size})) {}
    float *operator[](int picture) const {
        return each_.data_ptr<float>() + picture * each_.size(1);
    }
    torch::Tensor sum(torch::IntArrayRef shape) const {
        torch::Tensor sum = each_[0].clone();
        for (int64_t i = 1; i < each_.size(0); i++) sum += each_[i];
        return sum.view(shape);
    }

private:
    torch::Tensor each_;
};

}  // namespace mdrn::training
