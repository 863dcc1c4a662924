// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/cudnn.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "cuda/cudnn_library.h"
#include "error.h"

namespace mdrn::cuda {

namespace {

void check(cudnnStatus_t status, const std::string &what) {
    if (status == CUDNN_STATUS_SUCCESS) return;
    std::array<char, 512> reason{};
    cudnn_calls().GetLastErrorString(reason.data(), reason.size());
    const bool memory = status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
                        status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
    throw Error(memory ? MDRN_ERROR_OUT_OF_MEMORY : MDRN_ERROR_DEVICE,
                "cuDNN " + Cudnn::version() + " failed at " + what + ": " +
                    cudnn_calls().GetErrorString(status) + (reason[0] ? ": " : "") + reason.data());
}

std::string text(const ConvolutionShape &shape) {
    const std::string kernel = std::to_string(shape.kernel);
    return kernel + 'x' + kernel + " convolution " + std::to_string(shape.inputs) + " to " +
           std::to_string(shape.outputs) + (shape.accumulate ? " with a sum" : "") + ", " +
           std::to_string(shape.width) + 'x' + std::to_string(shape.height) +
           (shape.half ? ", fp16" : ", fp32");
}

// Descriptors that something else was made from must live as long as it.
class Descriptor {
public:
    explicit Descriptor(cudnnBackendDescriptorType_t type) {
        check(cudnn_calls().CreateDescriptor(type, &descriptor_), "making a descriptor");
    }
    ~Descriptor() {
        if (descriptor_) cudnn_calls().DestroyDescriptor(descriptor_);
    }
    Descriptor(Descriptor &&other) noexcept : descriptor_(std::exchange(other.descriptor_, {})) {}
    Descriptor &operator=(Descriptor &&other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }

    cudnnBackendDescriptor_t get() const { return descriptor_; }

    void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
             const void *values) {
        check(cudnn_calls().SetAttribute(descriptor_, name, type, count, values),
              "setting attribute " + std::to_string(name));
    }
    template <typename T>
    void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T &value) {
        set(name, type, 1, &value);
    }
    void set(cudnnBackendAttributeName_t name, std::span<const int64_t> values) {
        set(name, CUDNN_TYPE_INT64, int64_t(values.size()), values.data());
    }
    void set(cudnnBackendAttributeName_t name, const Descriptor &value) {
        set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.descriptor_);
    }

    cudnnStatus_t try_finalize() { return cudnn_calls().Finalize(descriptor_); }
    void finalize(const char *what) { check(try_finalize(), what); }

    // Fills at most `size` values; returns how many it filled, or with size 0 how many there are.
    int64_t read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, size_t size,
                 void *values) const {
        int64_t count = 0;
        check(cudnn_calls().GetAttribute(descriptor_, name, type, int64_t(size), &count, values),
              "reading attribute " + std::to_string(name));
        return count;
    }

private:
    cudnnBackendDescriptor_t descriptor_ = nullptr;
};

enum Tensor : int64_t { kX = 1, kWeight, kY };  // unique ids

Descriptor tensor(Tensor name, cudnnDataType_t type, std::array<int64_t, 4> nchw) {
    const auto [n, c, h, w] = nchw;
    const std::array<int64_t, 4> strides{h * w * c, 1, w * c, c};  // NHWC
    Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, int64_t{name});
    d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type);
    d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, nchw);
    d.set(CUDNN_ATTR_TENSOR_STRIDES, strides);
    d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, int64_t{16});
    d.finalize("a tensor");
    return d;
}

Descriptor convolution(int64_t kernel) {
    const std::array<int64_t, 2> ones{1, 1}, padding{kernel / 2, kernel / 2};
    Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, int64_t{2});
    d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
    d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, padding);
    d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, padding);
    d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, ones);
    d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, ones);
    d.finalize("a convolution");
    return d;
}

// A graph and what it is made of.
struct Graph {
    std::vector<Descriptor> parts;
    Descriptor graph{CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR};
};

Graph make_graph(const ConvolutionShape &shape, cudnnHandle_t handle) {
    const cudnnDataType_t type = shape.half ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
    const int64_t h = shape.height, w = shape.width, k = shape.kernel;
    Graph g;
    const auto keep = [&g](Descriptor d) {
        g.parts.push_back(std::move(d));
        return g.parts.back().get();
    };
    Descriptor forward(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    forward.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                keep(tensor(kX, type, {1, shape.inputs, h, w})));
    forward.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                keep(tensor(kWeight, type, {shape.outputs, shape.inputs, k, k})));
    forward.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                keep(tensor(kY, type, {1, shape.outputs, h, w})));
    forward.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                keep(convolution(k)));
    // y = alpha conv(x) + beta y: a sum this way needs nothing compiled at run time, as it would as
    // an operation of its own.
    forward.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1.0F);
    forward.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT,
                shape.accumulate ? 1.0F : 0.0F);
    forward.finalize("a convolution's operation");

    if (handle) g.graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle);
    g.graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, forward);
    keep(std::move(forward));
    g.graph.finalize("a graph");
    return g;
}

class Plan final : public ConvolutionPlan {
public:
    Plan(cudnnHandle_t handle, const ConvolutionShape &shape) : handle_(handle), shape_(shape) {}
    void run(const void *x, const void *weight, void *y, void *workspace,
             cudaStream_t stream) const override;

    std::shared_ptr<const Graph> graph;
    std::optional<Descriptor> chosen;  // an engine that no ranking proposed
    Descriptor config{CUDNN_BACKEND_ENGINECFG_DESCRIPTOR};
    Descriptor plan{CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR};

private:
    cudnnHandle_t handle_;
    ConvolutionShape shape_;
};

void Plan::run(const void *x, const void *weight, void *y, void *place, cudaStream_t stream) const {
    const std::array<int64_t, 3> names{kX, kWeight, kY};
    const std::array<const void *, 3> pointers{x, weight, y};
    Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, names);
    pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, int64_t(pointers.size()),
             pointers.data());
    pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, place);
    pack.finalize("naming a graph's tensors");
    check(cudnn_calls().SetStream(handle_, stream), "taking the stream");
    check(cudnn_calls().Execute(handle_, plan.get(), pack.get()), "running the " + text(shape_));
}

}  // namespace

// A device that is here, or one that is described.
struct Cudnn::Target {
    using Plans = std::vector<std::unique_ptr<Plan>>;

    cudnnHandle_t handle = nullptr;
    std::unique_ptr<Descriptor> device;

    ~Target() {
        if (handle) cudnn_calls().Destroy(handle);
    }

    Plans ranked(const ConvolutionShape &shape, const std::shared_ptr<const Graph> &graph,
                 cudnnBackendHeurMode_t mode) const;
    Plans unranked(const ConvolutionShape &shape, const std::shared_ptr<const Graph> &graph) const;
    bool finalize(Plan &plan) const;
};

namespace {

// Fills in what the engine says of itself. False where it is none for us.
bool suits(const ConvolutionShape &shape, Plan &plan) {
    Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    auto raw = engine.get();
    plan.config.read(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
    engine.read(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &plan.engine);

    std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> numerical{};
    std::array<cudnnBackendBehaviorNote_t, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT> behavior{};
    const int64_t numericals =
        engine.read(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, numerical.size(),
                    numerical.data());
    const int64_t behaviors = engine.read(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                          behavior.size(), behavior.data());
    const auto noted = [](const auto &notes, int64_t count, auto note) {
        return std::find(notes.begin(), notes.begin() + count, note) != notes.begin() + count;
    };
    plan.tensor_cores = noted(numerical, numericals, CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
    plan.compiled = noted(behavior, behaviors, CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION);
    for (const auto unwanted :
         {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
          CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION, CUDNN_NUMERICAL_NOTE_FFT,
          CUDNN_NUMERICAL_NOTE_WINOGRAD}) {
        if (noted(numerical, numericals, unwanted)) return false;
    }
    return shape.half || !plan.tensor_cores;
}

}  // namespace

// cuDNN's ranking of the engines for a graph, fastest first.
Cudnn::Target::Plans Cudnn::Target::ranked(const ConvolutionShape &shape,
                                           const std::shared_ptr<const Graph> &graph,
                                           cudnnBackendHeurMode_t mode) const {
    Descriptor ranking(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    ranking.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph->graph);
    ranking.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (device) ranking.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *device);
    if (ranking.try_finalize() != CUDNN_STATUS_SUCCESS) return {};

    const int64_t count =
        ranking.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
    Plans plans;
    std::vector<cudnnBackendDescriptor_t> configs;
    for (int64_t i = 0; i < count; i++) {
        plans.push_back(std::make_unique<Plan>(handle, shape));
        plans.back()->graph = graph;
        configs.push_back(plans.back()->config.get());
    }
    plans.resize(ranking.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                              configs.size(), configs.data()));
    return plans;
}

// Every engine that takes the graph, as it is without a ranking's advice.
Cudnn::Target::Plans Cudnn::Target::unranked(const ConvolutionShape &shape,
                                             const std::shared_ptr<const Graph> &graph) const {
    int64_t count = 0;
    graph->graph.read(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64, 1, &count);
    Plans plans;
    for (int64_t i = 0; i < count; i++) {
        Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
        engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph->graph);
        engine.set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, i);
        if (device) engine.set(CUDNN_ATTR_ENGINE_DEVICEPROP, *device);
        if (engine.try_finalize() != CUDNN_STATUS_SUCCESS) continue;
        auto plan = std::make_unique<Plan>(handle, shape);
        plan->graph = graph;
        plan->config.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
        if (plan->config.try_finalize() != CUDNN_STATUS_SUCCESS) continue;
        plan->chosen = std::move(engine);
        plans.push_back(std::move(plan));
    }
    return plans;
}

// False where the engine refuses after all, or wants too much memory.
bool Cudnn::Target::finalize(Plan &plan) const {
    if (handle) plan.plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle);
    if (device) plan.plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *device);
    plan.plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, plan.config);
    if (plan.plan.try_finalize() != CUDNN_STATUS_SUCCESS) return false;
    int64_t bytes = 0;
    plan.plan.read(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &bytes);
    plan.workspace = size_t(bytes);
    return plan.workspace <= kConvolutionWorkspace;
}

Cudnn::Cudnn() : target_(std::make_unique<Target>()) {
    check(cudnn_calls().Create(&target_->handle), "opening it for the device");
}

Cudnn::Cudnn(const std::string &device) : target_(std::make_unique<Target>()) {
    target_->device = std::make_unique<Descriptor>(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    target_->device->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                         int64_t(device.size()), device.data());
    target_->device->finalize("reading a device's description");
}

Cudnn::~Cudnn() = default;

std::string Cudnn::version() {
    const size_t version = cudnn_calls().GetVersion();
    return std::to_string(version / 10000) + '.' + std::to_string(version / 100 % 100) + '.' +
           std::to_string(version % 100);
}

std::shared_ptr<const ConvolutionPlan> Cudnn::plan(const ConvolutionShape &shape) {
    const auto known = plans_.find(shape);
    if (known != plans_.end()) return known->second;

    const auto graph = std::make_shared<const Graph>(make_graph(shape, target_->handle));
    const std::function<Target::Plans()> sources[] = {
        [&] { return target_->ranked(shape, graph, CUDNN_HEUR_MODE_A); },
        [&] { return target_->ranked(shape, graph, CUDNN_HEUR_MODE_FALLBACK); },
        [&] { return target_->unranked(shape, graph); },
    };
    Target::Plans idle;
    for (const auto &source : sources) {
        Target::Plans plans = source();
        std::erase_if(plans, [&shape](const auto &plan) { return !suits(shape, *plan); });
        // A first frame waits for what is compiled at run time.
        std::ranges::stable_sort(plans, {}, [](const auto &plan) { return plan->compiled; });
        for (auto &plan : plans) {
            // For some widths the rankings have tensor cores only with much workspace.
            if (shape.half && !plan->tensor_cores) {
                idle.push_back(std::move(plan));
            } else if (target_->finalize(*plan)) {
                return plans_[shape] = std::move(plan);
            }
        }
    }
    for (auto &plan : idle) {
        if (target_->finalize(*plan)) return plans_[shape] = std::move(plan);
    }
    return plans_[shape] = nullptr;
}

}  // namespace mdrn::cuda
