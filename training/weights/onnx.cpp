// SPDX-License-Identifier: BSD-2-Clause
#include "weights/onnx.h"

#include <onnx/checker.h>
#include <onnx/onnx_pb.h>

#include <map>
#include <numbers>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "weights/atomic.h"

namespace mdrn::training {
namespace {

using Ints = std::vector<int64_t>;
using Names = std::vector<std::string>;

constexpr int kOpset = 17, kIrVersion = 8;  // of ONNX 1.12
constexpr float kMean[3] = {0.4488F, 0.4371F, 0.4040F};

// Every function adds nodes and returns the name of their output.
class Graph {
public:
    Graph(onnx::GraphProto &graph, const Weights &weights, const Architecture &architecture)
        : graph_(graph), weights_(weights), architecture_(architecture) {
        for (const ConvLayer &layer : convolutions(architecture))
            layers_.emplace(layer.name, layer);
    }

    void build();

private:
    struct Attribute {
        std::string name;
        std::variant<int64_t, Ints, std::string> value;
    };
    std::string op(const std::string &kind, const Names &inputs,
                   const std::vector<Attribute> &attributes = {}, const std::string &name = "");
    onnx::TensorProto *add_constant(const std::string &name, const Ints &shape,
                                    onnx::TensorProto::DataType type);
    std::string constant(const std::string &name, const Ints &shape,
                         const std::vector<float> &values);
    std::string constant(const std::string &name, const Ints &values);
    std::string weight(const std::string &name);
    void declare(onnx::ValueInfoProto *value, const std::string &name, const std::string &sides);

    std::string add(const std::string &x, const std::string &y) { return op("Add", {x, y}); }
    std::string conv(const std::string &name, std::string x);  // with its padding
    std::string reflect(const std::string &x);
    std::string bsconv(const std::string &name, const std::string &x);
    std::string gelu(const std::string &x);
    std::string mean(const std::string &x, const Ints &axes);
    std::string distill(const std::string &block, const std::string &x);
    std::string local_variance(const std::string &x, const std::string &shape);
    std::string branch(const std::string &name, int i, const std::string &c);
    std::string mdsa(const std::string &name, const std::string &x);
    std::string ecca(const std::string &name, const std::string &x);

    onnx::GraphProto &graph_;
    const Weights &weights_;
    const Architecture &architecture_;
    std::map<std::string, ConvLayer> layers_;
    std::set<std::string> constants_;
};

std::string Graph::op(const std::string &kind, const Names &inputs,
                      const std::vector<Attribute> &attributes, const std::string &name) {
    onnx::NodeProto &node = *graph_.add_node();
    const std::string output =
        name.empty() ? kind + "_" + std::to_string(graph_.node_size()) : name;
    node.set_name(output);
    node.set_op_type(kind);
    for (const std::string &input : inputs) node.add_input(input);
    node.add_output(output);
    for (const Attribute &attribute : attributes) {
        onnx::AttributeProto &proto = *node.add_attribute();
        proto.set_name(attribute.name);
        if (const auto *number = std::get_if<int64_t>(&attribute.value)) {
            proto.set_type(onnx::AttributeProto::INT);
            proto.set_i(*number);
        } else if (const auto *text = std::get_if<std::string>(&attribute.value)) {
            proto.set_type(onnx::AttributeProto::STRING);
            proto.set_s(*text);
        } else {
            proto.set_type(onnx::AttributeProto::INTS);
            for (const int64_t i : std::get<Ints>(attribute.value)) proto.add_ints(i);
        }
    }
    return output;
}

// Null where there is one of that name.
onnx::TensorProto *Graph::add_constant(const std::string &name, const Ints &shape,
                                       onnx::TensorProto::DataType type) {
    if (!constants_.insert(name).second) return nullptr;
    onnx::TensorProto *tensor = graph_.add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(type);
    for (const int64_t side : shape) tensor->add_dims(side);
    return tensor;
}

std::string Graph::constant(const std::string &name, const Ints &shape,
                            const std::vector<float> &values) {
    if (auto *tensor = add_constant(name, shape, onnx::TensorProto::FLOAT))
        tensor->set_raw_data(values.data(), values.size() * sizeof(float));
    return name;
}

std::string Graph::constant(const std::string &name, const Ints &values) {
    if (auto *tensor =
            add_constant(name, {static_cast<int64_t>(values.size())}, onnx::TensorProto::INT64))
        tensor->set_raw_data(values.data(), values.size() * sizeof(int64_t));
    return name;
}

std::string Graph::weight(const std::string &name) {
    const Tensor &tensor = weights_.tensors.at(name);
    return constant(name, tensor.shape, tensor.values);
}

std::string Graph::conv(const std::string &name, std::string x) {
    const ConvLayer &layer = layers_.at(name);
    if (layer.padding == Padding::reflect) x = reflect(x);
    Names inputs = {x, weight(name + ".weight")};
    if (layer.bias) inputs.push_back(weight(name + ".bias"));
    return op("Conv", inputs,
              {{"kernel_shape", Ints(2, layer.kernel)},
               {"pads", Ints(4, layer.padding == Padding::zero ? 1 : 0)},
               {"strides", Ints(2, layer.stride)},
               {"group", int64_t{layer.groups}}},
              name);
}

std::string Graph::reflect(const std::string &x) {
    return op("Pad", {x, constant("reflect.pads", {0, 0, 1, 1, 0, 0, 1, 1})},
              {{"mode", "reflect"}});
}

std::string Graph::bsconv(const std::string &name, const std::string &x) {
    return conv(name + ".dw", conv(name + ".pw", x));
}

// In the order of operations that runtimes know as one.
std::string Graph::gelu(const std::string &x) {
    const std::string root = constant("gelu.root", {}, {std::numbers::sqrt2_v<float>});
    const std::string one = constant("gelu.one", {}, {1}), half = constant("gelu.half", {}, {0.5F});
    const std::string erf = op("Erf", {op("Div", {x, root})});
    return op("Mul", {op("Mul", {x, add(erf, one)}), half});
}

std::string Graph::mean(const std::string &x, const Ints &axes) {
    return op("ReduceMean", {x}, {{"axes", axes}, {"keepdims", int64_t{1}}});
}

std::string Graph::distill(const std::string &block, const std::string &x) {
    Names distilled;
    std::string r = x;
    for (const char i : {'1', '2', '3'}) {
        const std::string name = block + ".c" + i;
        distilled.push_back(gelu(conv(name + "_d", r)));
        r = gelu(add(bsconv(name + "_r", r), r));
    }
    distilled.push_back(gelu(bsconv(block + ".c4", r)));
    return conv(block + ".c5", op("Concat", distilled, {{"axis", int64_t{1}}}));
}

// Of 7x7 windows, stride 3, unbiased, in two passes: a window's 49 values become an axis.
std::string Graph::local_variance(const std::string &x, const std::string &shape) {
    constexpr int kTaps = 49;
    const int64_t f = architecture_.dispersion();
    std::vector<float> pick(f * kTaps * kTaps);  // (49f, 1, 7, 7)
    for (int64_t i = 0; i < f * kTaps; ++i) pick[i * kTaps + i % kTaps] = 1;
    const std::string taps = op(
        "Reshape", {op("Conv", {reflect(x), constant("variance.pick", {f * kTaps, 1, 7, 7}, pick)},
                       {{"kernel_shape", Ints{7, 7}}, {"strides", Ints{3, 3}}, {"group", f}}),
                    constant("variance.taps", {0, f, kTaps, -1})});
    const std::string offsets = op("Sub", {taps, mean(taps, {2})});
    const std::string sum =
        op("ReduceSum", {op("Mul", {offsets, offsets}), constant("variance.axis", {2})},
           {{"keepdims", int64_t{1}}});
    return op("Reshape", {op("Div", {sum, constant("variance.divisor", {}, {kTaps - 1})}), shape});
}

// c: (N, f, H, W) -> v_i, of c's size
std::string Graph::branch(const std::string &name, int i, const std::string &c) {
    constexpr int64_t kWindows[] = {3, 5, 7}, kPads[] = {1, 0, 1};
    const std::string index = std::to_string(i);
    std::string p = op("MaxPool", {bsconv(name + ".conv2_" + index, c)},
                       {{"kernel_shape", Ints(2, kWindows[i])},
                        {"strides", Ints{3, 3}},
                        {"pads", Ints(4, kPads[i])}});
    if (i == 2) p = add(p, local_variance(bsconv(name + ".conv2_3", c), op("Shape", {p})));
    const std::string v =
        bsconv(name + ".conv3_" + index, gelu(bsconv(name + ".conv_max_" + index, p)));
    return op("Resize", {v, "", "", op("Shape", {c})},
              {{"mode", "linear"}, {"coordinate_transformation_mode", "half_pixel"}});
}

std::string Graph::mdsa(const std::string &name, const std::string &x) {
    const std::string c = conv(name + ".conv1", x);
    std::string sum = conv(name + ".conv_f", c);
    for (const int i : {0, 1, 2}) sum = add(sum, branch(name, i, c));
    const std::string m = op("Sigmoid", {conv(name + ".conv4", sum)});
    return add(op("Mul", {x, m}), x);
}

std::string Graph::ecca(const std::string &name, const std::string &x) {
    const std::string y = gelu(conv(name + ".0", x));
    const std::string average = mean(y, {2, 3}), offsets = op("Sub", {y, average});
    const std::string deviation = op("Sqrt", {mean(op("Mul", {offsets, offsets}), {2, 3})});
    const std::string squeezed = op("Relu", {conv(name + ".2.conv_du.0", add(average, deviation))});
    const std::string a = op("Sigmoid", {conv(name + ".2.conv_du.2", squeezed)});
    return add(conv(name + ".3", op("Mul", {y, a})), x);
}

void Graph::declare(onnx::ValueInfoProto *value, const std::string &name,
                    const std::string &sides) {
    value->set_name(name);
    auto *type = value->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    auto *shape = type->mutable_shape();
    shape->add_dim()->set_dim_param("batch");
    shape->add_dim()->set_dim_value(3);
    shape->add_dim()->set_dim_param(sides + "height");
    shape->add_dim()->set_dim_param(sides + "width");
}

void Graph::build() {
    declare(graph_.add_input(), "input", "");
    declare(graph_.add_output(), "output", "large_");
    const std::string rgb = constant("mean", {1, 3, 1, 1}, {kMean[0], kMean[1], kMean[2]});
    const std::string head = conv("fea_conv", op("Sub", {"input", rgb}));
    Names blocks;
    std::string x = head;
    for (int i = 1; i <= kBlocks; ++i) {
        const std::string block = "B" + std::to_string(i);
        const std::string refined = mdsa(block + ".esa.body.0", distill(block, x));
        x = add(ecca(block + ".cca.body", refined), x);
        blocks.push_back(x);
    }
    x = gelu(conv("c1", op("Concat", blocks, {{"axis", int64_t{1}}})));
    x = conv("upsampler.upsampleOneStep.0", add(bsconv("c2", x), head));
    x = op("DepthToSpace", {x}, {{"blocksize", int64_t{architecture_.scale}}, {"mode", "CRD"}});
    op("Add", {x, rgb}, {}, "output");
}

}  // namespace

void write_onnx(const std::filesystem::path &path, const Weights &weights,
                const Architecture &architecture) {
    if (architecture.name != "mdrn" && architecture.name != "mdrn-s")
        throw std::runtime_error(path.string() + ": expected mdrn or mdrn-s to write as ONNX, " +
                                 "found the ablation " + architecture.name);
    onnx::ModelProto model;
    model.set_ir_version(kIrVersion);
    model.set_producer_name("mdrn-train");
    model.add_opset_import()->set_version(kOpset);
    for (const auto &[key, value] : weights.metadata) {
        auto *entry = model.add_metadata_props();
        entry->set_key(key);
        entry->set_value(value);
    }
    model.mutable_graph()->set_name(architecture.name);
    Graph(*model.mutable_graph(), weights, architecture).build();
    onnx::checker::check_model(model);
    write_atomically(path, [&](std::ostream &stream) {
        if (!model.SerializeToOstream(&stream)) stream.setstate(std::ios::failbit);
    });
}

}  // namespace mdrn::training
