// SPDX-License-Identifier: BSD-2-Clause
#include "descriptor.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <span>

namespace emulated::cudnn {

namespace {

std::mutex lock;
std::map<cudnnBackendDescriptor_t, std::unique_ptr<Descriptor>> descriptors;

constexpr int64_t kMany = 16;

struct Rule {
    cudnnBackendDescriptorType_t owner;
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t most;  // elements
    cudnnBackendDescriptorType_t holds = {};
};

constexpr Rule kRules[] = {
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, kMany},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, kMany},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64,
     1},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE,
     1},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_CONV_MODE,
     CUDNN_TYPE_CONVOLUTION_MODE, 1},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64,
     kMany},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64,
     kMany},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64,
     kMany},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64,
     kMany},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
     CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
     CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
     CUDNN_BACKEND_TENSOR_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
     CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE,
     1},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_OPS,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, kMany, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_OPERATION_GRAPH,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1},
    {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
     1, CUDNN_BACKEND_ENGINE_DESCRIPTOR},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE,
     1},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
     kMany},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
     CUDNN_TYPE_VOID_PTR, kMany},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
     1},
};

// What may be read of finalized descriptors.
constexpr Rule kReadable[] = {
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT,
     CUDNN_TYPE_INT64, 1},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_RESULTS,
     CUDNN_TYPE_BACKEND_DESCRIPTOR, kMany, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR},
    {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
     1, CUDNN_BACKEND_ENGINE_DESCRIPTOR},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
     kMany},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
     kMany},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
     CUDNN_TYPE_INT64, 1},
};

const Rule &rule(std::span<const Rule> rules, const Descriptor &descriptor,
                 cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) {
    const auto found = std::ranges::find_if(
        rules, [&](const Rule &r) { return r.owner == descriptor.type && r.name == name; });
    require(found != rules.end(), CUDNN_STATUS_BAD_PARAM,
            "attribute " + std::to_string(name) + " is not one of this descriptor's");
    require(found->type == type, CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE,
            "attribute " + std::to_string(name) + " has another type");
    return *found;
}

size_t size_of(cudnnBackendAttributeType_t type) {
    switch (type) {
        case CUDNN_TYPE_INT64:
        case CUDNN_TYPE_VOID_PTR:
        case CUDNN_TYPE_HANDLE:
        case CUDNN_TYPE_BACKEND_DESCRIPTOR:
            return 8;
        default:
            return 4;
    }
}

// At most size elements of what there is.
template <typename T>
int64_t copy(const std::vector<T> &from, int64_t size, void *to) {
    if (size == 0) return int64_t(from.size());
    require(to, CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "there is nowhere to write the values");
    const size_t count = std::min(from.size(), size_t(size));
    std::copy_n(from.begin(), count, static_cast<T *>(to));
    return int64_t(count);
}

// Into descriptors that the caller has made.
int64_t copy_engines(const Descriptor &from, const Rule &rule, int64_t size, void *to) {
    const bool ranking = from.type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR;
    const std::vector<Engine> engines = ranking ? from.ranking : std::vector{from.engine};
    if (size == 0) return int64_t(engines.size());
    require(to, CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "there is nowhere to write the values");
    const size_t count = std::min(engines.size(), size_t(size));
    for (size_t i = 0; i < count; i++) {
        Descriptor &into = alive(static_cast<cudnnBackendDescriptor_t *>(to)[i]);
        require(into.type == rule.holds && !into.finalized, CUDNN_STATUS_BAD_PARAM,
                "results need descriptors of their type, not finalized");
        into.engine = engines[i];
        into.convolution = from.convolution;
        into.finalized = true;
    }
    return int64_t(count);
}

}  // namespace

std::string &last_error() {
    thread_local std::string text;
    return text;
}

Descriptor &alive(cudnnBackendDescriptor_t descriptor) {
    require(descriptor, CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a descriptor is null");
    std::lock_guard guard(lock);
    const auto at = descriptors.find(descriptor);
    require(at != descriptors.end(), CUDNN_STATUS_BAD_PARAM, "a descriptor is none, or destroyed");
    return *at->second;
}

const Descriptor &Descriptor::other(cudnnBackendAttributeName_t name) const {
    return alive(one<cudnnBackendDescriptor_t>(name));
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t value_type,
                     int64_t count, const void *from) {
    require(!finalized, CUDNN_STATUS_BAD_PARAM, "the descriptor is finalized");
    require(from, CUDNN_STATUS_BAD_PARAM, "there are no values");
    const Rule &r = rule(kRules, *this, name, value_type);
    require(count >= 1 && count <= r.most, CUDNN_STATUS_BAD_PARAM,
            "attribute " + std::to_string(name) + " has another number of elements");
    const auto *bytes = static_cast<const std::byte *>(from);
    Value value{count, {bytes, bytes + size_t(count) * size_of(value_type)}};
    for (int64_t i = 0; r.holds != 0 && i < count; i++) {
        const auto held = static_cast<const cudnnBackendDescriptor_t *>(from)[i];
        require(held, CUDNN_STATUS_BAD_PARAM, "a descriptor is null");
        require(alive(held).type == r.holds, CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE,
                "attribute " + std::to_string(name) + " holds another kind of descriptor");
        require(alive(held).finalized, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
                "a descriptor is used before it is finalized");
    }
    if (value_type == CUDNN_TYPE_HANDLE) {
        require(*static_cast<const cudnnHandle_t *>(from), CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
                "the handle is null");
    }
    values[name] = std::move(value);
}

void Descriptor::get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t value_type,
                     int64_t size, int64_t *count, void *to) const {
    require(finalized, CUDNN_STATUS_NOT_INITIALIZED, "the descriptor is not finalized");
    const Rule &r = rule(kReadable, *this, name, value_type);
    require(size >= 0, CUDNN_STATUS_BAD_PARAM, "a number of elements is negative");
    int64_t written = 0;
    switch (name) {
        case CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT:
            written = copy<int64_t>({kEngines}, size, to);
            break;
        case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
            written = copy<int64_t>({engine.index}, size, to);
            break;
        case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
            written = copy(engine.numerical, size, to);
            break;
        case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
            written = copy(engine.behavior, size, to);
            break;
        case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
            written = copy<int64_t>({engine.workspace}, size, to);
            break;
        default:
            written = copy_engines(*this, r, size, to);
            break;
    }
    if (count) *count = written;
}

}  // namespace emulated::cudnn

using namespace emulated::cudnn;

extern "C" {

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *descriptor) {
    return answer([&] {
        require(descriptor, CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "there is nowhere to write it");
        const auto owns = [type](const Rule &r) { return r.owner == type; };
        require(std::ranges::any_of(kRules, owns) || std::ranges::any_of(kReadable, owns),
                CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED,
                "descriptors of type " + std::to_string(type) + " are not in the stand-in");
        auto made = std::make_unique<Descriptor>(type);
        std::lock_guard guard(lock);
        *descriptor = made.get();
        descriptors[made.get()] = std::move(made);
    });
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
    return answer([&] {
        alive(descriptor);
        std::lock_guard guard(lock);
        descriptors.erase(descriptor);
    });
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void *values) {
    return answer([&] { alive(descriptor).set(name, type, count, values); });
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t size,
                                       int64_t *count, void *values) {
    return answer([&] { alive(descriptor).get(name, type, size, count, values); });
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
    return answer([&] {
        Descriptor &d = alive(descriptor);
        require(!d.finalized, CUDNN_STATUS_BAD_PARAM, "the descriptor is finalized");
        d.finalize();
        d.finalized = true;
    });
}
}
