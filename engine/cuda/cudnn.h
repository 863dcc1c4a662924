// SPDX-License-Identifier: BSD-2-Clause
// What is used of cuDNN: plans for convolutions. Its own API stays in cudnn.cpp.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "cuda/convolution.h"

namespace mdrn::cuda {

class ConvolutionPlan {
public:
    virtual ~ConvolutionPlan() = default;
    virtual void run(const void *x, const void *weight, void *y, void *workspace,
                     cudaStream_t stream) const = 0;

    size_t workspace = 0;
    int64_t engine = 0;         // cuDNN's number for it
    bool tensor_cores = false;  // TF32 in an fp32 plan; never so in what plan() returns
    bool compiled = false;      // at run time, which takes from a tenth of a second to some seconds
};

// Not thread safe. Plans must not outlive it.
class Cudnn {
public:
    // In the current context, where every plan runs. cuDNN 9.0 or later.
    // Throws Error(MDRN_ERROR_UNSUPPORTED) where it is missing or too old, Error(MDRN_ERROR_DEVICE)
    // where it fails.
    Cudnn();

    // For a device that need not be here, described in cuDNN's JSON: plans that cannot run.
    // cuDNN 9.8 or later.
    explicit Cudnn(const std::string &device);

    ~Cudnn();
    Cudnn(const Cudnn &) = delete;
    Cudnn &operator=(const Cudnn &) = delete;

    // The best plan that is deterministic, keeps to fp32 sums (and in fp32 to fp32 products) and to
    // kConvolutionWorkspace; null where there is none. Planned once for each shape.
    std::shared_ptr<const ConvolutionPlan> plan(const ConvolutionShape &shape);

    using Plans = std::map<ConvolutionShape, std::shared_ptr<const ConvolutionPlan>>;
    const Plans &plans() const { return plans_; }

    static std::string version();  // "9.19.0"

private:
    struct Target;
    std::unique_ptr<Target> target_;
    Plans plans_;
};

}  // namespace mdrn::cuda
