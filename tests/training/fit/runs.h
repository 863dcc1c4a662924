// SPDX-License-Identifier: BSD-2-Clause
// A folder for whole runs of a small network on small pictures.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>

#include "data/picture.h"
#include "fit/checkpoint.h"
#include "fit/fit.h"
#include "training/folder.h"

namespace mdrn::training::test {

class Runs : public Folder {
protected:
    Runs() {
        std::filesystem::create_directories(pictures);
        for (int i = 0; i < 3; i++) write_png(pictures / (std::to_string(i) + ".png"), texture(i));
        write_text(recipe_file,
                   "scale: 2\nnetwork_g.type: MDRN-S\ndevice: cpu\nthreads: 1\n"
                   "num_worker_per_gpu: 1\ngt_size: 32\nbatch_size_per_gpu: 2\n"
                   "optim_g.lr: 1e-3\nprint_freq: 2\ntotal_iter: 12\nema_decay: 0.9\n"
                   "dataroot_gt: " +
                       pictures.string() + "\n");
    }

    // Waves of a few directions, different in each picture.
    static Picture texture(int which) {
        Picture picture = blank(72, 64);
        for (int y = 0; y < picture.height; y++)
            for (int x = 0; x < picture.width; x++)
                for (int c = 0; c < 3; c++)
                    picture.row(y)[3 * x + c] =
                        uint8_t(128 + 60 * std::sin(0.2 * (which + 1) * x + c) +
                                60 * std::cos(0.3 * y + which));
        return picture;
    }

    Recipe recipe(const std::string &out, std::vector<std::string> overrides = {}) {
        overrides.push_back("out=" + (path / out).string());
        return read_recipe(recipe_file, overrides);
    }

    // What the run says.
    std::string run(const std::string &out, std::vector<std::string> overrides = {}) {
        std::ostringstream screen;
        fit(recipe(out, overrides), screen);
        return screen.str();
    }

    Weights weights(const std::string &out, const std::string &ending = "") {
        return read_safetensors(path / out / ("mdrn-s_x2" + ending + ".safetensors"));
    }
    Checkpoint state(const std::string &out, int iteration) {
        return read_checkpoint(path / out / "checkpoints" / (std::to_string(iteration) + ".state"));
    }

    // A process that runs a recipe, so that it can be killed.
    pid_t start(const Recipe &recipe) {
        pid_t child = fork();
        if (child) return child;
        int result = 0;
        try {
            std::ofstream screen(recipe.out + ".screen");
            fit(recipe, screen);
        } catch (const std::exception &error) {
            std::ofstream(recipe.out + ".error") << error.what();
            result = 1;
        }
        _exit(result);
    }
    int finish(pid_t child) {
        int status = 0;
        waitpid(child, &status, 0);
        return status;
    }
    bool comes(const std::filesystem::path &file) {
        for (int i = 0; i < 6000 && !std::filesystem::exists(file); i++)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return std::filesystem::exists(file);
    }

    const std::filesystem::path pictures = path / "pictures", recipe_file = path / "recipe.yml";
};

}  // namespace mdrn::training::test
