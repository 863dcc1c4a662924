// SPDX-License-Identifier: BSD-2-Clause
// A stand-in for cuDNN on the emulated device: the graph API's calls, for a graph of one
// convolution of an NHWC map. What the real one refuses, this refuses with the same status
// (cudnn_test compares them); where the real one would crash or go on, this refuses too.
//
//   descriptor  attributes: kept, and checked for name, type and number
//   finalize    what a descriptor must be before others may use it
//   engines     what the heuristics propose; see there for how a test has its say
//   execute     handles, pointers, streams: a plan becomes work on a stream
//   convolve    that work
#pragma once

#include <cudnn.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "engines.h"

namespace emulated::cudnn {

// A refusal: what cudnnGetLastErrorString then says.
struct Refusal {
    cudnnStatus_t status;
    std::string why;
};
inline void require(bool condition, cudnnStatus_t status, const std::string &why) {
    if (!condition) throw Refusal{status, why};
}

struct Value {
    int64_t count = 0;
    std::vector<std::byte> bytes;
};

struct Descriptor {
    explicit Descriptor(cudnnBackendDescriptorType_t type_) : type(type_) {}

    const cudnnBackendDescriptorType_t type;
    bool finalized = false;
    std::map<cudnnBackendAttributeName_t, Value> values;

    // Results, by type: ENGINEHEUR; ENGINECFG, ENGINE and EXECUTION_PLAN.
    std::vector<Engine> ranking;
    Engine engine;
    Convolution convolution;  // also of an operation and a graph

    bool has(cudnnBackendAttributeName_t name) const { return values.contains(name); }
    template <typename T>
    std::vector<T> all(cudnnBackendAttributeName_t name) const {
        std::vector<T> list(values.at(name).bytes.size() / sizeof(T));
        std::memcpy(list.data(), values.at(name).bytes.data(), values.at(name).bytes.size());
        return list;
    }
    template <typename T>
    T one(cudnnBackendAttributeName_t name) const {
        return all<T>(name).at(0);
    }
    // The descriptor that is the value, which must still exist.
    const Descriptor &other(cudnnBackendAttributeName_t name) const;

    void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
             const void *values);
    void get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t size,
             int64_t *count, void *values) const;
    void finalize();
};

Descriptor &alive(cudnnBackendDescriptor_t descriptor);  // throws Refusal

std::string &last_error();  // of this thread

// Every call: a refusal becomes a status and a text.
template <typename Body>
cudnnStatus_t answer(Body body) noexcept {
    try {
        body();
        return CUDNN_STATUS_SUCCESS;
    } catch (const Refusal &refusal) {
        last_error() = refusal.why;
        return refusal.status;
    } catch (const std::bad_alloc &) {
        return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    }
}

}  // namespace emulated::cudnn
