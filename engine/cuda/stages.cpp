// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/stages.h"

#include <cuda_fp16.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "error.h"

namespace mdrn::cuda {
namespace {

constexpr char kNotPlanned[] =
    "cuDNN has no plan for some of the network's convolutions on this GPU: a plain kernel computes "
    "them, correctly but many times slower; a newer cuDNN 9 may have one";

constexpr int kTile = 16;  // inputs and outputs that tensor cores take at once

}  // namespace

Places::Places(Carver &carver, const Channels &n, Size size, bool fp16, bool fused,
               size_t workspace_bytes) {
    const size_t pixels = size_t(size.width) * size_t(size.height);
    const auto take = [&](int channels) {
        return carver.bytes(pixels * channels * (fp16 ? sizeof(__half) : sizeof(float)));
    };
    rgb = take(4);
    for (void *&map : maps) map = take(n.c);
    sum = take(n.c);
    stacked = take(std::max(fused ? n.c : n.stacked, n.subpixels));
    distilled = fused ? nullptr : take(n.distilled);
    dispersed = take(n.dispersed);

    const auto small = [&](int channels, int rows, int columns) {
        return SmallMap{carver.floats(size_t(rows) * columns * channels), rows, columns};
    };
    const int rows = (size.height - 1) / 2 + 1, columns = (size.width - 1) / 2 + 1;
    branches.pooled[0] = small(n.f, (rows - 1) / 3 + 1, (columns - 1) / 3 + 1);
    for (int i = 1; i < 4; ++i)
        branches.pooled[i] = small(n.f, (rows - 5) / 3 + 1, (columns - 5) / 3 + 1);
    for (int i = 0; i < 3; ++i)
        branches.mixed[i] = small(n.mixed, branches.pooled[i].height, branches.pooled[i].width);

    parts = static_cast<Moments *>(carver.bytes(sizeof(Moments) * kMostParts * n.c));
    attention = carver.floats(n.c);
    excess = take(4);
    alpha = carver.floats(pixels);
    odd = static_cast<int *>(carver.bytes(sizeof(int)));
    workspace = carver.bytes(workspace_bytes);
}

CudaStages::CudaStages(const Model &model, Cudnn *cudnn, bool fp16, cudaStream_t stream,
                       WarnOnce warn)
    : channels_(model),
      cudnn_(cudnn),
      half_(fp16),
      warn_(std::move(warn)),
      queue_{stream, {}},
      weights_(model, fp16, can_fuse(model, fp16), stream) {
    check(cudaMallocHost(reinterpret_cast<void **>(&odd_), sizeof *odd_),
          "allocating pinned memory");
    *odd_ = 0;
}

CudaStages::~CudaStages() {
    cudaStreamSynchronize(queue_.stream);  // with what is freed now
    cudaFreeHost(odd_);
}

uint64_t CudaStages::memory_needed(Size size, Plan) const {
    Carver carver;
    Places(carver, channels_, size, half_, fused_,
           Convolutions(channels_, size, half_, cudnn_, fused_).workspace());
    return carver.used();
}

void CudaStages::prepare(Size size, Plan) {
    check(cudaStreamSynchronize(queue_.stream), "computing a picture");
    places_.reset();
    convolutions_.reset();
    arena_ = {};
    size_ = size;
    alpha_size_ = {};
    convolutions_ = std::make_unique<Convolutions>(channels_, size, half_, cudnn_, fused_);
    if (cudnn_ && !convolutions_->planned() && warn_) warn_(kNotPlanned);
    const size_t workspace = convolutions_->workspace();
    Carver count;
    Places(count, channels_, size, half_, fused_, workspace);
    arena_ = DeviceMemory(count.used());
    Carver carver(arena_.data());
    places_ = std::make_unique<Places>(carver, channels_, size, half_, fused_, workspace);
    // All of it, so that it is there before the first frame.
    check(cudaMemsetAsync(arena_.data(), 0, count.used(), queue_.stream), "clearing the arena");
    if (!fused_) fill_distilled();
}

void CudaStages::convolve(const Convolution &convolution, const char *name, int inputs, int outputs,
                          int kernel, const void *x, const void *weight, void *y) {
    if (queue_.recorder) {
        const bool accumulates = &convolution == &convolutions_->gather;
        const auto padded = [&](int channels) { return round_up(channels, half_ ? kTile : 1); };
        Launch what;
        what.kernel = name;
        what.cost = {map_bytes(inputs) + (accumulates ? map_bytes(outputs) : 0), map_bytes(outputs),
                     double(pixels()) * padded(inputs * kernel * kernel) * padded(outputs), 0};
        queue_.recorder(what);
    }
    convolution.run(x, weight, y, places_->workspace, queue_.stream);
}

uint64_t CudaStages::free_memory() const {
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for the free memory");
    return free;
}

void CudaStages::finish() {
    check(cudaStreamSynchronize(queue_.stream), "computing a picture");
    warn_of_odd();
}

void CudaStages::warn_of_odd() {
    if (std::exchange(*odd_, 0) && warn_) warn_(kNotFinite);
}

namespace {

template <typename T>
std::vector<T> download(const void *from, size_t count, cudaStream_t stream) {
    std::vector<T> values(count);
    check(cudaMemcpyAsync(values.data(), from, count * sizeof(T), cudaMemcpyDeviceToHost, stream),
          "copying a map from the device");
    check(cudaStreamSynchronize(stream), "copying a map from the device");
    return values;
}

template <typename T>
void upload(const std::vector<T> &values, void *to, cudaStream_t stream) {
    check(cudaMemcpyAsync(to, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice,
                          stream),
          "copying a map to the device");
    check(cudaStreamSynchronize(stream), "copying a map to the device");
}

float value_of(float value) {
    return value;
}
float value_of(__half value) {
    return __half2float(value);
}
void set(float value, float &to) {
    to = value;
}
void set(float value, __half &to) {
    to = __float2half_rn(value);
}

}  // namespace

void CudaStages::block(int block) {
    if (!fused_) return Stages::block(block);
    fused_distill(block);
    mix_dispersed(block);
    fused_ecca(block);
}

void CudaStages::read(const void *map, float *chw) {
    const size_t c = channels_.c, plane = pixels();
    with_type([&]<typename T>() {
        const auto values = download<T>(map, plane * c, queue_.stream);
        for (size_t i = 0; i < values.size(); ++i) chw[i % c * plane + i / c] = value_of(values[i]);
    });
}

void CudaStages::write(Map which, const float *chw) {
    const size_t c = channels_.c, plane = pixels();
    with_type([&]<typename T>() {
        std::vector<T> values(plane * c);
        for (size_t i = 0; i < values.size(); ++i) set(chw[i % c * plane + i / c], values[i]);
        upload(values, map(which), queue_.stream);
    });
}

}  // namespace mdrn::cuda
