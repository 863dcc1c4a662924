// SPDX-License-Identifier: BSD-2-Clause
// The processes that train together, as torchrun's environment names them: RANK, WORLD_SIZE,
// MASTER_ADDR, MASTER_PORT, LOCAL_RANK, TORCHELASTIC_USE_AGENT_STORE, TORCHELASTIC_RESTART_COUNT.
#pragma once

#include <memory>

#include "fit/libtorch.h"

namespace mdrn::training {

class Group {
public:
    // One process where WORLD_SIZE is 1 or not set. cuda: sums are of tensors on a CUDA device.
    // Throws std::runtime_error where a variable is missing, the others can't be reached, or
    // mdrn-train was built without what it takes.
    explicit Group(bool cuda);
    ~Group();
    Group(const Group &) = delete;

    int rank() const { return rank_; }
    int size() const { return size_; }
    bool first() const { return rank_ == 0; }

    // Replaces a tensor by its sum over all processes, the same bits in each.
    void sum(torch::Tensor &tensor);
    // Replaces a tensor by the first process's.
    void broadcast(torch::Tensor &tensor);

private:
    struct Link;
    int rank_ = 0, size_ = 1;
    std::unique_ptr<Link> link_;
};

// This process's place among those of its machine: LOCAL_RANK, 0 where it is not set.
int local_rank();

}  // namespace mdrn::training
