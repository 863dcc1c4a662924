// SPDX-License-Identifier: BSD-2-Clause
// The stages as the paper writes them: what every other backend is compared with.
#pragma once

#include <functional>
#include <string>

#include "backends.h"
#include "reference/layers.h"

namespace mdrn::reference {

class ReferenceStages final : public HostStages {
public:
    ReferenceStages(const Model &model, WarnOnce warn);

    std::string description() const override { return "reference, fp32"; }
    uint64_t memory_needed(Size size, Plan plan) const override;
    void prepare(Size size, Plan plan) override;
    void head() override;
    void distill(int block) override;
    void mdsa(int block) override;
    void ecca(int block) override;
    void gather(int block) override;
    void tail() override;

    Planes rgb() override { return planes(rgb_); }
    Planes hr() override { return planes(hr_); }
    void read(Map map, float *chw) override;
    void write(Map map, const float *chw) override;

    // Called with the output of each module that the published model names, before any activation
    // that its caller applies.
    using Tap = std::function<void(const std::string &module, const Tensor &output)>;
    Tap tap;

private:
    static Planes planes(Tensor &tensor);
    Tensor &map(Map which) { return maps_[static_cast<int>(which)]; }
    void tell(const std::string &module, const Tensor &output) const;
    void tell(int block, const std::string &module, const Tensor &output) const;

    const Model &model_;
    Tensor rgb_, hr_;     // (3, H, W), (3, sH, sW)
    Tensor maps_[kMaps];  // (C, H, W)
    Tensor f0_, sum_;     // (C, H, W)
};

}  // namespace mdrn::reference
