// SPDX-License-Identifier: BSD-2-Clause
// The CUDA stages behind the interface that tests of host stages use: RGB planes go to the device
// and come back as float pictures, by unpack and pack.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "cuda/cudnn.h"
#include "cuda/stages.h"
#include "host.h"
#include "picture.h"

namespace mdrn::test {

// Device memory with a picture's planes at the same distances as in host memory.
class DevicePicture {
public:
    explicit DevicePicture(Picture &picture) : picture_(picture) {
        for (int p = 0; p < 4; ++p) memory_[p] = cuda::DeviceMemory(picture.memory[p].size() + 1);
    }
    mdrn_image upload() const {
        mdrn_image image = picture_.image;
        image.memory = MDRN_MEMORY_CUDA;
        for (int p = 0; p < 4; ++p) {
            const std::vector<uint8_t> &host = picture_.memory[p];
            if (host.empty()) continue;
            cuda::check(
                cudaMemcpy(memory_[p].data(), host.data(), host.size(), cudaMemcpyHostToDevice),
                "uploading a picture");
            image.data[p] = static_cast<uint8_t *>(memory_[p].data()) +
                            (static_cast<uint8_t *>(picture_.image.data[p]) - host.data());
        }
        // Which other streams do not wait for.
        cuda::check(cudaDeviceSynchronize(), "uploading a picture");
        return image;
    }
    // After all work of the stream.
    void download(cudaStream_t stream) {
        cuda::check(cudaStreamSynchronize(stream), "computing a picture");
        for (int p = 0; p < 4; ++p) {
            std::vector<uint8_t> &host = picture_.memory[p];
            if (host.empty()) continue;
            cuda::check(
                cudaMemcpy(host.data(), memory_[p].data(), host.size(), cudaMemcpyDeviceToHost),
                "downloading a picture");
        }
    }

private:
    Picture &picture_;
    cuda::DeviceMemory memory_[4];
};

// A context, a stream that waits for no other, and cuDNN where the convolutions are its own.
struct Device {
    explicit Device(bool with_cudnn = true) {
        cuda::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
        if (with_cudnn) cudnn = std::make_unique<cuda::Cudnn>();
    }
    ~Device() {
        cudnn.reset();
        cudaStreamDestroy(stream);
    }
    cudaStream_t stream = nullptr;
    std::unique_ptr<cuda::Cudnn> cudnn;
};

class DeviceStages final : public HostStages {
public:
    DeviceStages(const Model &model, const Device &device, bool fp16,
                 cuda::Path path = cuda::Path::cudnn)
        : HostStages(nullptr),
          scale_(model.scale),
          cuda_(model, device.cudnn.get(), fp16, device.stream, nullptr) {
        cuda_.take(path);
    }

    std::string description() const override { return cuda_.description(); }
    uint64_t memory_needed(Size size, Plan plan) const override {
        return cuda_.memory_needed(size, plan);
    }
    void prepare(Size size, Plan plan) override {
        cuda_.prepare(size, plan);
        rgb_ = {size};
        hr_ = {{size.width * scale_, size.height * scale_}};
    }
    void head() override {
        Picture picture(rgb_.size.width, rgb_.size.height, layout());
        copy(picture, rgb_, true);
        const DevicePicture device(picture);
        cuda_.unpack(device.upload());
        cuda_.head();
        cuda_.finish();
    }
    void distill(int block) override { cuda_.distill(block); }
    void mdsa(int block) override { cuda_.mdsa(block); }
    void ecca(int block) override { cuda_.ecca(block); }
    void gather(int block) override { cuda_.gather(block); }
    void block(int block) override { cuda_.block(block); }
    void tail() override {
        cuda_.tail();
        Picture picture(hr_.size.width, hr_.size.height, layout());
        DevicePicture device(picture);
        cuda_.pack(device.upload());
        device.download(cuda_.queue().stream);
        copy(picture, hr_, false);
    }
    void finish() override { cuda_.finish(); }

    Planes rgb() override { return rgb_.planes(); }
    Planes hr() override { return hr_.planes(); }
    void read(Map map, float *chw) override { cuda_.read(map, chw); }
    void write(Map map, const float *chw) override { cuda_.write(map, chw); }

    cuda::CudaStages &cuda() { return cuda_; }

private:
    struct Rgb {
        Rgb(Size s = {}) : size(s), values(3 * size_t(s.width) * size_t(s.height)) {}
        Planes planes() {
            return {values.data(), size, size.width, ptrdiff_t(size.width) * size.height};
        }
        Size size;
        std::vector<float> values;
    };

    static mdrn_layout layout() { return planar(MDRN_COLOR_RGB, 3, 32, 0, 0, true); }
    static void copy(Picture &picture, Rgb &rgb, bool to_picture) {
        const size_t row = sizeof(float) * rgb.size.width;
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < rgb.size.height; ++y) {
                float *line = &rgb.values[(size_t(c) * rgb.size.height + y) * rgb.size.width];
                uint8_t *bytes = picture.at(c, y, 0);
                to_picture ? std::memcpy(bytes, line, row) : std::memcpy(line, bytes, row);
            }
    }

    const int scale_;
    cuda::CudaStages cuda_;
    Rgb rgb_, hr_;
};

}  // namespace mdrn::test
