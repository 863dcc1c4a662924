// SPDX-License-Identifier: BSD-2-Clause
// mdrn-train-bench: seconds that a training step (forward, L1, backward, Adam) takes on the CPU.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "network/network.h"

int main(int argc, char **argv) {
    std::string model = "mdrn";
    int scale = 2, batch = 8, size = 48, threads = 0, steps = 4;
    CLI::App program("Seconds a training step.");
    program.add_option("--model", model);
    program.add_option("--scale", scale);
    program.add_option("--batch", batch);
    program.add_option("--size", size, "of an LR patch");
    program.add_option("--threads", threads);
    program.add_option("--steps", steps);
    CLI11_PARSE(program, argc, argv);

    using namespace mdrn::training;
    if (threads > 0) torch::set_num_threads(threads);
    torch::manual_seed(0);
    const Network network(architecture(model, scale), {scale});
    for (torch::Tensor &tensor : network.parameters()) {
        const torch::NoGradGuard guard;
        tensor.uniform_(-0.1, 0.1);
    }
    torch::optim::Adam optimizer(network.parameters(), 2e-3);
    const torch::Tensor lq = torch::rand({batch, 3, size, size});
    const torch::Tensor gt = torch::rand({batch, 3, size * scale, size * scale});
    std::vector<double> seconds;
    for (int step = 0; step <= steps; step++) {
        const auto start = std::chrono::steady_clock::now();
        optimizer.zero_grad();
        torch::l1_loss(network.forward(lq, scale), gt).backward();
        optimizer.step();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        if (step > 0) seconds.push_back(time.count());  // the first one allocates
    }
    std::sort(seconds.begin(), seconds.end());
    std::printf("best %.4f s  median %.4f s\n", seconds.front(), seconds[seconds.size() / 2]);
}
