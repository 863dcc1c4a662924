// SPDX-License-Identifier: BSD-2-Clause
// What backends that compute in host memory share.
#pragma once

#include <memory>
#include <vector>

#include "excess.h"
#include "frame.h"
#include "os.h"
#include "stages.h"

namespace mdrn {

// Stages whose frames come and go through frame.h, with maps that tests can look into.
class HostStages : public Stages {
public:
    bool waits() const final { return true; }
    bool reaches(mdrn_memory memory) const final { return memory == MDRN_MEMORY_HOST; }
    uint64_t free_memory() const final { return available_memory(); }
    void unpack(const mdrn_image &image) final {
        frame_.unpack(image, rgb());
        excess_.take(rgb());
    }
    void end() final { excess_.give_back(hr()); }
    void pack(const mdrn_image &image) final { frame_.pack(hr(), image); }

    // The planes that unpack fills (3, H, W) and that pack reads (3, sH, sW).
    virtual Planes rgb() = 0;
    virtual Planes hr() = 0;

    // Copies a map from and to (C, H, W) without gaps.
    virtual void read(Map map, float *chw) = 0;
    virtual void write(Map map, const float *chw) = 0;

protected:
    explicit HostStages(WarnOnce warn) : frame_(std::move(warn)) {}

private:
    FrameConverter frame_;
    Excess excess_;
};

}  // namespace mdrn
