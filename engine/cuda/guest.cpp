// SPDX-License-Identifier: BSD-2-Clause
// What libmdrn gets from libmdrn_cuda.so: the stages in a context that is lent or its own, pictures
// in either memory, and a CUDA graph of all that lies between unpack and pack.
#include <memory>
#include <string>
#include <utility>

#include "cuda/context.h"
#include "cuda/cudnn.h"
#include "cuda/path.h"
#include "cuda/plugin.h"
#include "cuda/stages.h"
#include "cuda/stream.h"
#include "cuda/transfer.h"

namespace mdrn::cuda {
namespace {

// What the network enqueues, recorded the second time and launched as one from then on.
class Recording {
public:
    // stream: of nobody else, outlives this. Nothing may be captured on one that is lent: it may be
    // the default one.
    explicit Recording(cudaStream_t stream) : stream_(stream) {}
    ~Recording() { forget(); }

    // Whether it was repeated; else queue may have changed, until end().
    bool begin(Queue &queue) {
        if (graph_) {
            check(cudaGraphLaunch(graph_, queue.stream), "launching the network");
            return true;
        }
        if (seen_) {
            check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal),
                  "recording the network");
            target_ = std::exchange(queue.stream, stream_);
            recording_ = true;
        }
        return false;
    }

    void end(Queue &queue) {
        seen_ = true;
        if (!recording_) return;
        cudaGraph_t recorded = nullptr;
        check(stop(queue, &recorded), "recording the network");
        const cudaError_t result = cudaGraphInstantiate(&graph_, recorded, 0);
        cudaGraphDestroy(recorded);
        check(result, "recording the network");
        check(cudaGraphLaunch(graph_, queue.stream), "launching the network");
    }

    // Leaves a recording that an error has cut off.
    void abandon(Queue &queue) {
        if (!recording_) return;
        cudaGraph_t cut = nullptr;
        if (stop(queue, &cut) == cudaSuccess) cudaGraphDestroy(cut);
        cudaGetLastError();
        recording_ = false;
    }

    void forget() {
        if (graph_) cudaGraphExecDestroy(graph_);
        graph_ = nullptr;
        seen_ = false;
    }

private:
    cudaError_t stop(Queue &queue, cudaGraph_t *recorded) {
        queue.stream = target_;
        const cudaError_t result = cudaStreamEndCapture(stream_, recorded);
        recording_ = result != cudaSuccess;
        return result;
    }

    const cudaStream_t stream_;
    cudaStream_t target_ = nullptr;
    cudaGraphExec_t graph_ = nullptr;
    bool seen_ = false, recording_ = false;
};

// All that belongs to the context: made and destroyed while that is current.
struct Inside {
    Inside(const Context &context, const Model &model, const CudaOptions &options,
           const WarnOnce &warn)
        : own(options.context ? nullptr : std::make_unique<Stream>()),
          stream(own ? cudaStream_t(*own) : static_cast<cudaStream_t>(options.stream)),
          stages(model, &cudnn, options.half, stream, warn),
          recording(recorded),
          transfer(context, options.async_depth) {
        stages.take(choose_path(context, model, options, &cudnn, stream, warn));
    }
    ~Inside() {
        recording.abandon(stages.queue());
        cudaStreamSynchronize(stream);
    }

    std::unique_ptr<Stream> own;
    const cudaStream_t stream;
    const Stream recorded;  // cuDNN keeps the last stream that it was given, so it goes after it
    Cudnn cudnn;
    CudaStages stages;
    Recording recording;
    Transfer transfer;
};

class GuestStages final : public Stages {
public:
    GuestStages(const Model &model, const CudaOptions &options, const WarnOnce &warn)
        : context_(options),
          description_(context_.description() + (options.half ? ", fp16" : ", fp32")) {
        const Current current(context_);
        inside_ = std::make_unique<Inside>(context_, model, options, warn);
    }
    ~GuestStages() override {
        try {
            const Current current(context_);
            inside_.reset();
        } catch (const Error &) {
            (void)inside_.release();  // the context is gone, and with it what was there
        }
    }

    std::string description() const override { return description_; }
    bool reaches(mdrn_memory) const override { return true; }
    uint64_t free_memory() const override {
        const Current current(context_);
        return inside_->stages.free_memory();
    }
    uint64_t memory_needed(Size size, Plan plan) const override {
        const Current current(context_);
        return inside_->stages.memory_needed(size, plan);
    }
    void prepare(Size size, Plan plan) override {
        const Current current(context_);
        inside_->recording.forget();
        inside_->stages.prepare(size, plan);
    }

    void unpack(const mdrn_image &image) override {
        const Current current(context_);
        inside_->stages.unpack(inside_->transfer.upload(image, inside_->stream));
    }
    bool begin() override {
        const Current current(context_);
        return !inside_->recording.begin(inside_->stages.queue());
    }
    void head() override {
        run([&](CudaStages &stages) { stages.head(); });
    }
    void distill(int block) override {
        run([&](CudaStages &stages) { stages.distill(block); });
    }
    void mdsa(int block) override {
        run([&](CudaStages &stages) { stages.mdsa(block); });
    }
    void ecca(int block) override {
        run([&](CudaStages &stages) { stages.ecca(block); });
    }
    void gather(int block) override {
        run([&](CudaStages &stages) { stages.gather(block); });
    }
    void block(int block) override {
        run([&](CudaStages &stages) { stages.block(block); });
    }
    void tail() override {
        run([&](CudaStages &stages) { stages.tail(); });
    }
    void end() override {
        run([&](CudaStages &stages) { inside_->recording.end(stages.queue()); });
    }
    void pack(const mdrn_image &image) override {
        const Current current(context_);
        inside_->stages.pack(inside_->transfer.target(image));
        inside_->transfer.download(image, inside_->stream);
    }
    void finish() override {
        inside_->transfer.finish();
        inside_->stages.warn_of_odd();
    }

private:
    template <typename Run>
    void run(const Run &stage) {
        try {
            const Current current(context_);
            stage(inside_->stages);
        } catch (...) {
            abandon();
            throw;
        }
    }
    // While a thread records, it cannot free memory, be it the caller's.
    void abandon() {
        try {
            const Current current(context_);
            inside_->recording.abandon(inside_->stages.queue());
        } catch (const Error &) {
            return;  // the context is gone
        }
    }

    Context context_;
    const std::string description_;
    std::unique_ptr<Inside> inside_;
};

std::unique_ptr<Stages> make(const Model &model, const CudaOptions &options, WarnOnce warn) {
    return std::make_unique<GuestStages>(model, options, warn);
}

constexpr Plugin kPlugin{kPluginVersion, MDRN_BUILD_ID, make};

}  // namespace
}  // namespace mdrn::cuda

extern "C" __attribute__((visibility("default"))) const mdrn::cuda::Plugin *mdrn_cuda_plugin() {
    return &mdrn::cuda::kPlugin;
}
