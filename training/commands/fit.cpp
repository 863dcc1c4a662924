// SPDX-License-Identifier: BSD-2-Clause
#include <memory>
#include <stdexcept>

#include "commands.h"

#ifdef MDRN_FIT
#include "fit/fit.h"
#endif

namespace mdrn::training {
namespace {

struct Arguments {
    std::string recipe;
    std::vector<std::string> overrides;
};

void run([[maybe_unused]] const Arguments &arguments) {
#ifdef MDRN_FIT
    fit(read_recipe(arguments.recipe, arguments.overrides));
#else
    throw std::runtime_error(
        "this mdrn-train was built without LibTorch, which fit needs (Debian: "
        "libtorch-dev)");
#endif
}

}  // namespace

void add_fit(CLI::App &program) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App *fit = program.add_subcommand(
        "fit",
        "Fits weights to pictures, as a recipe says. Interrupted, it goes on where it was "
        "when the same command is given again.");
    fit->add_option("recipe", arguments->recipe, "A YAML file, as training/recipes/mdrn_x4.yml")
        ->required();
    fit->add_option("keys", arguments->overrides,
                    "key=value in place of the recipe's: out=FOLDER dataroot_gt=FOLDER "
                    "train.total_iter=5000")
        ->type_name("KEY=VALUE");
    fit->callback([arguments] { run(*arguments); });
}

}  // namespace mdrn::training
