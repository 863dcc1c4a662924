// SPDX-License-Identifier: BSD-2-Clause
#include "fit/recipe.h"

#include "training/folder.h"

namespace mdrn::training {
namespace {

// As BasicSR's users have them.
constexpr const char *kBasicSr = R"(
name: mdrn_x4
model_type: SRModel
scale: 4
num_gpu: 8
manual_seed: 7
datasets:
  train:
    name: DF2K
    dataroot_gt: datasets/DIV2K
    dataroot_lq: datasets/DIV2K_LR
    io_backend:
      type: disk
    gt_size: 256
    use_hflip: true
    use_rot: false
    num_worker_per_gpu: 6
    batch_size_per_gpu: 32
  val:
    dataroot_gt: datasets/Set5/GTmod12
network_g:
  type: MDRN
path:
  pretrain_network_g: ~
train:
  ema_decay: 0.999
  optim_g:
    type: Adam
    lr: !!float 2e-3
    weight_decay: 0
    betas: [0.9, 0.99]
  scheduler:
    type: MultiStepLR
    milestones: [100000, 500000]
    gamma: 0.5
  total_iter: 1000000
  warmup_iter: -1
  pixel_opt:
    type: L1Loss
    loss_weight: 1.0
    reduction: mean
val:
  val_freq: !!float 5e3
logger:
  print_freq: 100
  save_checkpoint_freq: !!float 5e3
  use_tb_logger: true
)";

class RecipeTest : public test::Folder {
protected:
    Recipe read(const std::string &text, std::vector<std::string> overrides = {"out=o"}) {
        test::write_text(file, text);
        return read_recipe(file, overrides);
    }
    std::string refusal(const std::string &text, std::vector<std::string> overrides = {"out=o"}) {
        try {
            read(text, overrides);
        } catch (const std::runtime_error &error) {
            return error.what();
        }
        return "no error";
    }
    // Of the smallest recipe there is, with one line more, which is the fourth.
    std::string refusal_of_line(const std::string &line) {
        return refusal("scale: 2\nout: o\ndataroot_gt: pictures\n" + line + "\n");
    }
    std::string at(int line) { return file.string() + ", line " + std::to_string(line) + ": "; }

    const std::filesystem::path recipes = MDRN_SOURCE_DIR "/training/recipes";
    std::filesystem::path file = path / "recipe.yml";
};

TEST_F(RecipeTest, ReadsBasicSr) {
    Recipe recipe = read(kBasicSr);
    EXPECT_EQ(recipe.scales, std::vector{4});
    EXPECT_EQ(recipe.seed, 7u);
    EXPECT_EQ(recipe.dataroot_gt, std::vector<std::string>{"datasets/DIV2K"});
    EXPECT_EQ(recipe.dataroot_lq, std::vector<std::string>{"datasets/DIV2K_LR"});
    EXPECT_EQ(recipe.gt_size, 256);
    EXPECT_TRUE(recipe.use_hflip);
    EXPECT_FALSE(recipe.use_rot);
    EXPECT_EQ(recipe.num_worker_per_gpu, 6);
    EXPECT_EQ(recipe.batch_size_per_gpu, 32);
    EXPECT_EQ(recipe.val_dataroot_gt, std::vector<std::string>{"datasets/Set5/GTmod12"});
    EXPECT_EQ(recipe.network, "mdrn");
    EXPECT_TRUE(recipe.pretrain_network.empty());
    EXPECT_EQ(recipe.ema_decay, 0.999);
    EXPECT_EQ(recipe.beta1, 0.9);
    EXPECT_EQ(recipe.beta2, 0.99);
    ASSERT_EQ(recipe.phases.size(), 1u);
    EXPECT_EQ(recipe.phases[0].schedule.lr, 2e-3);
    EXPECT_EQ(recipe.phases[0].schedule.milestones, (std::vector<int64_t>{100000, 500000}));
    EXPECT_EQ(recipe.phases[0].schedule.warmup, 0);
    EXPECT_EQ(recipe.total_iter(), 1000000);
    EXPECT_EQ(recipe.val_freq, 5000);
    EXPECT_EQ(recipe.ignored,
              (std::vector<std::string>{"datasets.train.io_backend.type", "datasets.train.name",
                                        "logger.use_tb_logger", "model_type", "name", "num_gpu"}));
}

TEST_F(RecipeTest, OverridesByFullAndByShortName) {
    Recipe recipe =
        read(kBasicSr, {"out=runs/x", "total_iter=20", "train.optim_g.lr=1e-4", "val.dataroot_gt=v",
                        "dataroot_gt=[a, 'b c']", "dataroot_lq=~", "scales=[2, 3]"});
    EXPECT_EQ(recipe.out, "runs/x");
    EXPECT_EQ(recipe.total_iter(), 20);
    EXPECT_EQ(recipe.phases[0].schedule.lr, 1e-4);
    EXPECT_EQ(recipe.val_dataroot_gt, std::vector<std::string>{"v"});
    EXPECT_EQ(recipe.dataroot_gt, (std::vector<std::string>{"a", "b c"}));
    EXPECT_TRUE(recipe.dataroot_lq.empty());
    EXPECT_EQ(recipe.scales, (std::vector{2, 3}));
}

TEST_F(RecipeTest, PhasesFollowEachOther) {
    Recipe recipe = read(R"(
scale: 2
dataroot_gt: pictures
train:
  phases:
    - total_iter: 30
      pixel_opt: {type: CharbonnierLoss, eps: 1e-6}
    - total_iter: 20
      pixel_opt: {type: MSELoss}
      optim_g: {lr: 1e-5}
  total_iter: 100
  warmup_iter: 10
  optim_g: {lr: 1e-3}
)");
    ASSERT_EQ(recipe.phases.size(), 3u);
    EXPECT_EQ(recipe.total_iter(), 150);
    EXPECT_EQ(recipe.phases[1].loss.type, Loss::Type::charbonnier);
    EXPECT_EQ(recipe.phases[1].loss.eps, 1e-6);
    EXPECT_EQ(recipe.phases[1].schedule.lr, 1e-3);
    EXPECT_EQ(recipe.phases[1].schedule.warmup, 0);
    EXPECT_EQ(recipe.phases[2].loss.type, Loss::Type::mse);
    EXPECT_EQ(recipe.phases[2].schedule.lr, 1e-5);
    auto where = [&](int64_t done) {
        auto [phase, inside] = recipe.phase(done);
        return std::pair(phase - recipe.phases.data(), inside);
    };
    using Where = std::pair<ptrdiff_t, int64_t>;
    EXPECT_EQ(where(99), Where(0, 99));
    EXPECT_EQ(where(100), Where(1, 0));
    EXPECT_EQ(where(129), Where(1, 29));
    EXPECT_EQ(where(149), Where(2, 19));
}

TEST_F(RecipeTest, IsTheSameAfterWritingAndReading) {
    Recipe recipe = read(kBasicSr, {"out=o", "dataroot_gt=[a, 'b: c']", "dataroot_lq=1.0"});
    Recipe again = read(to_yaml(recipe.values), {});
    EXPECT_EQ(again.values, recipe.values);
    EXPECT_EQ(again.dataroot_gt, recipe.dataroot_gt);
    EXPECT_EQ(again.total_iter(), recipe.total_iter());
}

TEST_F(RecipeTest, ReadsThePapersRecipes) {
    for (int scale : {2, 3, 4})
        for (std::string network : {"mdrn", "mdrn-s"}) {
            std::string name = network + "_x" + std::to_string(scale) + ".yml";
            Recipe recipe = read_recipe(recipes / name, {"out=o"});
            EXPECT_EQ(recipe.network, network);
            EXPECT_EQ(recipe.scales, std::vector{scale});
            EXPECT_EQ(recipe.gt_size / scale, 64);
            EXPECT_EQ(recipe.batch_size_per_gpu, 64);
            EXPECT_EQ(recipe.total_iter(), 1'000'000);
            EXPECT_EQ(recipe.phases[0].schedule.at(0), 2e-3);
            EXPECT_EQ(recipe.phases[0].schedule.at(999'999), 6.25e-5);
            EXPECT_EQ(recipe.ema_decay, 0.999);
            EXPECT_EQ(recipe.ignored, std::vector<std::string>());
        }
}

TEST_F(RecipeTest, ReadsAllRecipesThereAre) {
    for (auto &entry : std::filesystem::directory_iterator(recipes))
        EXPECT_NO_THROW(read_recipe(entry.path(), {"out=o"})) << entry.path();
}

TEST_F(RecipeTest, NamesTheNearestKey) {
    EXPECT_EQ(refusal_of_line("gt_sise: 64"),
              at(4) + "there is no gt_sise; the nearest key is datasets.train.gt_size");
    EXPECT_EQ(refusal("scale: 2\ntrain:\n  totl_iter: 5\n"),
              at(3) + "there is no train.totl_iter; the nearest key is train.total_iter");
    EXPECT_EQ(refusal("scale: 2\n", {"milestone=[3]"}),
              "command line: there is no milestone; the nearest key is train.scheduler.milestones");
    // A key's place counts too.
    EXPECT_EQ(refusal("scale: 2\nlogger:\n  gt_size: 64\n"),
              at(3) + "there is no logger.gt_size; the nearest key is datasets.train.gt_size");
}

TEST_F(RecipeTest, SaysWhatAValueShouldBe) {
    EXPECT_EQ(refusal_of_line("gt_size: big"),
              at(4) + "datasets.train.gt_size is big, but should be a number");
    EXPECT_EQ(refusal_of_line("total_iter: 1.5"),
              at(4) + "train.total_iter is 1.5, but should be a whole number");
    EXPECT_EQ(refusal_of_line("total_iter: nan"),
              at(4) + "train.total_iter is nan, but should be a number of at least 1");
    EXPECT_EQ(refusal_of_line("scheduler.gamma: 2"),
              at(4) + "train.scheduler.gamma is 2, but should be a number from 0 to 1");
    EXPECT_EQ(refusal_of_line("batch_size_per_gpu: [1, 2]"),
              at(4) +
                  "datasets.train.batch_size_per_gpu is [1, 2], but should be one value, not a "
                  "list");
    EXPECT_EQ(
        refusal_of_line("use_rot: perhaps"),
        at(4) + "datasets.train.use_rot is perhaps, but should be one of true, false, yes, no");
    EXPECT_EQ(refusal_of_line("pixel_opt.type: L3Loss"),
              at(4) +
                  "train.pixel_opt.type is L3Loss, but should be one of L1Loss, MSELoss, "
                  "CharbonnierLoss");
    EXPECT_EQ(refusal_of_line("betas: [0.9]"),
              at(4) + "train.optim_g.betas is [0.9], but should be two numbers");
    EXPECT_EQ(refusal_of_line("milestones: [5, 3]"),
              at(4) + "train.scheduler.milestones is [5, 3], but should be ascending numbers");
}

TEST_F(RecipeTest, RefusesWhatContradictsItself) {
    std::string name = file.string() + ": ";
    EXPECT_EQ(refusal("dataroot_gt: d\n"), name + "scale is missing: 2, 3 or 4");
    EXPECT_EQ(refusal("scale: 2\n"), name +
                                         "datasets.train.dataroot_gt is missing: say "
                                         "dataroot_gt=FOLDER for the pictures to learn from");
    EXPECT_EQ(refusal("scale: 2\ndataroot_gt: d\n", {}),
              name + "out is missing: say out=FOLDER for the run's files");
    EXPECT_EQ(refusal_of_line("gt_size: 65"), name +
                                                  "datasets.train.gt_size is 65, but should be a "
                                                  "multiple of the scale, 2");
}

TEST_F(RecipeTest, RefusesWhatIsNoRecipe) {
    EXPECT_EQ(refusal("- a\n- b\n"), file.string() + ": no recipe: it should be keys and values");
    EXPECT_EQ(refusal("scale: 2\ntrain: [\n").substr(0, at(3).size()), at(3));
    EXPECT_EQ(refusal("scale: 2\n", {"total_iter"}),
              "command line: total_iter should be key=value");
    EXPECT_THROW(read_recipe(path / "none.yml", {}), std::runtime_error);
    EXPECT_THROW(read_recipe(path, {}), std::runtime_error);
}

}  // namespace
}  // namespace mdrn::training
