// SPDX-License-Identifier: BSD-2-Clause
#include "engines.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <sstream>
#include <string>

#include "descriptor.h"

namespace emulated::cudnn {

namespace {

std::string setting(const char *name, const char *otherwise) {
    const char *value = std::getenv(name);
    return value ? value : otherwise;
}

bool refused(const Convolution &c) {
    const std::string name =
        std::to_string(c.inputs) + 'x' + std::to_string(c.outputs) + 'x' + std::to_string(c.kernel);
    std::istringstream list(setting("MDRN_EMULATED_CUDNN_REFUSE", ""));
    for (std::string item; list >> item;) {
        if (item == name || item == "all") return true;
    }
    return false;
}

Engine engine(int64_t index, const Convolution &c) {
    Engine e{index, {}, {}, 0, index == 13};
    if (index != 1 && index != 28 && index != 34)
        e.numerical.push_back(CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
    if (index == 5) e.numerical.push_back(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
    if (index == 7) e.behavior.push_back(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION);
    if (index == 9) e.numerical.push_back(CUDNN_NUMERICAL_NOTE_WINOGRAD);
    if (index == 1) e.workspace = int64_t{1} << 40;
    if (index == 34) e.workspace = c.height * c.width * 6;
    return e;
}

}  // namespace

Engine unranked(const Convolution &convolution, int64_t index) {
    std::istringstream list(setting("MDRN_EMULATED_CUDNN_UNRANKED", "28 34 47"));
    const auto end = std::istream_iterator<int64_t>();
    require(
        !refused(convolution) && std::find(std::istream_iterator<int64_t>(list), end, index) != end,
        CUDNN_STATUS_NOT_SUPPORTED, "there is no such engine for the convolution");
    return engine(index, convolution);
}

std::vector<Engine> rank(const Convolution &convolution, cudnnBackendHeurMode_t mode) {
    require(!refused(convolution), CUDNN_STATUS_NOT_SUPPORTED, "the convolution is to be refused");
    std::istringstream list(mode == CUDNN_HEUR_MODE_FALLBACK
                                ? setting("MDRN_EMULATED_CUDNN_FALLBACK", "28")
                                : setting("MDRN_EMULATED_CUDNN_A", "47 34 28"));
    std::vector<Engine> engines;
    for (int64_t index; list >> index;) engines.push_back(engine(index, convolution));
    return engines;
}

}  // namespace emulated::cudnn
