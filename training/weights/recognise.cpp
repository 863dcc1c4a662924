// SPDX-License-Identifier: BSD-2-Clause
#include "weights/recognise.h"

#include <algorithm>
#include <optional>
#include <span>
#include <sstream>

#include "model.h"

namespace mdrn::training {
namespace {

bool is_of(const Weights &weights, const Architecture &architecture) {
    const std::vector<TensorShape> expected = tensors(architecture);
    return expected.size() == weights.tensors.size() &&
           std::ranges::all_of(expected, [&](const TensorShape &tensor) {
               const auto found = weights.tensors.find(tensor.name);
               return found != weights.tensors.end() && found->second.shape == tensor.shape;
           });
}

}  // namespace

Architecture recognise(const Weights &weights, const std::string &origin) {
    const auto named = weights.metadata.find("architecture");
    std::optional<Architecture> found;
    for (const int scale : {2, 3, 4})
        for (const std::string &name : architecture_names()) {
            const bool preferred = named != weights.metadata.end() && named->second == name;
            const Architecture known = architecture(name, scale);
            if ((!found || preferred) && is_of(weights, known)) found = known;
        }
    if (found) return *found;

    std::ostringstream file;
    write_safetensors(file, {weights.tensors, {}});
    const std::string bytes = file.str();
    const Model model = parse_model(std::as_bytes(std::span(bytes)), origin);
    return {.name = "mdrn", .features = model.features, .scale = model.scale};
}

}  // namespace mdrn::training
