// SPDX-License-Identifier: BSD-2-Clause
// BSConv's CUDA kernels on the emulated device, inside the function that calls them in a training.
#include "network/device_bsconv.h"

#include "emulated.h"
#include "network/depthwise_kernels.h"
#include "training/gradients.h"

namespace mdrn::training {
namespace {

using namespace test;
using emulated::Buffer;

class DeviceBSConvTest : public emulated::Device {};

// The kernels for tensors in the host's memory.
class Copying : public Depthwise {
public:
    void forward(const DepthwiseShape &shape, const float *u, const float *taps, const float *bias,
                 const float *residual, bool gelu, float *out, float *slope) const override {
        const size_t inputs = shape.inputs(), outputs = shape.outputs(), c = shape.channels;
        const Buffer<float> results(outputs), slopes(outputs);
        const Copy u_copy(u, inputs), taps_copy(taps, 9 * c), bias_copy(bias, c);
        const Copy residual_copy(residual ? residual : u, residual ? outputs : inputs);
        kernels_.forward(shape, u_copy.get(), taps_copy.get(), bias_copy.get(),
                         residual ? residual_copy.get() : nullptr, gelu, results.get(),
                         slope ? slopes.get() : nullptr);
        give(results, out);
        if (slope) give(slopes, slope);
    }
    void backward_input(const DepthwiseShape &shape, const float *v, const float *taps,
                        float *u_gradient) const override {
        const Buffer<float> result(shape.inputs());
        const Copy v_copy(v, shape.outputs()), taps_copy(taps, 9 * shape.channels);
        kernels_.backward_input(shape, v_copy.get(), taps_copy.get(), result.get());
        give(result, u_gradient);
    }
    void backward_taps(const DepthwiseShape &shape, const float *v, const float *u,
                       float *sums) const override {
        const Buffer<float> result(size_t(shape.parts()) * shape.channels * 10);
        const Copy v_copy(v, shape.outputs()), u_copy(u, shape.inputs());
        kernels_.backward_taps(shape, v_copy.get(), u_copy.get(), result.get());
        give(result, sums);
    }

private:
    struct Copy : Buffer<float> {
        Copy(const float *values, size_t size) : Buffer(size) { write({values, values + size}); }
    };
    static void give(const Buffer<float> &from, float *to) {
        const std::vector<float> values = from.read();
        std::copy(values.begin(), values.end(), to);
    }

    DepthwiseKernels kernels_{[]() -> cudaStream_t { return nullptr; }};
};

const Copying kDepthwise;

struct Case {
    int64_t pictures, in, out, height, width;
    int stride;
    bool residual;
    Activation activation;

    std::vector<torch::Tensor> values() const {
        return {uniform({pictures, in, height, width}, 1), uniform({out, in, 1, 1}, 2),
                uniform({out, 1, 3, 3}, 3), uniform({out}, 4)};
    }
    Function on_device() const {
        return [*this](const auto &v) {
            return device_bsconv(kDepthwise, v[0], {v[1], v[2], v[3]}, stride, residual,
                                 activation);
        };
    }
    // LibTorch's own operations in double, fused.h in float.
    Function on_cpu() const {
        return [*this](const auto &v) {
            return bsconv(v[0], {v[1], v[2], v[3]}, stride, residual, activation);
        };
    }
};

// The smallest maps, where an element is read from beyond both ends; channels that fill a block's
// lanes and that don't; a part of the taps' sums and several.
std::vector<Case> cases() {
    std::vector<Case> all;
    for (Activation activation : {Activation::none, Activation::gelu}) {
        for (const auto &[h, w] :
             {std::pair{2, 2}, std::pair{3, 2}, std::pair{2, 5}, std::pair{9, 12}, std::pair{3, 3}})
            for (int stride : {1, 2}) all.push_back({2, 20, 14, h, w, stride, false, activation});
        all.push_back({2, 34, 34, 5, 4, 1, true, activation});
        all.push_back({3, 6, 6, 23, 31, 1, true, activation});
    }
    return all;
}

TEST_F(DeviceBSConvTest, IsThatOfTheCpu) {
    for (const Case &c : cases()) {
        SCOPED_TRACE(std::to_string(c.height) + " x " + std::to_string(c.width) + ", stride " +
                     std::to_string(c.stride));
        std::vector<torch::Tensor> floats;
        for (const torch::Tensor &value : c.values()) floats.push_back(value.to(torch::kFloat));
        const torch::NoGradGuard guard;  // without a slope
        EXPECT_LE(relative(c.on_device()(floats).to(torch::kDouble), c.on_cpu()(c.values())), 2e-6);
    }
}

TEST_F(DeviceBSConvTest, GradientsAreThoseOfTheCpuAndOfFiniteDifferences) {
    for (const Case &c : cases()) {
        SCOPED_TRACE(std::to_string(c.height) + " x " + std::to_string(c.width) + ", stride " +
                     std::to_string(c.stride));
        const auto device = gradients(c.on_device(), c.values(), torch::kFloat);
        const auto fused = gradients(c.on_cpu(), c.values(), torch::kFloat);
        const auto plain = gradients(c.on_cpu(), c.values(), torch::kDouble);
        for (size_t i = 0; i < plain.size(); i++) {
            EXPECT_LE(relative(device[i], plain[i]), 5e-6) << "input " << i;
            EXPECT_LE(relative(device[i], fused[i]), 1e-5) << "input " << i;
            const torch::Tensor direction = uniform(c.values()[i].sizes().vec(), 100 + i);
            const double expected = finite_difference(c.on_cpu(), c.values(), i, direction);
            EXPECT_NEAR((device[i] * direction).sum().item<double>(), expected,
                        2e-5 * std::max(1.0, std::abs(expected)))
                << "input " << i;
        }
    }
}

TEST_F(DeviceBSConvTest, ComputesProductsInBf16UnderAutocast) {
    const Case c{1, 20, 14, 9, 12, 1, false, Activation::gelu};
    const auto in_bf16 = [&](const auto &v) {
        const Bf16 guard(torch::kCPU, true);
        return c.on_device()(v);
    };
    const auto plain = gradients(c.on_cpu(), c.values(), torch::kDouble);
    const auto found = gradients(in_bf16, c.values(), torch::kFloat);
    for (size_t i = 0; i < plain.size(); i++) {
        EXPECT_LE(relative(found[i], plain[i]), 0.05) << "input " << i;
        EXPECT_GT(relative(found[i], plain[i]), 1e-4) << "input " << i;
    }
}

}  // namespace
}  // namespace mdrn::training
