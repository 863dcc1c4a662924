// SPDX-License-Identifier: BSD-2-Clause
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>

#include "fit/graph.h"

namespace mdrn::training {
namespace {

constexpr int kWarmUps = 3;  // in which libraries choose and allocate what they need

}  // namespace

struct Repeated::Graph {
    // No graph can be made on the default stream.
    explicit Graph(const torch::Device &device)
        : stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())) {}

    c10::cuda::CUDAStream stream;
    at::cuda::CUDAGraph graph;
    int done = 0;
};

Repeated::Repeated(std::function<void()> work) : work_(std::move(work)) {}
Repeated::~Repeated() = default;

void Repeated::run(const torch::Device &device) {
    if (!device.is_cuda()) return work_();
    if (!graph_) graph_ = std::make_unique<Graph>(device);
    if (graph_->done <= kWarmUps) {
        c10::cuda::getCurrentCUDAStream(device.index()).synchronize();
        const c10::cuda::CUDAStreamGuard guard(graph_->stream);
        if (graph_->done < kWarmUps) {
            work_();
        } else {
            graph_->graph.capture_begin();
            work_();
            graph_->graph.capture_end();
        }
        graph_->stream.synchronize();
    }
    if (graph_->done >= kWarmUps) graph_->graph.replay();
    graph_->done = std::min(graph_->done + 1, kWarmUps + 1);
}

}  // namespace mdrn::training
