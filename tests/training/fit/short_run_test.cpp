// SPDX-License-Identifier: BSD-2-Clause
// Runs that are long enough to learn something.
#include <chrono>
#include <iostream>

#include "data/bicubic.h"
#include "quality/quality.h"
#include "training/fit/runs.h"

namespace mdrn::training {
namespace {

const std::filesystem::path kData = std::filesystem::path(MDRN_REFERENCE_DIR) / "data";
const std::filesystem::path kSet5 = kData / "eval/Set5";

class SlowShortRun : public test::Runs {
protected:
    void SetUp() override {
        if (!std::filesystem::exists(kSet5)) GTEST_SKIP() << "no MDRN_REFERENCE_DIR";
    }
};

TEST_F(SlowShortRun, LearnsOnePictureByHeart) {
    std::filesystem::create_directories(path / "one");
    write_png(path / "one/butterfly.png",
              crop(read_picture(kSet5 / "HR/butterfly.png"), 96, 96, 64, 64));
    std::string one = (path / "one").string();
    fit(recipe("a", {"dataroot_gt=" + one, "val.dataroot_gt=" + one, "gt_size=64", "threads=0",
                     "batch_size_per_gpu=1", "use_hflip=false", "use_rot=false", "total_iter=1000",
                     "optim_g.lr=4e-3", "scheduler.type=ConstantLinearLR", "decay_iter=500",
                     "grad_clip=1", "ema_decay=0.98", "val_freq=500", "print_freq=100"}));
    EXPECT_GT(state("a", 1000).best_psnr, 45);
}

TEST_F(SlowShortRun, BeatsBicubicByHalfADecibelWithinAHundredSteps) {
    double bicubic = 0;
    for (std::string name : {"baby", "bird", "butterfly", "head", "woman"})
        bicubic += measure(enlarge(read_picture(kSet5 / "LRbicx2" / (name + ".png")), 2),
                           read_picture(kSet5 / "HR" / (name + ".png")), 2)
                       .psnr /
                   5;
    auto start = std::chrono::steady_clock::now();
    fit(read_recipe(
        MDRN_SOURCE_DIR "/training/recipes/mdrn_x2_cpu.yml",
        {"out=" + (path / "a").string(), "dataroot_gt=" + (kData / "train").string(),
         "val.dataroot_gt=" + kSet5.string(), "total_iter=100", "decay_iter=40", "val_freq=50"}));
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    double ours = state("a", 100).best_psnr;
    std::cerr << "bicubic " << bicubic << " dB, ours " << ours << " dB, " << took.count() << " s\n";
    EXPECT_GT(ours, bicubic + 0.5);
}

}  // namespace
}  // namespace mdrn::training
