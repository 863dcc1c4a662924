// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/transfer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cuda/arena.h"
#include "cuda/launch.h"

namespace mdrn::cuda {
namespace {

// What one plane of a picture is in memory, whatever is in it.
struct PlaneShape {
    int rows = 0;
    size_t bytes = 0;  // of a row
};

PlaneShape plane_shape(const mdrn_image &image, int plane) {
    const mdrn_layout &layout = image.layout;
    PlaneShape shape;
    for (int i = 0; i < layout.components; ++i) {
        const mdrn_component &c = layout.component[i];
        if (c.plane != plane) continue;
        const bool chroma = layout.model == MDRN_COLOR_YUV && (i == 1 || i == 2);
        const int columns = ((image.width - 1) >> (chroma ? layout.log2_chroma_w : 0)) + 1;
        const int bits = c.shift + c.depth;
        const int word = bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
        shape.rows = ((image.height - 1) >> (chroma ? layout.log2_chroma_h : 0)) + 1;
        shape.bytes = std::max(shape.bytes, size_t(columns - 1) * c.step + c.offset + word);
    }
    return shape;
}

// image with planes that follow each other from `first` on; bytes becomes their sum.
mdrn_image contiguous(const mdrn_image &image, char *first, size_t &bytes) {
    constexpr size_t kPitch = 256;
    mdrn_image result = image;
    bytes = 0;
    for (int p = 0; p < 4; ++p) {
        const PlaneShape shape = plane_shape(image, p);
        const size_t pitch = (shape.bytes + kPitch - 1) / kPitch * kPitch;
        result.data[p] = shape.rows ? first + bytes : nullptr;
        result.stride[p] = ptrdiff_t(pitch);
        bytes += pitch * size_t(shape.rows);
    }
    return result;
}

void copy_planes(const mdrn_image &from, const mdrn_image &to) {
    for (int p = 0; p < 4; ++p) {
        const PlaneShape shape = plane_shape(from, p);
        for (int y = 0; y < shape.rows; ++y)
            std::memcpy(static_cast<char *>(to.data[p]) + y * to.stride[p],
                        static_cast<const char *>(from.data[p]) + y * from.stride[p], shape.bytes);
    }
}

// The same memory twice: pinned on the host, and on the GPU.
class Staging {
public:
    Staging() = default;
    ~Staging() { cudaFreeHost(host_); }
    Staging(const Staging &) = delete;

    void reserve(size_t bytes) {
        if (bytes <= bytes_) return;
        bytes_ = 0;
        device_ = {};  // waits for what is under way
        cudaFreeHost(std::exchange(host_, nullptr));
        check(cudaMallocHost(reinterpret_cast<void **>(&host_), bytes), "allocating pinned memory");
        device_ = DeviceMemory(bytes);
        bytes_ = bytes;
    }
    char *host() const { return host_; }
    char *device() const { return static_cast<char *>(device_.data()); }

private:
    char *host_ = nullptr;
    DeviceMemory device_;
    size_t bytes_ = 0;
};

bool on_gpu(const mdrn_image &image) {
    return image.memory == MDRN_MEMORY_CUDA;
}

}  // namespace

struct Transfer::Slot {
    Staging in, out;
    mdrn_image image = {};  // where the picture goes
    Event uploaded, packed, downloaded;
};

Transfer::Transfer(const Context &context, int depth) : context_(context) {
    for (int i = 0; i < depth; ++i) free_.push_back(std::make_unique<Slot>());
}

Transfer::~Transfer() {
    cudaStreamSynchronize(up_);
    cudaStreamSynchronize(down_);
}

void Transfer::take_slot() {
    current_ = std::move(free_.back());
    free_.pop_back();
}

mdrn_image Transfer::upload(const mdrn_image &image, cudaStream_t stream) {
    if (current_)  // left behind: its copy may be under way
        check(cudaStreamSynchronize(up_), "waiting for a copy");
    else
        take_slot();
    if (on_gpu(image)) return image;
    size_t bytes = 0;
    contiguous(image, nullptr, bytes);
    Staging &staging = current_->in;
    // The slot's last picture may have gone into CUDA memory, for which nobody waited.
    check(cudaEventSynchronize(current_->uploaded), "waiting for a copy");
    check(cudaStreamWaitEvent(up_, current_->packed, 0), "waiting for a picture");
    staging.reserve(bytes);
    copy_planes(image, contiguous(image, staging.host(), bytes));
    check(cudaMemcpyAsync(staging.device(), staging.host(), bytes, cudaMemcpyHostToDevice, up_),
          "copying a picture to the GPU");
    check(cudaEventRecord(current_->uploaded, up_), "marking a stream");
    check(cudaStreamWaitEvent(stream, current_->uploaded, 0), "waiting for a copy");
    return contiguous(image, staging.device(), bytes);
}

mdrn_image Transfer::target(const mdrn_image &image) {
    if (!current_) take_slot();
    if (on_gpu(image)) return image;
    size_t bytes = 0;
    contiguous(image, nullptr, bytes);
    current_->out.reserve(bytes);
    return contiguous(image, current_->out.device(), bytes);
}

void Transfer::download(const mdrn_image &image, cudaStream_t stream) {
    current_->image = image;
    check(cudaEventRecord(current_->packed, stream), "marking a stream");
    if (!on_gpu(image)) {
        const Staging &staging = current_->out;
        size_t bytes = 0;
        contiguous(image, nullptr, bytes);
        check(cudaStreamWaitEvent(down_, current_->packed, 0), "waiting for a picture");
        check(
            cudaMemcpyAsync(staging.host(), staging.device(), bytes, cudaMemcpyDeviceToHost, down_),
            "copying a picture from the GPU");
        check(cudaEventRecord(current_->downloaded, down_), "marking a stream");
    }
    in_flight_.push_back(std::move(current_));
}

void Transfer::finish() {
    std::unique_ptr<Slot> slot = std::move(in_flight_.front());
    in_flight_.pop_front();
    const mdrn_image image = slot->image;
    free_.push_back(std::move(slot));
    if (on_gpu(image)) return;
    const Current current(context_);
    check(cudaEventSynchronize(free_.back()->downloaded), "waiting for a picture");
    size_t bytes = 0;
    copy_planes(contiguous(image, free_.back()->out.host(), bytes), image);
}

}  // namespace mdrn::cuda
