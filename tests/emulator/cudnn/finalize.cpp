// SPDX-License-Identifier: BSD-2-Clause
// What each kind of descriptor must be before others may use it.
#include <algorithm>
#include <array>

#include "descriptor.h"
#include "execute.h"

namespace emulated::cudnn {

namespace {

using Integers = std::vector<int64_t>;

void need(const Descriptor &d, std::initializer_list<cudnnBackendAttributeName_t> names,
          cudnnStatus_t status = CUDNN_STATUS_BAD_PARAM) {
    for (const auto name : names)
        require(d.has(name), status, "attribute " + std::to_string(name) + " is not set");
}

void finalize_tensor(const Descriptor &d) {
    need(d, {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_ATTR_TENSOR_DIMENSIONS,
             CUDNN_ATTR_TENSOR_STRIDES, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT});
    const auto type = d.one<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE);
    require(type == CUDNN_DATA_HALF || type == CUDNN_DATA_FLOAT, CUDNN_STATUS_NOT_SUPPORTED,
            "the stand-in has fp16 and fp32 alone");
    const auto sizes = d.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
    const auto strides = d.all<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
    require(sizes.size() == strides.size(), CUDNN_STATUS_BAD_PARAM,
            "there are not as many strides as dimensions");
    const auto positive = [](int64_t value) { return value > 0; };
    require(std::ranges::all_of(sizes, positive) && std::ranges::all_of(strides, positive),
            CUDNN_STATUS_BAD_PARAM, "a dimension or a stride is not positive");
    const auto alignment = d.one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
    require(alignment > 0 && alignment % (type == CUDNN_DATA_HALF ? 2 : 4) == 0,
            CUDNN_STATUS_BAD_PARAM, "the alignment is not a multiple of an element");
    require(sizes.size() == 4 && strides == Integers{sizes[1] * sizes[2] * sizes[3], 1,
                                                     sizes[3] * sizes[1], sizes[1]},
            CUDNN_STATUS_NOT_SUPPORTED_LAYOUT, "the stand-in has NHWC alone");
}

void finalize_convolution(const Descriptor &d) {
    need(d, {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_ATTR_CONVOLUTION_COMP_TYPE,
             CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS,
             CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES,
             CUDNN_ATTR_CONVOLUTION_DILATIONS});
    const auto before = d.all<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    const auto after = d.all<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
    const auto strides = d.all<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    const auto dilations = d.all<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
    const auto dimensions = size_t(d.one<int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS));
    for (const auto *list : {&before, &after, &strides, &dilations}) {
        require(list->size() == dimensions, CUDNN_STATUS_BAD_PARAM,
                "paddings, strides and dilations are not as many as the dimensions");
        require(std::ranges::min(*list) >= 0, CUDNN_STATUS_BAD_PARAM, "a padding is negative");
    }
    require(dimensions == 2 && before == after && before[0] == before[1] &&
                strides == Integers{1, 1} && dilations == Integers{1, 1},
            CUDNN_STATUS_NOT_SUPPORTED, "the stand-in has stride 1 and even padding alone");
    require(d.one<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) ==
                    CUDNN_CROSS_CORRELATION &&
                d.one<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_FLOAT,
            CUDNN_STATUS_NOT_SUPPORTED, "the stand-in has fp32 cross-correlation alone");
}

void finalize_operation(Descriptor &d) {
    need(d, {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA});
    const Descriptor &x = d.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X);
    const Descriptor &w = d.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W);
    const Descriptor &y = d.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y);
    const Descriptor &c = d.other(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
    const auto xs = x.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
    const auto ws = w.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
    const auto ys = y.all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
    const int64_t padding = c.all<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS)[0];
    require(xs[1] == ws[1] && ys[1] == ws[0] && xs[0] == ys[0], CUDNN_STATUS_BAD_PARAM,
            "the channels of x, w and y do not fit each other");
    require(ys[2] == xs[2] + 2 * padding - ws[2] + 1 && ys[3] == xs[3] + 2 * padding - ws[3] + 1,
            CUDNN_STATUS_BAD_PARAM, "the sizes of x, w and y do not fit each other");
    require(xs[0] == 1 && ws[2] == ws[3] && ys[2] == xs[2] && ys[3] == xs[3],
            CUDNN_STATUS_NOT_SUPPORTED_SHAPE,
            "the stand-in has one map, padded to its size, alone");
    const auto type = x.one<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE);
    for (const Descriptor *t : {&w, &y})
        require(t->one<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE) == type,
                CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "x, w and y are not of one type");
    require(d.one<float>(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA) == 1,
            CUDNN_STATUS_NOT_SUPPORTED, "the stand-in has alpha 1 alone");

    Convolution &it = d.convolution;
    it.height = xs[2];
    it.width = xs[3];
    it.inputs = ws[1];
    it.outputs = ws[0];
    it.kernel = ws[2];
    it.half = type == CUDNN_DATA_HALF;
    it.beta = d.one<float>(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA);
    it.x = x.one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
    it.weight = w.one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
    it.y = y.one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
    require(it.x != it.weight && it.weight != it.y && it.x != it.y,
            CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES, "two tensors have one unique id");
    for (const Descriptor *t : {&x, &w, &y})
        it.alignment = std::max(it.alignment, t->one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT));
}

void finalize_graph(Descriptor &d) {
    need(d, {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_ATTR_OPERATIONGRAPH_HANDLE});
    const auto operations = d.all<cudnnBackendDescriptor_t>(CUDNN_ATTR_OPERATIONGRAPH_OPS);
    require(operations.size() == 1, CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN,
            "the stand-in has graphs of one convolution alone");
    require_handle(d.one<cudnnHandle_t>(CUDNN_ATTR_OPERATIONGRAPH_HANDLE));
    d.convolution = alive(operations[0]).convolution;
}

void finalize_ranking(Descriptor &d) {
    need(d, {CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_ATTR_ENGINEHEUR_MODE});
    const Descriptor &graph = d.other(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    const auto mode = d.one<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE);
    require(mode >= 0 && mode < CUDNN_HEUR_MODES_COUNT, CUDNN_STATUS_BAD_PARAM,
            "there is no such mode");
    d.convolution = graph.convolution;
    d.ranking = rank(d.convolution, mode);
}

void finalize_engine(Descriptor &d) {
    need(d, {CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_ATTR_ENGINE_GLOBAL_INDEX});
    d.convolution = d.other(CUDNN_ATTR_ENGINE_OPERATION_GRAPH).convolution;
    d.engine = unranked(d.convolution, d.one<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
}

void finalize_config(Descriptor &d) {
    need(d, {CUDNN_ATTR_ENGINECFG_ENGINE});
    const Descriptor &engine = d.other(CUDNN_ATTR_ENGINECFG_ENGINE);
    d.convolution = engine.convolution;
    d.engine = engine.engine;
}

void finalize_plan(Descriptor &d) {
    need(d, {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_ATTR_EXECUTION_PLAN_HANDLE},
         CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED);
    require_handle(d.one<cudnnHandle_t>(CUDNN_ATTR_EXECUTION_PLAN_HANDLE));
    const Descriptor &config = d.other(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    require(!config.engine.refuses, CUDNN_STATUS_NOT_SUPPORTED, "the engine refuses after all");
    d.engine = config.engine;
    d.convolution = config.convolution;
}

void finalize_pack(const Descriptor &d) {
    need(d, {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
             CUDNN_ATTR_VARIANT_PACK_WORKSPACE});
    auto ids = d.all<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    require(ids.size() == d.all<void *>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).size(),
            CUDNN_STATUS_BAD_PARAM, "there are not as many pointers as unique ids");
    std::ranges::sort(ids);
    require(std::ranges::adjacent_find(ids) == ids.end(), CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES,
            "a unique id is there twice");
}

}  // namespace

void Descriptor::finalize() {
    switch (type) {
        case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
            return finalize_tensor(*this);
        case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
            return finalize_convolution(*this);
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
            return finalize_operation(*this);
        case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
            return finalize_graph(*this);
        case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
            return finalize_ranking(*this);
        case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
            return finalize_engine(*this);
        case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
            return finalize_config(*this);
        case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
            return finalize_plan(*this);
        case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
            return finalize_pack(*this);
        default:
            require(false, CUDNN_STATUS_NOT_SUPPORTED, "the stand-in cannot finalize this");
    }
}

}  // namespace emulated::cudnn
