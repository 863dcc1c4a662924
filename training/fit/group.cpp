// SPDX-License-Identifier: BSD-2-Clause
#include "fit/group.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

#if defined(MDRN_GLOO) || defined(MDRN_NCCL)
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif
#ifdef MDRN_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif
#ifdef MDRN_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace mdrn::training {
namespace {

std::string variable(const char *name) {
    const char *text = std::getenv(name);
    if (!text || !*text)
        throw std::runtime_error(std::string(name) +
                                 " is not set; start several processes with torchrun --no-python");
    return text;
}

int number(const char *name, int least, int most) {
    std::string text = variable(name);
    char *end = nullptr;
    long result = std::strtol(text.c_str(), &end, 10);
    if (*end || result < least || result > most)
        throw std::runtime_error(std::string(name) + " is " + text + ", but should be from " +
                                 std::to_string(least) + " to " + std::to_string(most));
    return int(result);
}

}  // namespace

int local_rank() {
    return std::getenv("LOCAL_RANK") ? number("LOCAL_RANK", 0, 65535) : 0;
}

#if defined(MDRN_GLOO) || defined(MDRN_NCCL)

namespace {

// LibTorch's errors end in pages of where they come from: their first line says what there is.
[[noreturn]] void fail(const std::string &what, const std::exception &error) {
    const std::string text = error.what();
    throw std::runtime_error(what + " (LibTorch: " + text.substr(0, text.find('\n')) + ")");
}

// The store in which processes find each other: the agent's, where torchrun has one running, else
// one that the first process serves.
c10::intrusive_ptr<c10d::Store> open_store(int rank, int size) {
    const char *agent = std::getenv("TORCHELASTIC_USE_AGENT_STORE");
    c10d::TCPStoreOptions options;
    options.port = uint16_t(number("MASTER_PORT", 1, 65535));
    options.isServer = rank == 0 && !(agent && std::string(agent) == "True");
    options.numWorkers = size;
    auto store = c10::make_intrusive<c10d::TCPStore>(variable("MASTER_ADDR"), options);
    const char *attempt = std::getenv("TORCHELASTIC_RESTART_COUNT");
    return c10::make_intrusive<c10d::PrefixStore>(std::string("mdrn/") + (attempt ? attempt : "0"),
                                                  store);
}

}  // namespace

struct Group::Link {
#ifdef MDRN_GLOO
    c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
#endif
#ifdef MDRN_NCCL
    c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl;
#endif

    void open(const c10::intrusive_ptr<c10d::Store> &store, int rank, int size,
              [[maybe_unused]] bool cuda) {
#ifdef MDRN_NCCL
        if (cuda) {
            nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size);
            return;
        }
#endif
#ifdef MDRN_GLOO
        auto options = c10d::ProcessGroupGloo::Options::create();
        options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
        gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
#endif
    }

    template <typename Call>
    void run(Call call) try {
#ifdef MDRN_NCCL
        if (nccl) return call(*nccl);
#endif
#ifdef MDRN_GLOO
        call(*gloo);
#endif
    } catch (const std::exception &error) {
        fail(
            "another process has ended or cannot be reached any more; start all of them again, and "
            "the run goes on from its last checkpoint",
            error);
    }
};

Group::Group(bool cuda) {
    if (!std::getenv("WORLD_SIZE")) return;
    size_ = number("WORLD_SIZE", 1, 65536);
    rank_ = number("RANK", 0, size_ - 1);
    if (size_ == 1) return;
#ifndef MDRN_NCCL
    if (cuda)
        throw std::runtime_error("this mdrn-train was built without NCCL, which several GPUs need");
#endif
#ifndef MDRN_GLOO
    if (!cuda)
        throw std::runtime_error(
            "this mdrn-train was built without Gloo, which several processes on CPUs need");
#endif
    link_ = std::make_unique<Link>();
    try {
        link_->open(open_store(rank_, size_), rank_, size_, cuda);
    } catch (const c10::Error &error) {
        fail(
            "the other processes cannot be reached; under the torchrun of another PyTorch than "
            "this "
            "mdrn-train's LibTorch, set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1",
            error);
    }
}

void Group::sum(torch::Tensor &tensor) {
    std::vector<torch::Tensor> tensors = {tensor};
    if (link_) link_->run([&](auto &group) { group.allreduce(tensors)->wait(); });
}

void Group::broadcast(torch::Tensor &tensor) {
    std::vector<torch::Tensor> tensors = {tensor};
    if (link_) link_->run([&](auto &group) { group.broadcast(tensors)->wait(); });
}

#else

struct Group::Link {};

Group::Group(bool) {
    if (std::getenv("WORLD_SIZE") && number("WORLD_SIZE", 1, 65536) > 1)
        throw std::runtime_error(
            "this mdrn-train was built for one process: its LibTorch or its "
            "headers lack Gloo and NCCL (Debian: libgloo-dev)");
}

void Group::sum(torch::Tensor &) {}
void Group::broadcast(torch::Tensor &) {}

#endif

Group::~Group() = default;

}  // namespace mdrn::training
