// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <map>

#include "data/loader.h"
#include "fit/graph.h"
#include "fit/recipe.h"
#include "fit/state.h"

namespace mdrn::training {

// The gradient of one batch after the other, into a State's.
class Gradient {
public:
    // All three must outlive this.
    Gradient(const Recipe &recipe, const Network &network, State &state);

    // Returns the loss, on the parameters' device until the next call. Batches of one scale are of
    // one size.
    torch::Tensor of(const Batch &batch, const Loss &loss);

private:
    // Of one scale: tensors that stay where they are, and what is done with them.
    struct Work {
        torch::Tensor lq, gt, loss;
        std::unique_ptr<Repeated> repeated;
    };
    void compute(int scale, Work &work) const;

    const Recipe &recipe_;
    const Network &network_;
    State &state_;
    const Loss *loss_ = nullptr;  // the phase's that work_ is for
    std::map<int, Work> work_;
};

}  // namespace mdrn::training
