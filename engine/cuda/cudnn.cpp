// SPDX-License-Identifier: BSD-2-Clause
// cuDNN's graph API, called through what dlopen finds: a machine without cuDNN gets a message.
#include "cudnn.h"

#include <cudnn.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "error.h"

static_assert(CUDNN_VERSION >= 90800, "cuDNN's headers must be those of 9.8 or later");

namespace mdrn::cuda {

namespace {

// The calls in use, by their own names. All are in every cuDNN 9.
struct Api {
    decltype(&::cudnnGetVersion) GetVersion;
    decltype(&::cudnnGetCudartVersion) GetCudartVersion;
    decltype(&::cudnnGetErrorString) GetErrorString;
    decltype(&::cudnnGetLastErrorString) GetLastErrorString;
    decltype(&::cudnnCreate) Create;
    decltype(&::cudnnDestroy) Destroy;
    decltype(&::cudnnSetStream) SetStream;
    decltype(&::cudnnBackendCreateDescriptor) CreateDescriptor;
    decltype(&::cudnnBackendDestroyDescriptor) DestroyDescriptor;
    decltype(&::cudnnBackendSetAttribute) SetAttribute;
    decltype(&::cudnnBackendGetAttribute) GetAttribute;
    decltype(&::cudnnBackendFinalize) Finalize;
    decltype(&::cudnnBackendExecute) Execute;
};

// The part of cuDNN that has these calls, which opens the others. libcudnn.so.9, which only passes
// calls on to the parts, aborts the process where one is missing.
constexpr const char *kLibrary = "libcudnn_graph.so.9";
constexpr const char *kInstall =
    "install cuDNN 9 for the CUDA version of the driver (packages cudnn9-cuda-12 or cudnn9-cuda-13 "
    "of NVIDIA's repository) and let the loader find it (ldconfig or LD_LIBRARY_PATH)";

std::string text(size_t version) {
    return std::to_string(version / 10000) + '.' + std::to_string(version / 100 % 100) + '.' +
           std::to_string(version % 100);
}

// cuDNN opens cuBLAS when it first plans, and aborts the process where that is missing. So it is
// opened before, from where cuDNN would look.
void open_cublas(void *cudnn, const Api &api) {
    const std::string name = "libcublasLt.so." + std::to_string(api.GetCudartVersion() / 1000);
    if (dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return;
    const std::string reason = dlerror();

    Dl_serinfo size{};
    dlinfo(cudnn, RTLD_DI_SERINFOSIZE, &size);
    std::vector<char> memory(size.dls_size);
    auto *folders = reinterpret_cast<Dl_serinfo *>(memory.data());
    *folders = size;
    dlinfo(cudnn, RTLD_DI_SERINFO, folders);
    const Dl_serpath *folder = folders->dls_serpath;
    for (unsigned i = 0; i < folders->dls_cnt; i++) {
        const std::string path = std::string(folder[i].dls_name) + '/' + name;
        if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return;
    }
    throw Error(MDRN_ERROR_UNSUPPORTED,
                "cuBLAS, which cuDNN " + text(api.GetVersion()) + " needs, cannot be loaded: " +
                    reason + "; install it (package libcublas-12-* or libcublas-13-*)");
}

Api open_library() {
    void *library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        throw Error(MDRN_ERROR_UNSUPPORTED,
                    std::string("cuDNN cannot be loaded: ") + dlerror() + "; " + kInstall);
    }
    const auto find = [library](auto &function, const char *name) {
        void *symbol = dlsym(library, name);
        if (!symbol) {
            throw Error(MDRN_ERROR_UNSUPPORTED, std::string(kLibrary) + " lacks " + name +
                                                    ": it is damaged or not cuDNN 9; " + kInstall);
        }
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
    };
    Api api{};
    find(api.GetVersion, "cudnnGetVersion");
    find(api.GetCudartVersion, "cudnnGetCudartVersion");
    find(api.GetErrorString, "cudnnGetErrorString");
    find(api.GetLastErrorString, "cudnnGetLastErrorString");
    find(api.Create, "cudnnCreate");
    find(api.Destroy, "cudnnDestroy");
    find(api.SetStream, "cudnnSetStream");
    find(api.CreateDescriptor, "cudnnBackendCreateDescriptor");
    find(api.DestroyDescriptor, "cudnnBackendDestroyDescriptor");
    find(api.SetAttribute, "cudnnBackendSetAttribute");
    find(api.GetAttribute, "cudnnBackendGetAttribute");
    find(api.Finalize, "cudnnBackendFinalize");
    find(api.Execute, "cudnnBackendExecute");
    open_cublas(library, api);
    return api;
}

// Opened once, never closed: cuDNN leaves threads and handlers behind.
const Api &api() {
    static const Api opened = open_library();
    return opened;
}

void check(cudnnStatus_t status, const std::string &what) {
    if (status == CUDNN_STATUS_SUCCESS) return;
    std::array<char, 512> reason{};
    api().GetLastErrorString(reason.data(), reason.size());
    const bool memory = status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
                        status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
    throw Error(memory ? MDRN_ERROR_OUT_OF_MEMORY : MDRN_ERROR_DEVICE,
                "cuDNN " + Cudnn::version() + " failed at " + what + ": " +
                    api().GetErrorString(status) + (reason[0] ? ": " : "") + reason.data());
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
        check(api().CreateDescriptor(type, &descriptor_), "making a descriptor");
    }
    ~Descriptor() {
        if (descriptor_) api().DestroyDescriptor(descriptor_);
    }
    Descriptor(Descriptor &&other) noexcept : descriptor_(std::exchange(other.descriptor_, {})) {}
    Descriptor &operator=(Descriptor &&other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }

    cudnnBackendDescriptor_t get() const { return descriptor_; }

    void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
             const void *values) {
        check(api().SetAttribute(descriptor_, name, type, count, values),
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

    cudnnStatus_t try_finalize() { return api().Finalize(descriptor_); }
    void finalize(const char *what) { check(try_finalize(), what); }

    // Fills at most `size` values; returns how many it filled, or with size 0 how many there are.
    int64_t read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, size_t size,
                 void *values) const {
        int64_t count = 0;
        check(api().GetAttribute(descriptor_, name, type, int64_t(size), &count, values),
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
    check(api().SetStream(handle_, stream), "taking the stream");
    check(api().Execute(handle_, plan.get(), pack.get()), "running the " + text(shape_));
}

}  // namespace

// A device that is here, or one that is described.
struct Cudnn::Target {
    cudnnHandle_t handle = nullptr;
    std::unique_ptr<Descriptor> device;

    ~Target() {
        if (handle) api().Destroy(handle);
    }

    std::vector<std::unique_ptr<Plan>> propose(const ConvolutionShape &shape,
                                               const std::shared_ptr<const Graph> &graph,
                                               cudnnBackendHeurMode_t mode) const;
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

// cuDNN's ranking of the engines for a graph, fastest first, less those that are none for us.
std::vector<std::unique_ptr<Plan>> Cudnn::Target::propose(const ConvolutionShape &shape,
                                                          const std::shared_ptr<const Graph> &graph,
                                                          cudnnBackendHeurMode_t mode) const {
    Descriptor ranking(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    ranking.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph->graph);
    ranking.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (device) ranking.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *device);
    if (ranking.try_finalize() != CUDNN_STATUS_SUCCESS) return {};

    const int64_t count =
        ranking.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
    std::vector<std::unique_ptr<Plan>> plans;
    std::vector<cudnnBackendDescriptor_t> configs;
    for (int64_t i = 0; i < count; i++) {
        plans.push_back(std::make_unique<Plan>(handle, shape));
        plans.back()->graph = graph;
        configs.push_back(plans.back()->config.get());
    }
    plans.resize(ranking.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                              configs.size(), configs.data()));
    std::erase_if(plans, [&shape](const auto &plan) { return !suits(shape, *plan); });
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
    check(api().Create(&target_->handle), "opening it for the device");
}

Cudnn::Cudnn(const std::string &device) : target_(std::make_unique<Target>()) {
    target_->device = std::make_unique<Descriptor>(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    target_->device->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                         int64_t(device.size()), device.data());
    target_->device->finalize("reading a device's description");
}

Cudnn::~Cudnn() = default;

std::string Cudnn::version() {
    return text(api().GetVersion());
}

std::shared_ptr<const ConvolutionPlan> Cudnn::plan(const ConvolutionShape &shape) {
    const auto known = plans_.find(shape);
    if (known != plans_.end()) return known->second;

    const auto graph = std::make_shared<const Graph>(make_graph(shape, target_->handle));
    for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
        auto plans = target_->propose(shape, graph, mode);
        // For some widths the ranking begins with an engine that leaves the tensor cores idle. What
        // is compiled at run time comes last, since a first frame waits for it.
        std::ranges::stable_sort(plans, {}, [&shape](const auto &plan) {
            return std::pair(shape.half && !plan->tensor_cores, plan->compiled);
        });
        for (auto &plan : plans) {
            if (target_->finalize(*plan)) return plans_[shape] = std::move(plan);
        }
    }
    return plans_[shape] = nullptr;
}

}  // namespace mdrn::cuda
