// SPDX-License-Identifier: BSD-2-Clause
// mdrn-cuda-launches: the launches of a picture on a GPU, as the CUDA backend lists them, for
// cuda-model.sh. They are captured on the emulated device and never run.
#include <cuda_runtime.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "cuda/cudnn.h"
#include "cuda/stages.h"
#include "network.h"

namespace {

using mdrn::cuda::check;

struct Arguments {
    std::string model = "mdrn", precision = "fp16", path = "cudnn";
    int scale = 2, width = 1920, height = 1080;
};

[[noreturn]] void usage() {
    std::fputs(
        "mdrn-cuda-launches [--model NAME|FILE] [--scale N] [--size WxH] [--precision fp16|fp32]\n"
        "                   [--path cudnn|fused]\n",
        stderr);
    std::exit(2);
}

Arguments parse(int argc, char **argv) {
    Arguments arguments;
    for (int i = 1; i < argc; i += 2) {
        const std::string name = argv[i];
        if (i + 1 == argc) usage();
        const char *value = argv[i + 1];
        char rest = 0;
        if (name == "--model")
            arguments.model = value;
        else if (name == "--precision")
            arguments.precision = value;
        else if (name == "--path")
            arguments.path = value;
        else if (name == "--scale"
                     ? std::sscanf(value, "%d%c", &arguments.scale, &rest) != 1
                     : name != "--size" || std::sscanf(value, "%dx%d%c", &arguments.width,
                                                       &arguments.height, &rest) != 2)
            usage();
    }
    if (arguments.width < 1 || arguments.height < 1 ||
        (arguments.precision != "fp16" && arguments.precision != "fp32") ||
        (arguments.path != "cudnn" && arguments.path != "fused") ||
        (arguments.path == "fused" && arguments.precision == "fp32"))
        usage();
    return arguments;
}

// NV12 at the beginning of device memory.
mdrn_image nv12(void *memory, int width, int height) {
    mdrn_image image = {};
    image.size = sizeof image;
    image.memory = MDRN_MEMORY_CUDA;
    image.width = width;
    image.height = height;
    image.layout.model = MDRN_COLOR_YUV;
    image.layout.components = 3;
    image.layout.log2_chroma_w = image.layout.log2_chroma_h = 1;
    image.layout.component[0] = {0, 1, 0, 0, 8};
    image.layout.component[1] = {1, 2, 0, 0, 8};
    image.layout.component[2] = {1, 2, 1, 0, 8};
    image.matrix = 1;
    image.stride[0] = image.stride[1] = (width + 1) / 2 * 2;
    image.data[0] = memory;
    image.data[1] = static_cast<char *>(memory) + image.stride[0] * height;
    return image;
}

mdrn::cuda::DeviceMemory memory_for(int width, int height) {
    return mdrn::cuda::DeviceMemory(size_t(width + 1) * size_t(height + 1) * 2);
}

void print(const char *part, const mdrn::cuda::Launch &launch) {
    const auto &[kernel, grid, block, shared, cost] = launch;
    std::printf("launch\t%s\t%s\t%u\t%u\t%u\t%u\t%zu\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\n", part,
                kernel, grid.x, grid.y, grid.z, block.x * block.y * block.z, shared, cost.read,
                cost.written, cost.multiply_adds, cost.instructions, cost.matrix, cost.halo);
}

// "map", the bytes of a map of C channels, and C; then for each launch "launch", its part of the
// network ("first" for the first two blocks, where gather has nothing to add to yet), its name, its
// grid, a block's threads and dynamic shared memory, and its cost.
void list(const Arguments &arguments) {
    const mdrn::Model model = mdrn::load_model(arguments.model, arguments.scale);
    const bool half = arguments.precision == "fp16";
    const mdrn::Size size = mdrn::computed_size({arguments.width, arguments.height});
    if (arguments.path == "fused" && !mdrn::cuda::can_fuse(model, half))
        throw std::runtime_error("there is no fused path for a model of " +
                                 std::to_string(model.features) + " features: use --path cudnn");
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
    mdrn::cuda::Cudnn cudnn;
    mdrn::cuda::CudaStages stages(model, &cudnn, half, stream, nullptr);
    stages.take(arguments.path == "fused" ? mdrn::cuda::Path::fused : mdrn::cuda::Path::cudnn);
    stages.prepare(size, mdrn::Plan::fast);
    const int width = arguments.width * model.scale, height = arguments.height * model.scale;
    const auto small = memory_for(arguments.width, arguments.height);
    const auto large = memory_for(width, height);

    std::printf("map\t%.0f\t%d\n",
                double(size.width) * size.height * model.features * (half ? 2 : 4), model.features);
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capturing");
    const char *part = "unpack";
    stages.queue().recorder = [&](const mdrn::cuda::Launch &launch) { print(part, launch); };
    stages.unpack(nv12(small.data(), arguments.width, arguments.height));
    part = "head";
    stages.head();
    for (int block = 0; block < mdrn::kBlocks; ++block) {
        part = block < 2 ? "first" : "block";
        stages.block(block);
    }
    part = "tail";
    stages.tail();
    part = "pack";
    stages.pack(nv12(large.data(), width, height));
    cudaGraph_t graph = nullptr;  // never run
    check(cudaStreamEndCapture(stream, &graph), "ending the capture");
    check(cudaGraphDestroy(graph), "giving back what was captured");
}

}  // namespace

int main(int argc, char **argv) {
    const Arguments arguments = parse(argc, argv);
    // The emulated device's memory is the machine's: a part of what is free may be taken.
    const auto free = size_t(sysconf(_SC_AVPHYS_PAGES)) * size_t(sysconf(_SC_PAGESIZE));
    setenv("MDRN_EMULATED_MEMORY", std::to_string(free / 4 * 3).c_str(), 0);
    try {
        list(arguments);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "mdrn-cuda-launches: %s\n", error.what());
        return 1;
    }
}
