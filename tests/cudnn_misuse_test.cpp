// SPDX-License-Identifier: BSD-2-Clause
// The graph API used wrongly: the stand-in for cuDNN refuses what the real one refuses, with the
// same status. What the real one lets pass or crashes on, the stand-in refuses as well.
#include <cuda_runtime.h>
#include <cudnn.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace {

using Descriptor = cudnnBackendDescriptor_t;
using Integers = std::vector<int64_t>;

struct Library {
    explicit Library(const char *path) : handle(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
        if (!handle) return;
        find(create_, "cudnnBackendCreateDescriptor");
        find(destroy, "cudnnBackendDestroyDescriptor");
        find(set_, "cudnnBackendSetAttribute");
        find(get_, "cudnnBackendGetAttribute");
        find(finalize, "cudnnBackendFinalize");
        find(execute, "cudnnBackendExecute");
        find(create_handle, "cudnnCreate");
        find(set_stream, "cudnnSetStream");
    }
    ~Library() {
        for (const Descriptor descriptor : made_) destroy(descriptor);
    }
    template <typename Function>
    void find(Function &function, const char *name) {
        function = reinterpret_cast<Function>(dlsym(handle, name));
    }

    Descriptor make(cudnnBackendDescriptorType_t type) const {
        Descriptor descriptor = nullptr;
        create_(type, &descriptor);
        made_.push_back(descriptor);
        return descriptor;
    }
    template <typename T>
    cudnnStatus_t set(Descriptor descriptor, cudnnBackendAttributeName_t name,
                      cudnnBackendAttributeType_t type, const std::vector<T> &values) const {
        return set_(descriptor, name, type, int64_t(values.size()), values.data());
    }
    cudnnStatus_t get(Descriptor descriptor, cudnnBackendAttributeName_t name,
                      cudnnBackendAttributeType_t type) const {
        int64_t count = 0, value = 0;
        return get_(descriptor, name, type, 1, &count, &value);
    }

    // Not finalized.
    Descriptor tensor(int64_t id, const Integers &sizes, const Integers &strides,
                      int64_t alignment = 16) const {
        const Descriptor d = make(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
        set(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, Integers{id});
        set(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector{CUDNN_DATA_HALF});
        set(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, sizes);
        set(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides);
        set(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, Integers{alignment});
        return d;
    }
    Descriptor map(int64_t id, int64_t n, int64_t c, int64_t h, int64_t w) const {
        const Descriptor d = tensor(id, {n, c, h, w}, {h * w * c, 1, w * c, c});
        finalize(d);
        return d;
    }
    Descriptor convolution(int64_t padding, int64_t dimensions = 2) const {
        const Descriptor d = make(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
        set(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, Integers{dimensions});
        set(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE,
            std::vector{CUDNN_DATA_FLOAT});
        set(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
            std::vector{CUDNN_CROSS_CORRELATION});
        for (const auto name :
             {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS})
            set(d, name, CUDNN_TYPE_INT64, Integers{padding, padding});
        for (const auto name :
             {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_ATTR_CONVOLUTION_DILATIONS})
            set(d, name, CUDNN_TYPE_INT64, Integers{1, 1});
        return d;
    }
    // Not finalized, of 56 channels, 9 x 9 pixels.
    Descriptor operation(int64_t inputs, int64_t outputs, int64_t kernel, int64_t width = 9) const {
        const Descriptor c = convolution(0);
        finalize(c);
        const Descriptor d = make(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
        const auto hold = [&](cudnnBackendAttributeName_t name, Descriptor value) {
            set(d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{value});
        };
        hold(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, map(1, 1, inputs, 9, 9));
        hold(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, map(2, 28, 56, kernel, kernel));
        hold(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, map(3, 1, outputs, 9, width));
        hold(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, c);
        set(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, std::vector{1.0F});
        set(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, std::vector{0.0F});
        return d;
    }
    cudnnStatus_t set_one(cudnnBackendDescriptorType_t owner, cudnnBackendAttributeName_t name,
                          Descriptor value) const {
        return set(make(owner), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{value});
    }
    cudnnStatus_t finalize_pack(const Integers &ids, const std::vector<void *> &pointers) const {
        const Descriptor d = make(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
        set(d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids);
        set(d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers);
        set(d, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
            std::vector<void *>{nullptr});
        return finalize(d);
    }

    void *handle;
    mutable std::vector<Descriptor> made_;
    decltype(&cudnnBackendCreateDescriptor) create_ = nullptr;
    decltype(&cudnnBackendSetAttribute) set_ = nullptr;
    decltype(&cudnnBackendGetAttribute) get_ = nullptr;
    decltype(&cudnnBackendDestroyDescriptor) destroy = nullptr;
    decltype(&cudnnBackendFinalize) finalize = nullptr;
    decltype(&cudnnBackendExecute) execute = nullptr;
    decltype(&cudnnCreate) create_handle = nullptr;
    decltype(&cudnnSetStream) set_stream = nullptr;
};

struct Misuse {
    const char *name;
    cudnnStatus_t status;
    std::function<cudnnStatus_t(const Library &)> run;
};

const Integers kSizes{1, 8, 2, 2}, kStrides{32, 1, 16, 8};
constexpr auto kTensor = CUDNN_BACKEND_TENSOR_DESCRIPTOR;
constexpr auto kOperation = CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;

cudnnStatus_t set_id(const Library &l, cudnnBackendAttributeName_t name,
                     cudnnBackendAttributeType_t type, int64_t count) {
    return l.set(l.make(kTensor), name, type, Integers(size_t(count), 1));
}

cudnnStatus_t finalize_tensor(const Library &l, const Integers &sizes, const Integers &strides,
                              int64_t alignment) {
    return l.finalize(l.tensor(1, sizes, strides, alignment));
}

// What the real one refuses, with its status.
const Misuse kRefused[] = {
    {"a kind of descriptor that there is not", CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED,
     [](const Library &l) {
         Descriptor d;
         return l.create_(cudnnBackendDescriptorType_t(999), &d);
     }},
    {"destroying null", CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
     [](const Library &l) { return l.destroy(nullptr); }},
    {"setting of null", CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
     [](const Library &l) {
         return l.set(nullptr, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, Integers{1});
     }},
    {"setting to null", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         return l.set_(l.make(kTensor), CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, nullptr);
     }},
    {"another descriptor's attribute", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         return set_id(l, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 1);
     }},
    {"an attribute that there is not", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         return set_id(l, cudnnBackendAttributeName_t(9999), CUDNN_TYPE_INT64, 1);
     }},
    {"another type", CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE,
     [](const Library &l) { return set_id(l, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_FLOAT, 1); }},
    {"two values of one", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return set_id(l, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 2); }},
    {"no value of one", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         const int64_t value = 1;
         return l.set_(l.make(kTensor), CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 0, &value);
     }},
    {"setting once it is finalized", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         return l.set(l.map(1, 1, 8, 2, 2), CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64,
                      Integers{1});
     }},
    {"finalizing null", CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
     [](const Library &l) { return l.finalize(nullptr); }},
    {"finalizing an empty tensor", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.make(kTensor)); }},
    {"finalizing twice", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.map(1, 1, 8, 2, 2)); }},
    {"three strides of four", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         return finalize_tensor(l, kSizes, {32, 1, 16}, 16);
     }},
    {"a negative size", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         return finalize_tensor(l, {1, -8, 2, 2}, kStrides, 16);
     }},
    {"no alignment", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return finalize_tensor(l, kSizes, kStrides, 0); }},
    {"an alignment below an element's", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return finalize_tensor(l, kSizes, kStrides, 1); }},
    {"reading before it is finalized", CUDNN_STATUS_NOT_INITIALIZED,
     [](const Library &l) {
         return l.get(l.tensor(1, kSizes, kStrides), CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64);
     }},
    {"reading another descriptor's attribute", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         return l.get(l.map(1, 1, 8, 2, 2), CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64);
     }},
    {"an empty convolution", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.make(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)); }},
    {"two paddings of three", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.convolution(0, 3)); }},
    {"a negative padding", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.convolution(-1)); }},
    {"an empty operation", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.make(kOperation)); }},
    {"inputs that do not fit", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.operation(48, 28, 1)); }},
    {"outputs that do not fit", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.operation(56, 27, 1)); }},
    {"widths that do not fit", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.operation(56, 28, 1, 8)); }},
    {"3x3 without padding", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.operation(56, 28, 3)); }},
    {"an operation before it is finalized", CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
     [](const Library &l) {
         return l.set_one(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_OPS,
                          l.operation(56, 28, 1));
     }},
    {"a null handle", CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
     [](const Library &l) {
         return l.set(l.make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR),
                      CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE,
                      std::vector<void *>{nullptr});
     }},
    {"an empty graph", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)); }},
    {"an empty ranking", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.finalize(l.make(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)); }},
    {"two names and one pointer", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         return l.finalize_pack({1, 2}, {reinterpret_cast<void *>(16)});
     }},
    {"executing nothing", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.execute(nullptr, nullptr, nullptr); }},
    {"a handle nowhere", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.create_handle(nullptr); }},
    {"a stream for no handle", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) { return l.set_stream(nullptr, nullptr); }},
};

// What the real one lets pass, or crashes on, in some version.
const Misuse kRefusedHere[] = {
    {"a descriptor nowhere", CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
     [](const Library &l) { return l.create_(kTensor, nullptr); }},
    {"a descriptor that is destroyed", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         const Descriptor d = l.make(kTensor);
         l.destroy(d);
         return l.finalize(d);
     }},
    {"no extent", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         return finalize_tensor(l, {1, 0, 2, 2}, kStrides, 16);
     }},
    {"NCHW", CUDNN_STATUS_NOT_SUPPORTED_LAYOUT,
     [](const Library &l) {
         return finalize_tensor(l, kSizes, {32, 4, 2, 1}, 16);
     }},
    {"a tensor before it is finalized", CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
     [](const Library &l) {
         return l.set_one(kOperation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                          l.tensor(1, kSizes, kStrides));
     }},
    {"a null tensor", CUDNN_STATUS_BAD_PARAM,
     [](const Library &l) {
         return l.set_one(kOperation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, nullptr);
     }},
    {"an empty plan", CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
     [](const Library &l) { return l.finalize(l.make(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)); }},
    {"a convolution as a tensor", CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE,
     [](const Library &l) {
         return l.set_one(kOperation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, l.convolution(0));
     }},
    {"a tensor as an operation", CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE,
     [](const Library &l) {
         return l.set_one(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_OPS,
                          l.map(1, 1, 8, 2, 2));
     }},
    {"a name twice", CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES,
     [](const Library &l) {
         void *pointer = reinterpret_cast<void *>(16);
         return l.finalize_pack({1, 1}, {pointer, pointer});
     }},
};

TEST(CudnnMisuse, IsRefusedByTheRealOne) {
    const Library real("libcudnn_graph.so.9");
    if (!real.handle) GTEST_SKIP() << dlerror();
    // Of late a part of it needs the driver's library for loading.
    if (finalize_tensor(real, kSizes, kStrides, 16) == CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED)
        GTEST_SKIP() << "a part of cuDNN cannot be loaded";
    for (const Misuse &misuse : kRefused) EXPECT_EQ(misuse.run(real), misuse.status) << misuse.name;
}

TEST(CudnnMisuse, IsRefusedByTheStandIn) {
    const Library stand_in(MDRN_CUDNN_STAND_IN);
    ASSERT_TRUE(stand_in.handle) << dlerror();
    for (const Misuse &misuse : kRefused)
        EXPECT_EQ(misuse.run(stand_in), misuse.status) << misuse.name;
    for (const Misuse &misuse : kRefusedHere)
        EXPECT_EQ(misuse.run(stand_in), misuse.status) << misuse.name;
}

}  // namespace
