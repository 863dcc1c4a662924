// SPDX-License-Identifier: BSD-2-Clause
// Several processes that train together, as torchrun starts them.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "training/fit/runs.h"

namespace mdrn::training {
namespace {

class GroupTest : public test::Runs {
protected:
    void SetUp() override {
#ifndef MDRN_GLOO
        GTEST_SKIP() << "built without Gloo (Debian: libgloo-dev)";
#endif
    }

    static std::string free_port() {
        int socket_ = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        bind(socket_, reinterpret_cast<sockaddr *>(&address), size);
        getsockname(socket_, reinterpret_cast<sockaddr *>(&address), &size);
        close(socket_);
        return std::to_string(ntohs(address.sin_port));
    }

    // Starts a recipe in `size` processes.
    std::vector<pid_t> start_group(const Recipe &recipe, int size) {
        setenv("MASTER_ADDR", "127.0.0.1", 1);
        setenv("MASTER_PORT", free_port().c_str(), 1);
        setenv("WORLD_SIZE", std::to_string(size).c_str(), 1);
        std::vector<pid_t> children;
        for (int rank = 0; rank < size; rank++) {
            setenv("RANK", std::to_string(rank).c_str(), 1);
            children.push_back(start(recipe));
        }
        for (const char *name : {"MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK"})
            unsetenv(name);
        return children;
    }

    double last_loss(const std::string &out) {
        std::istringstream lines(test::text_of(path / out / "log.jsonl"));
        std::string line, last;
        while (std::getline(lines, line)) last = line;
        return nlohmann::json::parse(last)["loss"];
    }

    // How far two runs ended from each other, in parts of how far the first one went.
    double distance(const std::string &a, const std::string &b, int steps) {
        auto parameters = [&](const std::string &out, int step) {
            return state(out, step).tensors.at("parameters").values;
        };
        auto start = parameters(a, 1), end = parameters(a, steps), other = parameters(b, steps);
        double apart = 0, way = 0;
        for (size_t i = 0; i < end.size(); i++) {
            apart += std::pow(end[i] - other[i], 2);
            way += std::pow(end[i] - start[i], 2);
        }
        return std::sqrt(apart / way);
    }
};

// Adam divides by the gradient's size: where that is next to nothing, its rounding shows. So the
// bound is one of the whole way, and of a few steps.
TEST_F(GroupTest, GivesTheWeightsOfOneProcessWithAllPictures) {
    std::vector<std::string> keys = {"total_iter=6", "save_checkpoint_freq=1",
                                     "keep_checkpoints=6"};
    auto with_batch = [&](int count) {
        auto all = keys;
        all.push_back("batch_size_per_gpu=" + std::to_string(count));
        return all;
    };
    ASSERT_EQ(finish(start(recipe("one", with_batch(4)))), 0);
    for (int size : {2, 4}) {
        std::string out = std::to_string(size);
        for (pid_t child : start_group(recipe(out, with_batch(4 / size)), size))
            EXPECT_EQ(finish(child), 0) << test::text_of(path / (out + ".error"));
        EXPECT_LT(distance("one", out, 6), 1e-3) << size;
        EXPECT_NEAR(last_loss(out), last_loss("one"), 1e-5) << size;
        EXPECT_EQ(state(out, 6).lr_pixels, state("one", 6).lr_pixels);
    }
    ASSERT_EQ(finish(start(recipe("other", with_batch(2)))), 0);
    EXPECT_GT(distance("one", "other", 6), 0.1);  // what the bound is worth
}

TEST_F(GroupTest, ASignalToOneStopsAll) {
    auto children = start_group(recipe("a", {"total_iter=100000"}), 2);
    ASSERT_TRUE(comes(path / "a" / "log.jsonl"));
    kill(children[1], SIGTERM);
    for (pid_t child : children) EXPECT_EQ(finish(child), 0);
    EXPECT_TRUE(std::filesystem::exists(path / "a" / "mdrn-s_x2.safetensors"));
}

TEST_F(GroupTest, OneThatIsKilledEndsTheOther) {
    auto children = start_group(recipe("a", {"total_iter=100000"}), 2);
    ASSERT_TRUE(comes(path / "a" / "log.jsonl"));
    kill(children[1], SIGKILL);
    EXPECT_TRUE(WIFSIGNALED(finish(children[1])));
    int status = finish(children[0]);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
    EXPECT_THAT(test::text_of(path / "a.error"),
                testing::MatchesRegex("another process has ended .*\\(LibTorch: .*\\)"));
}

TEST_F(GroupTest, SaysWhichVariableIsMissing) {
    setenv("WORLD_SIZE", "2", 1);
    try {
        run("a");
        FAIL() << "no error";
    } catch (const std::runtime_error &error) {
        EXPECT_EQ(std::string(error.what()),
                  "RANK is not set; start several processes with torchrun --no-python");
    }
    unsetenv("WORLD_SIZE");
}

}  // namespace
}  // namespace mdrn::training
