// SPDX-License-Identifier: BSD-2-Clause
#include <exception>
#include <iostream>

#include "commands/commands.h"

int main(int argc, char **argv) {
    CLI::App program("Fits, measures and converts MDRN, a network that enlarges pictures.");
    program.require_subcommand(1);
    try {
        mdrn::training::add_fit(program);
        mdrn::training::add_eval(program);
        mdrn::training::add_convert(program);
        mdrn::training::add_summary(program);
        mdrn::training::add_prepare(program);
        program.parse(argc, argv);
    } catch (const CLI::Error &error) {
        return program.exit(error);
    } catch (const std::exception &error) {
        std::cerr << "mdrn-train: " << error.what() << '\n';
        return 1;
    }
}
