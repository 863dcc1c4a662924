// SPDX-License-Identifier: BSD-2-Clause
// Convolutions of whole maps: cuDNN's where it has a plan that suits, else a plain kernel of ours.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace mdrn::cuda {

class Cudnn;            // cudnn.h
class ConvolutionPlan;  // cudnn.h

// y = conv(x), or y += conv(x): stride 1, zero padding kernel / 2, no bias.
// x (H, W, inputs), y (H, W, outputs), weight (outputs, kernel, kernel, inputs), all of one type:
// fp16 where half, else fp32. Products are summed in fp32; fp32 is true fp32 (no TF32).
struct ConvolutionShape {
    int height = 0;
    int width = 0;
    int inputs = 0;
    int outputs = 0;
    int kernel = 1;  // 1 or 3
    bool half = true;
    bool accumulate = false;  // y += conv(x)
    auto operator<=>(const ConvolutionShape &) const = default;
};

// Of a map: cuDNN's fast engines count elements in 32 bits.
inline constexpr size_t kMostElements = (size_t{1} << 31) - 1;

// Not thread safe, as Stages; cheap to make once its shape has been planned by the same Cudnn.
class Convolution {
public:
    Convolution() = default;  // of nothing

    // cudnn must outlive this; null: always the plain kernel. A 1x1 convolution of larger maps than
    // most elements is computed in bands of rows. Throws Error(MDRN_ERROR_DEVICE).
    Convolution(Cudnn *cudnn, const ConvolutionShape &shape, size_t most = kMostElements);

    // Bytes of device memory that run() needs for the time of its work, at most
    // kConvolutionWorkspace. May be shared by all convolutions of one stream.
    size_t workspace() const;

    // Whether cuDNN has a plan for it, which is much faster than the plain kernel.
    bool planned() const;

    // Enqueues on stream, which belongs to the current context; may be captured once it has run.
    // All pointers are aligned to 16 bytes; y overlaps nothing else. workspace may be null where
    // workspace() is 0.
    void run(const void *x, const void *weight, void *y, void *workspace,
             cudaStream_t stream) const;

private:
    struct Band {
        ConvolutionShape shape;
        std::shared_ptr<const ConvolutionPlan> plan;  // null: the plain kernel
    };
    std::vector<Band> bands_;  // from the top
};

inline constexpr size_t kConvolutionWorkspace = size_t{64} << 20;

// plain_convolution.cu: the same, for every shape.
void plain_convolution(const ConvolutionShape &shape, const void *x, const void *weight, void *y,
                       cudaStream_t stream);

}  // namespace mdrn::cuda
