// SPDX-License-Identifier: BSD-2-Clause
// Runs on a disk that is full or not to be written to, with pictures that change meanwhile, and
// signals at any time: an error that says what it is, and nothing lost that was saved.
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <random>

#include "data/loader.h"
#include "training/fit/runs.h"

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;

class FaultsTest : public test::Runs {
protected:
    // A run in a process of its own, after prepare there; its exit status.
    int run_with(const std::function<void()> &prepare, const std::string &out,
                 const std::vector<std::string> &overrides) {
        const Recipe wanted = recipe(out, overrides);
        const pid_t child = fork();
        if (child) {
            const int status = finish(child);
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        prepare();
        return finish(start(wanted)) == 0 ? (_exit(0), 0) : (_exit(1), 1);
    }
    std::string error(const std::string &out) { return test::text_of(path / (out + ".error")); }

    bool anything_unfinished(const std::string &out) {
        for (auto &entry : fs::recursive_directory_iterator(path / out))
            if (entry.path().extension() == ".tmp") return true;
        return false;
    }

    const std::vector<std::string> often = {"save_checkpoint_freq=2"};
};

// No file may become longer than some bytes: as where the disk is full, in the middle of a file.
void limit_files(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {bytes, bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
}

TEST_F(FaultsTest, ADiskThatIsFullIsAnErrorAndTheRunGoesOnLater) {
    run("whole", often);
    run("a", {"save_checkpoint_freq=2", "total_iter=4"});
    const Checkpoint saved = state("a", 4);
    const Weights weights_saved = weights("a");
    const std::string log_saved = test::text_of(path / "a/log.jsonl");
    // In a checkpoint, and in the log and the recipe, with which a run begins.
    for (const rlim_t bytes : {500000, 300}) {
        SCOPED_TRACE(bytes);
        fs::remove(path / "a.error");
        ASSERT_EQ(run_with([&] { limit_files(bytes); }, "a", often), 1);
        EXPECT_NE(error("a").find((path / "a").string()), std::string::npos) << error("a");
        EXPECT_NE(error("a").find("File too large"), std::string::npos) << error("a");
        EXPECT_EQ(state("a", 4).tensors, saved.tensors);
        EXPECT_EQ(weights("a"), weights_saved);
        EXPECT_EQ(test::text_of(path / "a/log.jsonl").substr(0, log_saved.size()), log_saved);
        EXPECT_NO_THROW(read_recipe(path / "a/recipe.yml", {}));
        for (auto &entry : fs::directory_iterator(path / "a/checkpoints"))
            EXPECT_NO_THROW(read_checkpoint(entry.path()));
        EXPECT_FALSE(anything_unfinished("a"));
    }
    run("a", often);
    EXPECT_EQ(state("a", 12).tensors, state("whole", 12).tensors);
}

TEST_F(FaultsTest, AFolderThatCannotBeWrittenToIsAnError) {
    run("a", {"save_checkpoint_freq=2", "total_iter=4"});
    // Even of root.
    fs::rename(path / "a/checkpoints", path / "kept");
    test::write_text(path / "a/checkpoints", "in the way");
    try {
        run("a", often);
        FAIL() << "no error";
    } catch (const std::exception &error) {
        EXPECT_NE(std::string(error.what()).find("a/checkpoints"), std::string::npos)
            << error.what();
    }
    EXPECT_EQ(weights("a").metadata.at("iteration"), "4");
    fs::remove(path / "a/checkpoints");
    fs::rename(path / "kept", path / "a/checkpoints");
    EXPECT_NE(run("a", often).find("goes on after 4 steps"), std::string::npos);
}

TEST_F(FaultsTest, AFolderThatGoesWhileARunWritesToItIsAnError) {
    const pid_t child = start(recipe("a", {"save_checkpoint_freq=2", "total_iter=100000"}));
    ASSERT_TRUE(comes(path / "a/checkpoints/4.state"));
    fs::rename(path / "a/checkpoints", path / "kept");
    EXPECT_EQ(WEXITSTATUS(finish(child)), 1);
    EXPECT_NE(error("a").find("a/checkpoints"), std::string::npos) << error("a");
    for (auto &entry : fs::directory_iterator(path / "kept"))
        EXPECT_NO_THROW(read_checkpoint(entry.path()));
}

// Nothing is kept in memory here, so each patch is read anew.
TEST_F(FaultsTest, PicturesThatChangeMeanwhileGiveWay) {
    DataOptions options;
    options.dataroot_gt = {pictures};
    options.scales = {2};
    options.lq_size = 16;
    options.count = 4;
    options.threads = 2;
    options.cache_bytes = 0;
    std::atomic<int> warnings = 0;
    options.warn = [&](const std::string &what) {
        EXPECT_NE(what.find(".png"), std::string::npos) << what;
        ++warnings;
    };
    for (int i = 3; i < 40; i++) write_png(pictures / (std::to_string(i) + ".png"), texture(i));
    const std::string whole = test::text_of(pictures / "0.png");
    Loader loader(options);
    std::mt19937 random(1);
    const auto spoil = [&](const fs::path &picture) {
        switch (random() % 5) {
            case 0:
                fs::remove(picture);
                break;
            case 1:
                test::write_text(picture, whole.substr(0, random() % whole.size()));
                break;
            case 2:
                test::write_text(picture, std::string(1000, char(random())));
                break;
            case 3:
                write_png(picture, blank(8, 8));
                break;  // too small for a patch
            case 4:
                write_png(picture, texture(int(random())));
                break;  // as good
        }
    };
    for (int i = 0; i < 200; i++) {
        spoil(pictures / (std::to_string(random() % 38) + ".png"));  // and not the last two
        EXPECT_EQ(loader.take(i).count, 4);
    }
    EXPECT_GT(warnings, 10);
    EXPECT_EQ(loader.stats().skipped, warnings);

    fs::rename(pictures, path / "elsewhere");
    try {
        for (int i = 200; i < 220; i++) loader.take(i);
        FAIL() << "no error";
    } catch (const std::runtime_error &error) {
        EXPECT_NE(std::string(error.what()).find("none of 40 pictures can be used"),
                  std::string::npos)
            << error.what();
    }
}

TEST_F(FaultsTest, ARunGoesOnWithThePicturesThatItHas) {
    const pid_t child = start(recipe("a", {"total_iter=100000", "save_checkpoint_freq=12"}));
    ASSERT_TRUE(comes(path / "a/checkpoints/12.state"));  // it has seen all of them
    fs::rename(pictures, path / "elsewhere");
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    kill(child, SIGTERM);
    EXPECT_EQ(finish(child), 0) << error("a");
    fs::rename(path / "elsewhere", pictures);
    EXPECT_NE(run("a", {"total_iter=1"}).find("are done"), std::string::npos);
}

// Signals that a user, a batch system and a lost terminal send, whatever the run does just then.
TEST_F(FaultsTest, SignalsAtAnyTimeLoseNothing) {
    unsigned seed = std::random_device()();
    if (const char *given = std::getenv("MDRN_SEED")) seed = unsigned(std::atoi(given));
    SCOPED_TRACE("MDRN_SEED=" + std::to_string(seed));
    std::mt19937 random(seed);
    const std::vector<std::string> keys = {"total_iter=60", "save_checkpoint_freq=3"};
    run("a", keys);
    const Recipe interrupted = recipe("b", keys);
    constexpr int kSignals[] = {SIGINT, SIGTERM, SIGKILL, SIGINT, SIGTERM, SIGHUP};
    int64_t before = 0;
    for (const int signal : kSignals) {
        SCOPED_TRACE(signal);
        const pid_t child = start(interrupted);
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 600));
        kill(child, signal);
        const int status = finish(child);
        // Before it handles signals it dies of them; afterwards it saves, and ends well.
        EXPECT_TRUE((WIFEXITED(status) && WEXITSTATUS(status) == 0) || WIFSIGNALED(status))
            << error("b");
        if (!fs::exists(path / "b/checkpoints")) continue;
        const auto found = Checkpoints(path / "b/checkpoints", 5).last([](const std::string &what) {
            ADD_FAILURE() << what;
        });
        EXPECT_GE(found ? found->iteration : 0, before);
        before = found ? found->iteration : 0;
    }
    ASSERT_EQ(finish(start(interrupted)), 0) << error("b");
    EXPECT_EQ(state("a", 60).tensors, state("b", 60).tensors);
    EXPECT_EQ(weights("a"), weights("b"));
}

}  // namespace
}  // namespace mdrn::training
