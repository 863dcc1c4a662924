// SPDX-License-Identifier: BSD-2-Clause
// Graphs: the work captured on one stream, to be done again as one piece of work.
#include <utility>

#include "driver/world.h"

using namespace emulated;

CUresult cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode mode) {
    return call([&] {
        require(stream && stream != CU_STREAM_LEGACY, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        const std::shared_ptr<CUstream_st> on = resolve(stream);
        require(!on->capture, CUDA_ERROR_INVALID_VALUE);
        on->capture = std::make_unique<std::vector<Work>>();
        on->mode = mode;
        on->capturer = std::this_thread::get_id();
    });
}

CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status) {
    return call([&] {
        *status = CU_STREAM_CAPTURE_STATUS_NONE;
        const auto at = world().streams.find(stream);
        if (at == world().streams.end() || !at->second->capture) return;
        *status = at->second->invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                          : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    });
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
    return call([&] {
        *graph = nullptr;
        const auto at = world().streams.find(stream);
        require(at != world().streams.end(), CUDA_ERROR_INVALID_HANDLE);
        CUstream_st &on = *at->second;
        require(on.capture != nullptr, CUDA_ERROR_INVALID_VALUE);
        require(
            on.mode == CU_STREAM_CAPTURE_MODE_RELAXED || on.capturer == std::this_thread::get_id(),
            CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
        const std::unique_ptr<std::vector<Work>> work = std::move(on.capture);
        require(!std::exchange(on.invalidated, false), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        *graph = new CUgraph_st{on.context, std::move(*work)};
        world().graphs.insert(*graph);
    });
}

CUresult cuGraphDestroy(CUgraph graph) {
    return give_back([&] {
        require(world().graphs.erase(graph) > 0, CUDA_ERROR_INVALID_VALUE);
        delete graph;
    });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long) {
    return call([&] {
        require(world().graphs.count(graph), CUDA_ERROR_INVALID_VALUE);
        *exec = new CUgraphExec_st{graph->context,
                                   std::make_shared<const std::vector<Work>>(graph->work)};
        world().execs.insert(*exec);
    });
}

CUresult cuGraphExecDestroy(CUgraphExec exec) {
    return give_back([&] {
        require(world().execs.erase(exec) > 0, CUDA_ERROR_INVALID_VALUE);
        delete exec;
    });
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
    return call([&] {
        require(world().execs.count(exec), CUDA_ERROR_INVALID_VALUE);
        require(exec->context == current_context(), CUDA_ERROR_INVALID_HANDLE);
        Work all{"a graph", {}, {}, {}};
        for (const Work &work : *exec->work)
            all.uses.insert(all.uses.end(), work.uses.begin(), work.uses.end());
        all.run = [work = exec->work] {
            for (const Work &one : *work) one.run();
        };
        enqueue(stream, std::move(all));
    });
}
