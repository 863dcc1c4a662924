// SPDX-License-Identifier: BSD-2-Clause
// From where a run starts.
#pragma once

#include <functional>
#include <optional>

#include "data/layouts.h"
#include "data/loader.h"
#include "fit/checkpoint.h"
#include "fit/group.h"
#include "fit/recipe.h"
#include "fit/state.h"

namespace mdrn::training {

using Say = std::function<void(const std::string &)>;

// The recipe's device, its threads, and LibTorch told to give the same bits each time.
torch::Device choose_device(const Recipe &recipe);

DataOptions data_options(const Recipe &recipe, const Group &group, const Say &warn);

// None where the recipe names none. Throws std::runtime_error where a folder is no good.
Listing validation_pictures(const Recipe &recipe, const Say &say);

// Weights of a network that is to be trained: as recipe.init says, then those of
// recipe.pretrain_network.
void first_weights(Network &network, const Recipe &recipe, Loader &loader);

// The checkpoint to go on from: the last one in recipe.out, else recipe.resume_state, else none.
// Says what of the recipe changed since. Throws std::runtime_error where that cannot be.
std::optional<Checkpoint> checkpoint_to_resume(const Recipe &recipe, const Checkpoints &checkpoints,
                                               const Say &say);

}  // namespace mdrn::training
