// SPDX-License-Identifier: BSD-2-Clause
#include "model.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "builtin.h"
#include "error.h"
#include "header.h"
#include "os.h"
#include "weights.h"

namespace mdrn {
namespace {

using Shape = std::vector<int64_t>;

constexpr int kLeastFeatures = 16;  // ECCA squeezes to C / 16
constexpr size_t kFileLimit = 256 << 20;

// Names the tensors of a layer below a prefix such as "B1.".
struct Layers {
    const Model::Visitor &visitor;
    std::string prefix;

    void conv(const std::string &name, Conv &conv, const Shape &shape) const {
        visitor(prefix + name + ".weight", shape, conv.weight);
        visitor(prefix + name + ".bias", {shape[0]}, conv.bias);
    }
    void bsconv(const std::string &name, BSConv &bsconv, int64_t out, int64_t in) const {
        visitor(prefix + name + ".pw.weight", {out, in, 1, 1}, bsconv.pw.weight);
        conv(name + ".dw", bsconv.dw, {out, 1, 3, 3});
    }
    template <size_t n>
    void bsconvs(const std::string &name, std::array<BSConv, n> &branches, int64_t f) const {
        for (size_t i = 0; i < n; i++) bsconv(name + std::to_string(i), branches[i], f, f);
    }
};

void visit_distillation(Eadb &block, const Layers &layers, int64_t C, int64_t D) {
    layers.conv("c1_d", block.c1_d, {D, C, 1, 1});
    layers.bsconv("c1_r", block.c1_r, C, C);
    layers.conv("c2_d", block.c2_d, {D, C, 1, 1});
    layers.bsconv("c2_r", block.c2_r, C, C);
    layers.conv("c3_d", block.c3_d, {D, C, 1, 1});
    layers.bsconv("c3_r", block.c3_r, C, C);
    layers.bsconv("c4", block.c4, D, C);
    layers.conv("c5", block.c5, {C, 4 * D, 1, 1});
}

void visit_mdsa(Mdsa &mdsa, const Layers &layers, int64_t C, int64_t f) {
    layers.conv("conv1", mdsa.conv1, {f, C, 1, 1});
    layers.conv("conv_f", mdsa.conv_f, {f, f, 1, 1});
    layers.bsconvs("conv2_", mdsa.conv2, f);
    layers.bsconvs("conv_max_", mdsa.conv_max, f);
    layers.bsconvs("conv3_", mdsa.conv3, f);
    layers.conv("conv4", mdsa.conv4, {C, f, 1, 1});
}

void visit_ecca(Ecca &cca, const Layers &layers, int64_t C, int64_t squeezed) {
    layers.conv("0", cca.body_0, {C, C, 1, 1});
    layers.conv("2.conv_du.0", cca.conv_du_0, {squeezed, C, 1, 1});
    layers.conv("2.conv_du.2", cca.conv_du_2, {C, squeezed, 1, 1});
    layers.conv("3", cca.body_3, {C, 1, 3, 3});
}

// The shape of a tensor that C or s is read from.
const Shape &shape_of(const WeightsFile &file, const std::string &name, const std::string &expected,
                      const std::string &origin) {
    const auto tensor = file.tensors.find(name);
    if (tensor == file.tensors.end())
        reject_tensor(origin, name, "shape " + expected, "no such tensor (missing)");
    return tensor->second.shape;
}

int read_features(const WeightsFile &file, const std::string &origin) {
    const std::string name = "fea_conv.weight", expected = "[C, 3, 3, 3], C a multiple of 4 from " +
                                                           std::to_string(kLeastFeatures) + " to " +
                                                           std::to_string(kMostFeatures);
    const Shape &shape = shape_of(file, name, expected, origin);
    const int64_t C = shape.empty() ? 0 : shape[0];
    if (shape != Shape{C, 3, 3, 3} || C % 4 || C < kLeastFeatures || C > kMostFeatures)
        reject_tensor(origin, name, "shape " + expected, to_string(shape));
    return static_cast<int>(C);
}

int read_scale(const WeightsFile &file, int features, const std::string &origin) {
    const std::string name = "upsampler.upsampleOneStep.0.weight";
    const std::string expected =
        "[3s², " + std::to_string(features) + ", 3, 3], s = 2, 3 or 4 (3s² = 12, 27 or 48)";
    const Shape &shape = shape_of(file, name, expected, origin);
    for (int s : {2, 3, 4})
        if (shape == Shape{3 * s * s, features, 3, 3}) return s;
    reject_tensor(origin, name, "shape " + expected, to_string(shape));
}

void check_metadata(const WeightsFile &file, const Model &model, const std::string &origin) {
    const std::vector<std::pair<std::string, std::set<std::string>>> known = {
        {"features", {std::to_string(model.features)}},
        {"scale", {std::to_string(model.scale)}},
        {"architecture", {"mdrn", model.features == 28 ? "mdrn-s" : "mdrn"}}};
    for (const auto &[key, values] : known) {
        const auto entry = file.metadata.find(key);
        if (entry != file.metadata.end() && !values.contains(entry->second))
            throw Error(MDRN_ERROR_MODEL,
                        origin + ": __metadata__ contradicts the tensors: " + "expected " + key +
                            " " + quoted(*values.rbegin()) + ", found " + quoted(entry->second));
    }
}

void reject_unvisited(const WeightsFile &file, const std::set<std::string> &visited,
                      const std::string &origin) {
    for (const auto &[name, tensor] : file.tensors)
        if (!visited.contains(name))
            reject_tensor(origin, name,
                          "only the " + std::to_string(visited.size()) + " tensors of MDRN",
                          "this one too many, of shape " + to_string(tensor.shape));
}

std::vector<std::byte> read_model_file(const std::string &name) {
    const auto path = std::filesystem::path(std::u8string(name.begin(), name.end()));
    const auto extension = path.extension();
    if (extension == ".pth" || extension == ".pt")
        throw Error(MDRN_ERROR_MODEL, name + ": expected a .safetensors file, found a PyTorch " +
                                          "checkpoint; convert it with mdrn-train convert");
    std::error_code error;
    const bool is_bare_name = extension != ".safetensors" && !path.has_parent_path();
    if (is_bare_name && !std::filesystem::exists(path, error))
        throw Error(MDRN_ERROR_MODEL, "model " + quoted(name) + ": expected a built-in model (" +
                                          builtin_names() + ") or the path of a .safetensors " +
                                          "file, found neither");
    return read_file(name, kFileLimit);
}

}  // namespace

void Model::visit(const Visitor &visitor) {
    const int64_t C = features, s = scale;
    const Layers layers{visitor, ""};
    layers.conv("fea_conv", fea_conv, {C, 3, 3, 3});
    for (int i = 0; i < kBlocks; i++) {
        const std::string prefix = "B" + std::to_string(i + 1) + ".";
        visit_distillation(blocks[i], {visitor, prefix}, C, distilled());
        visit_mdsa(blocks[i].esa, {visitor, prefix + "esa.body.0."}, C, dispersion());
        visit_ecca(blocks[i].cca, {visitor, prefix + "cca.body."}, C, squeezed());
    }
    layers.conv("c1", c1, {C, kBlocks * C, 1, 1});
    layers.bsconv("c2", c2, C, C);
    layers.conv("upsampler.upsampleOneStep.0", upsampler, {3 * s * s, C, 3, 3});
}

int64_t Model::parameters() {
    int64_t total = 0;
    visit([&](const std::string &, const Shape &shape, std::vector<float> &) {
        int64_t count = 1;
        for (int64_t side : shape) count *= side;
        total += count;
    });
    return total;
}

Model parse_model(std::span<const std::byte> bytes, const std::string &origin) {
    const WeightsFile file = parse_weights(bytes, origin);
    Model model;
    model.features = read_features(file, origin);
    model.scale = read_scale(file, model.features, origin);
    check_metadata(file, model, origin);

    std::set<std::string> visited;
    model.visit([&](const std::string &name, const Shape &shape, std::vector<float> &values) {
        const auto tensor = file.tensors.find(name);
        if (tensor == file.tensors.end())
            reject_tensor(origin, name, "shape " + to_string(shape), "no such tensor (missing)");
        if (tensor->second.shape != shape)
            reject_tensor(origin, name, "shape " + to_string(shape),
                          to_string(tensor->second.shape));
        values = to_float(tensor->second, name, origin);
        visited.insert(name);
    });
    reject_unvisited(file, visited, origin);
    return model;
}

Model load_model(const std::string &name, int scale) {
    if (scale != 0 && (scale < 2 || scale > 4))
        throw Error(
            MDRN_ERROR_INVALID_ARGUMENT,
            "scale: expected 2, 3 or 4, or 0 for the model's own, found " + std::to_string(scale));
    if (is_builtin(name)) {
        const int own = scale ? scale : 2;
        return parse_model(builtin_file(name, own),
                           "built-in model " + name + " x" + std::to_string(own));
    }
    Model model = parse_model(read_model_file(name), name);
    if (scale && scale != model.scale)
        throw Error(MDRN_ERROR_INVALID_ARGUMENT,
                    name + ": expected a model for scale " + std::to_string(scale) +
                        ", found one for scale " + std::to_string(model.scale));
    return model;
}

}  // namespace mdrn
