// SPDX-License-Identifier: BSD-2-Clause
// Whole runs, small ones: their bits, their files, what they do when they are stopped.
#include <csignal>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "mdrn.h"
#include "training/fit/runs.h"

namespace mdrn::training {
namespace {

using FitTest = test::Runs;

TEST_F(FitTest, LeavesItsFiles) {
    run("a");
    std::vector<std::string> names;
    for (auto &entry : std::filesystem::directory_iterator(path / "a"))
        names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    EXPECT_EQ(names,
              (std::vector<std::string>{"checkpoints", "log.jsonl", "mdrn-s_x2.safetensors",
                                        "mdrn-s_x2_raw.safetensors", "recipe.yml", "report.html"}));
    EXPECT_EQ(weights("a").metadata.at("iteration"), "12");
    EXPECT_NE(weights("a").tensors, weights("a", "_raw").tensors);

    std::ifstream log(path / "a" / "log.jsonl");
    int64_t iteration = 0;
    for (std::string text; std::getline(log, text);) {
        auto line = nlohmann::json::parse(text);
        EXPECT_EQ(line["iter"], iteration += 2);
        EXPECT_EQ(line["lr_pixels"], iteration * 2 * 16 * 16);
        EXPECT_GT(line["loss"], 0);
        EXPECT_EQ(line["lr"], 1e-3);
    }
    EXPECT_EQ(iteration, 12);
    EXPECT_EQ(read_recipe(path / "a" / "recipe.yml", {}).values, recipe("a").values);
}

TEST_F(FitTest, ItsWeightsAreLibmdrns) {
    run("a");
    mdrn_settings settings;
    mdrn_settings_default(&settings, sizeof(settings));
    settings.scale = 2;
    std::string model = (path / "a" / "mdrn-s_x2.safetensors").string();
    settings.model = model.c_str();
    mdrn_context *context = nullptr;
    EXPECT_EQ(mdrn_open(&context, &settings), 0);
    mdrn_close(&context);
}

TEST_F(FitTest, TheSameRecipeGivesTheSameBits) {
    run("a");
    run("b");
    EXPECT_EQ(state("a", 12).tensors, state("b", 12).tensors);
    run("a2", {"threads=2", "total_iter=2"});
    run("b2", {"threads=2", "total_iter=2"});
    EXPECT_EQ(state("a2", 2).tensors, state("b2", 2).tensors);
    run("c", {"seed=1"});
    EXPECT_NE(state("a", 12).tensors, state("c", 12).tensors);
}

TEST_F(FitTest, GoesOnWithTheSameBits) {
    run("a");
    run("b", {"total_iter=5"});
    std::string screen = run("b");
    EXPECT_NE(screen.find("train.total_iter was 5 and is 12"), std::string::npos) << screen;
    EXPECT_NE(screen.find("goes on after 5 steps"), std::string::npos) << screen;
    EXPECT_EQ(state("a", 12).tensors, state("b", 12).tensors);
    EXPECT_EQ(weights("a"), weights("b"));
}

TEST_F(FitTest, KilledAtAnyTimeItGoesOnWithTheSameBits) {
    unsigned seed = std::random_device()();
    if (const char *given = std::getenv("MDRN_SEED")) seed = unsigned(std::atoi(given));
    SCOPED_TRACE("MDRN_SEED=" + std::to_string(seed));
    std::mt19937 random(seed);
    std::vector<std::string> keys = {"total_iter=60", "save_checkpoint_freq=3"};
    ASSERT_EQ(finish(start(recipe("a", keys))), 0);

    int killed = 0;
    Recipe interrupted = recipe("b", keys);
    for (int attempt = 0; attempt < 4; attempt++) {
        pid_t child = start(interrupted);
        ASSERT_TRUE(attempt || comes(path / "b" / "checkpoints" / "3.state"));
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 900));
        kill(child, SIGKILL);
        killed += WIFSIGNALED(finish(child));
    }
    EXPECT_GT(killed, 0);
    ASSERT_EQ(finish(start(interrupted)), 0);
    EXPECT_EQ(state("a", 60).tensors, state("b", 60).tensors);
    EXPECT_EQ(weights("a"), weights("b"));
}

TEST_F(FitTest, ASignalSavesAndStops) {
    for (int signal : {SIGINT, SIGTERM}) {
        std::string out = std::to_string(signal);
        pid_t child = start(recipe(out, {"total_iter=100000", "save_checkpoint_freq=1000000"}));
        ASSERT_TRUE(comes(path / out / "log.jsonl"));
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        kill(child, signal);
        EXPECT_EQ(finish(child), 0);
        EXPECT_TRUE(std::filesystem::exists(path / out / "mdrn-s_x2.safetensors"));
        EXPECT_NE(test::text_of(path / (out + ".screen")).find("the same command goes on"),
                  std::string::npos);
    }
}

TEST_F(FitTest, AFolderIsOneRuns) {
    pid_t child = start(recipe("a", {"total_iter=100000"}));
    ASSERT_TRUE(comes(path / "a" / "log.jsonl"));
    EXPECT_THROW(run("a"), std::runtime_error);
    kill(child, SIGTERM);
    EXPECT_EQ(finish(child), 0);
    EXPECT_NO_THROW(run("a", {"total_iter=1"}));
}

TEST_F(FitTest, KeepsTheLastCheckpointsAndTheBest) {
    run("a", {"save_checkpoint_freq=2", "keep_checkpoints=2", "val_freq=4",
              "val.dataroot_gt=" + pictures.string(), "optim_g.lr=0.3"});
    std::set<std::string> names;
    for (auto &entry : std::filesystem::directory_iterator(path / "a" / "checkpoints"))
        names.insert(entry.path().filename());
    int64_t best = state("a", 12).best_iteration;
    EXPECT_EQ(names,
              (std::set<std::string>{"10.state", "12.state", std::to_string(best) + ".state"}));
    EXPECT_EQ(weights("a", "_best").metadata.at("iteration"), std::to_string(best));
}

TEST_F(FitTest, ADamagedCheckpointGivesWayToTheOneBefore) {
    run("a", {"save_checkpoint_freq=4"});
    auto last = path / "a" / "checkpoints" / "12.state";
    Checkpoint whole = state("a", 12);
    std::filesystem::resize_file(last, std::filesystem::file_size(last) / 2);
    std::string screen = run("a", {"save_checkpoint_freq=4"});
    EXPECT_NE(screen.find("goes on after 8 steps"), std::string::npos) << screen;
    EXPECT_EQ(state("a", 12).tensors, whole.tensors);
}

TEST_F(FitTest, AnotherNetworkIsRefused) {
    run("a", {"total_iter=2"});
    EXPECT_THROW(run("a", {"network_g.type=MDRN"}), std::runtime_error);
    EXPECT_EQ(state("a", 2).iteration, 2);
}

TEST_F(FitTest, BranchesFromAnotherRunsCheckpoint) {
    run("a", {"total_iter=6"});
    std::string screen =
        run("b", {"path.resume_state=" + (path / "a/checkpoints/6.state").string()});
    EXPECT_NE(screen.find("goes on after 6 steps"), std::string::npos) << screen;
    run("c");
    EXPECT_EQ(state("b", 12).tensors, state("c", 12).tensors);
}

TEST_F(FitTest, TrainsSeveralScalesAndGoesOnWithOne) {
    run("a", {"scales=[2, 3, 4]"});
    auto model = [&](const std::string &out, int scale) {
        return read_safetensors(path / out /
                                ("mdrn-s_x" + std::to_string(scale) + "_raw.safetensors"));
    };
    auto shape = [&](int scale) {
        return model("a", scale).tensors.at("upsampler.upsampleOneStep.0.weight").shape;
    };
    for (int64_t scale : {2, 3, 4})
        EXPECT_EQ(shape(int(scale)), (std::vector<int64_t>{3 * scale * scale, 28, 3, 3}));
    EXPECT_EQ(model("a", 2).tensors.at("c1.weight"), model("a", 4).tensors.at("c1.weight"));

    run("b", {"total_iter=1", "optim_g.lr=0",
              "pretrain_network_g=" + (path / "a/mdrn-s_x2_raw.safetensors").string()});
    EXPECT_EQ(model("b", 2).tensors, model("a", 2).tensors);

    std::string files;
    for (int scale : {2, 3, 4})
        files += (path / ("a/mdrn-s_x" + std::to_string(scale) + "_raw.safetensors, ")).string();
    run("c", {"scales=[2, 3, 4]", "total_iter=1", "optim_g.lr=0",
              "pretrain_network_g=[" + files + "]"});
    for (int scale : {2, 3, 4}) EXPECT_EQ(model("c", scale).tensors, model("a", scale).tensors);
}

TEST_F(FitTest, EachPhaseHasItsLoss) {
    test::write_text(recipe_file, test::text_of(recipe_file) +
                                      "optim_g.betas: [0, 0]\ntrain:\n  phases:\n"
                                      "    - {total_iter: 2, pixel_opt: {type: MSELoss}}\n");
    run("a", {"total_iter=2", "optim_g.lr=0", "print_freq=1", "gt_size=64"});
    std::istringstream lines(test::text_of(path / "a/log.jsonl"));
    std::vector<double> losses;
    for (std::string line; std::getline(lines, line);)
        losses.push_back(nlohmann::json::parse(line)["loss"]);
    ASSERT_EQ(losses.size(), 4u);
    // Of differences below 1, squares are smaller; the weights stay.
    EXPECT_LT(std::max(losses[2], losses[3]), std::min(losses[0], losses[1]) / 2);
}

TEST_F(FitTest, AnotherOrderOfValidationsChangesNoWeights) {
    run("a", {"val.dataroot_gt=" + pictures.string(), "val_freq=5"});
    run("b");
    EXPECT_EQ(state("a", 12).tensors, state("b", 12).tensors);
}

// What is not finite comes from a learning rate that throws the weights beyond all range.
TEST_F(FitTest, StopsWhereTheLossIsNotFinite) {
    std::vector<std::string> keys = {"total_iter=200", "optim_g.lr=1e12", "print_freq=1"};
    try {
        run("a", keys);
        FAIL() << "no error";
    } catch (const std::runtime_error &error) {
        EXPECT_NE(std::string(error.what()).find("not finite in 20 steps in a row"),
                  std::string::npos)
            << error.what();
    }
    auto last = nlohmann::json::parse([&] {
        std::istringstream lines(test::text_of(path / "a" / "log.jsonl"));
        std::string line, found;
        while (std::getline(lines, line)) found = line;
        return found;
    }());
    EXPECT_GE(last["skipped"], 19);
    EXPECT_TRUE(last["loss"].is_null());
}

}  // namespace
}  // namespace mdrn::training
