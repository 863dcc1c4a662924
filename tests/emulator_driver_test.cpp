// SPDX-License-Identifier: BSD-2-Clause
// The emulated driver: what is deferred, what is refused, what is told.
#include <cuda.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "emulated.h"

extern "C" CUresult cuModuleLoadData(void **module, const void *image);

std::map<std::string, long long> emulated_abi();
std::map<std::string, long long> toolkit_abi();

namespace {

using emulated::Device;
using emulated::launch_on;

__global__ void add(float *values, float what, int count) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < count) values[i] += what;
}

// A stream and what it works on: four floats on the device, four pinned ones.
class Streams : public Device {
protected:
    void SetUp() override {
        Device::SetUp();
        ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
        ASSERT_EQ(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking), cudaSuccess);
        ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
        ASSERT_EQ(cudaMalloc(&data, kBytes), cudaSuccess);
        ASSERT_EQ(cudaMallocHost(&host, kBytes), cudaSuccess);
        for (int i = 0; i < 4; ++i) host[i] = 1;
        ASSERT_EQ(cudaMemcpy(data, host, kBytes, cudaMemcpyHostToDevice), cudaSuccess);
    }
    void TearDown() override {
        EXPECT_EQ(cudaFreeHost(host), cudaSuccess);
        EXPECT_EQ(cudaFree(data), cudaSuccess);
        EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
        EXPECT_EQ(cudaStreamDestroy(other), cudaSuccess);
        EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
        Device::TearDown();
    }
    cudaError_t add_on(cudaStream_t on, float what) {
        return launch_on(on, add, {1}, {4}, 0, data, what, 4);
    }
    cudaError_t fetch(cudaStream_t on) {
        return cudaMemcpyAsync(host, data, kBytes, cudaMemcpyDeviceToHost, on);
    }

    static constexpr size_t kBytes = 4 * sizeof(float);
    cudaStream_t stream = nullptr;
    cudaStream_t other = nullptr;
    cudaEvent_t event = nullptr;
    float *data = nullptr;
    float *host = nullptr;
};

TEST_F(Streams, WorkIsDeferredUntilItIsWaitedFor) {
    ASSERT_EQ(add_on(stream, 1), cudaSuccess);
    ASSERT_EQ(fetch(stream), cudaSuccess);
    EXPECT_EQ(host[0], 1) << "old: nobody has waited";
    EXPECT_EQ(cudaStreamSynchronize(other), cudaSuccess);
    EXPECT_EQ(host[0], 1) << "old: another stream's work";
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    EXPECT_EQ(host[0], 2);
}

TEST_F(Streams, EagerlyIfAskedFor) {
    emulated::set_eager(true);
    EXPECT_EQ(add_on(stream, 1), cudaSuccess);
    EXPECT_EQ(fetch(stream), cudaSuccess);
    EXPECT_EQ(host[0], 2);
    emulated::set_eager(false);
}

TEST_F(Streams, EventsOrderThem) {
    ASSERT_EQ(add_on(stream, 1), cudaSuccess);
    ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
    ASSERT_EQ(add_on(stream, 10), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(other, event), cudaSuccess);
    ASSERT_EQ(fetch(other), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(other), cudaSuccess);
    EXPECT_EQ(host[0], 2) << "up to the event and no further";
    EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
    EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess) << "asking is no endless loop";

    ASSERT_EQ(add_on(stream, 1), cudaSuccess);
    ASSERT_EQ(fetch(other), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(other), cudaSuccess);
    EXPECT_EQ(host[0], 12) << "old: other does not wait for stream";
}

TEST_F(Streams, TheNullStreamWaitsForBlockingOnes) {
    cudaStream_t blocking = nullptr;
    ASSERT_EQ(cudaStreamCreateWithFlags(&blocking, cudaStreamDefault), cudaSuccess);
    ASSERT_EQ(add_on(blocking, 1), cudaSuccess);
    ASSERT_EQ(add_on(stream, 10), cudaSuccess);
    ASSERT_EQ(fetch(nullptr), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
    EXPECT_EQ(host[0], 2) << "with what is on the blocking stream, not on the other";
    ASSERT_EQ(add_on(nullptr, 100), cudaSuccess);
    ASSERT_EQ(fetch(blocking), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(blocking), cudaSuccess);
    EXPECT_EQ(host[0], 102);
    EXPECT_EQ(cudaStreamDestroy(blocking), cudaSuccess);
}

TEST_F(Streams, PageableMemoryIsNotDeferred) {
    std::vector<float> pageable(4, 5);
    ASSERT_EQ(cudaMemcpyAsync(data, pageable.data(), kBytes, cudaMemcpyHostToDevice, stream),
              cudaSuccess);
    pageable.assign(4, 6);
    ASSERT_EQ(add_on(stream, 1), cudaSuccess);
    ASSERT_EQ(cudaMemcpyAsync(pageable.data(), data, kBytes, cudaMemcpyDeviceToHost, stream),
              cudaSuccess);
    EXPECT_EQ(pageable, std::vector<float>(4, 6)) << "5 as it was, and 1";
}

TEST_F(Streams, CopiesOfRows) {
    const std::vector<float> in = {1, 2, 3, 4, 5, 6};  // 2 rows of 3
    std::vector<float> out(4, 0);
    ASSERT_EQ(cudaMemcpy2DAsync(data, 8, in.data(), 12, 8, 2, cudaMemcpyHostToDevice, stream),
              cudaSuccess);
    ASSERT_EQ(cudaMemcpy2DAsync(out.data(), 8, data, 8, 8, 2, cudaMemcpyDeviceToHost, stream),
              cudaSuccess);
    EXPECT_EQ(out, (std::vector<float>{1, 2, 4, 5}));
    EXPECT_EQ(cudaMemcpy2DAsync(data, 4, in.data(), 12, 8, 2, cudaMemcpyHostToDevice, stream),
              cudaErrorInvalidValue)
        << "a pitch below the width";
    EXPECT_EQ(cudaMemcpyAsync(data, in.data(), kBytes + 1, cudaMemcpyHostToDevice, stream),
              cudaErrorInvalidValue)
        << "beyond the allocation";
    EXPECT_EQ(cudaMemcpyAsync(data, in.data(), 4, cudaMemcpyDeviceToDevice, stream),
              cudaErrorInvalidValue)
        << "the host's for the device's";
}

TEST_F(Streams, MemoryFreedBeforeItsUse) {
    float *early = nullptr;
    ASSERT_EQ(cudaMalloc(&early, kBytes), cudaSuccess);
    ASSERT_EQ(launch_on(stream, add, {1}, {4}, 0, early, 1.0F, 4), cudaSuccess);
    EXPECT_EQ(cudaFree(early), cudaSuccess);
    EXPECT_FAULT("memory is freed that .*add.* has yet to use");
}

TEST_F(Streams, StreamsOfAnotherContext) {
    CUcontext context = nullptr;
    ASSERT_EQ(cuCtxCreate(&context, 0, 0), CUDA_SUCCESS);
    EXPECT_EQ(cudaMemsetAsync(data, 0, kBytes, nullptr), cudaErrorInvalidValue);
    EXPECT_EQ(cudaEventRecord(event, stream), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(add_on(nullptr, 1), cudaErrorIllegalAddress);
    EXPECT_FAULT("an argument points into another context's memory");
    ASSERT_EQ(cuCtxDestroy(context), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxCreate(&context, 0, 0), CUDA_SUCCESS);
    float *here = nullptr;
    ASSERT_EQ(cudaMalloc(&here, kBytes), cudaSuccess);
    EXPECT_EQ(launch_on(stream, add, {1}, {4}, 0, here, 1.0F, 4), cudaErrorInvalidResourceHandle);
    ASSERT_EQ(cudaFree(here), cudaSuccess);
    ASSERT_EQ(cuCtxDestroy(context), CUDA_SUCCESS);
    EXPECT_EQ(cuCtxPushCurrent(context), CUDA_ERROR_INVALID_CONTEXT) << "it is gone";
}

TEST_F(Streams, GraphsDoItAgain) {
    ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    ASSERT_EQ(add_on(stream, 1), cudaSuccess);
    ASSERT_EQ(add_on(stream, 10), cudaSuccess);
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    cudaGraphExec_t exec = nullptr;
    ASSERT_EQ(cudaGraphInstantiate(&exec, graph), cudaSuccess);
    ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    ASSERT_EQ(fetch(nullptr), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
    EXPECT_EQ(host[0], 1) << "captured, not done";

    ASSERT_EQ(cudaGraphLaunch(exec, nullptr), cudaSuccess);
    ASSERT_EQ(cudaGraphLaunch(exec, nullptr), cudaSuccess);
    ASSERT_EQ(fetch(nullptr), cudaSuccess);
    EXPECT_EQ(cudaGraphExecDestroy(exec), cudaSuccess) << "what is on the stream stays";
    ASSERT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
    EXPECT_EQ(host[0], 23);
}

TEST_F(Streams, NoCaptureOnTheNullStream) {
    EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal),
              cudaErrorStreamCaptureUnsupported);
}

TEST_F(Streams, WhatACaptureRefuses) {
    float *memory = nullptr;
    void *module = nullptr;
    const std::map<const char *, std::function<cudaError_t()>> refused = {
        {"allocation", [&] { return cudaMalloc(&memory, 4); }},
        {"pinned allocation", [&] { return cudaMallocHost(&memory, 4); }},
        {"free", [&] { return cudaFree(data); }},
        {"module load", [&] { return cudaError_t(cuModuleLoadData(&module, "")); }},
        {"device synchronisation", [&] { return cudaDeviceSynchronize(); }},
        {"stream synchronisation", [&] { return cudaStreamSynchronize(stream); }},
        {"event synchronisation", [&] { return cudaEventSynchronize(event); }},
        {"copy that waits", [&] { return cudaMemcpy(host, data, kBytes, cudaMemcpyDeviceToHost); }},
    };
    for (const auto &[what, attempt] : refused) {
        ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
        cudaError_t elsewhere = cudaErrorUnknown;
        std::thread([&] {
            float *own = nullptr;
            elsewhere = cudaMalloc(&own, 4);
            cudaFree(own);
        }).join();
        EXPECT_EQ(elsewhere, cudaSuccess) << "another thread's allocation";
        EXPECT_EQ(add_on(stream, 1), cudaSuccess);
        EXPECT_EQ(attempt(), cudaErrorStreamCaptureUnsupported) << what;
        EXPECT_EQ(add_on(stream, 1), cudaErrorStreamCaptureInvalidated) << what;
        cudaGraph_t graph = nullptr;
        EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated) << what;
        EXPECT_EQ(graph, nullptr);
    }
    EXPECT_EQ(add_on(stream, 1), cudaSuccess) << "usable again";
}

TEST_F(Streams, ACaptureIsAlone) {
    ASSERT_EQ(cudaEventRecord(event, other), cudaSuccess);
    ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_EQ(cudaStreamWaitEvent(stream, event), cudaErrorStreamCaptureIsolation);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);

    cudaStream_t blocking = nullptr;
    ASSERT_EQ(cudaStreamCreateWithFlags(&blocking, cudaStreamDefault), cudaSuccess);
    ASSERT_EQ(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT_EQ(add_on(nullptr, 1), cudaErrorStreamCaptureImplicit);
    EXPECT_EQ(cudaStreamEndCapture(blocking, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(cudaStreamDestroy(blocking), cudaSuccess);
}

TEST_F(Streams, FailuresOnDemand) {
    float *memory = nullptr;
    emulated::fail_allocation(2);
    EXPECT_EQ(cudaMalloc(&memory, 4), cudaSuccess);
    EXPECT_EQ(cudaFree(memory), cudaSuccess);
    EXPECT_EQ(cudaMallocHost(&memory, 4), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaMalloc(&memory, 4), cudaSuccess);
    EXPECT_EQ(cudaFree(memory), cudaSuccess);
    emulated::fail_call(1);
    EXPECT_EQ(cudaEventQuery(event), cudaErrorUnknown);
    EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
    EXPECT_EQ(cudaMalloc(&memory, size_t{1} << 40), cudaErrorMemoryAllocation);
}

TEST_F(Streams, ErrorsHaveNames) {
    EXPECT_STREQ(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory");
    const char *name = nullptr;
    EXPECT_EQ(cuGetErrorName(CUDA_ERROR_INVALID_CONTEXT, &name), CUDA_SUCCESS);
    EXPECT_STREQ(name, "CUDA_ERROR_INVALID_CONTEXT");
}

TEST(Headers, SameAsTheToolkits) {
#ifdef MDRN_CUDA_TOOLKIT
    EXPECT_EQ(emulated_abi(), toolkit_abi());
#else
    GTEST_SKIP() << "no CUDA toolkit to compare with";
#endif
}

// ---- At the end of a process

std::map<std::string, std::string> report_of(const std::string &path) {
    std::map<std::string, std::string> lines;
    std::ifstream file(path);
    for (std::string name, value; file >> name && std::getline(file >> std::ws, value);)
        lines[name] = value;
    return lines;
}

TEST_F(Device, LeaksAndFaultsAreReported) {
    const std::string path = testing::TempDir() + "emulated-report";
    setenv("MDRN_EMULATED_REPORT", path.c_str(), 1);
    const auto leak = [] {
        CUcontext context = nullptr;
        CUstream stream = nullptr;
        CUdeviceptr memory = 0;
        cuInit(0);
        cuCtxCreate(&context, 0, 0);
        cuStreamCreate(&stream, 0);
        cuMemAlloc(&memory, 1000);
        cuCtxDestroy(context);
        cuCtxCreate(&context, 0, 0);
        cuMemAlloc(&memory, 24);
        std::exit(0);
    };
    EXPECT_EXIT(leak(), testing::ExitedWithCode(0), "");
    std::map<std::string, std::string> lines = report_of(path);
    EXPECT_EQ(lines["bytes"], "1024");
    EXPECT_EQ(lines["contexts"], "1");
    EXPECT_EQ(lines["streams"], "1");
    EXPECT_EQ(lines["events"], "0");
    EXPECT_EQ(lines["graphs"], "0");
    EXPECT_EQ(lines["allocations"], "2");
    EXPECT_EQ(lines.count("fault:"), 0U);

    const auto misuse = [] {
        float host = 0;
        launch_on(nullptr, add, {1}, {1}, 0, &host, 1.0F, 1);
        std::exit(0);
    };
    EXPECT_EXIT(misuse(), testing::ExitedWithCode(86), "emulated device: .*memory of the host");
    EXPECT_NE(report_of(path)["fault:"].find("memory of the host"), std::string::npos);
    unsetenv("MDRN_EMULATED_REPORT");
    std::remove(path.c_str());
}

}  // namespace
