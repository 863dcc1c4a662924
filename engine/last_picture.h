// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "mdrn.h"

namespace mdrn {

// A copy of a picture, for the next one to be compared with. Not thread safe.
class LastPicture {
public:
    // Whether image, which has been checked, is the same: of the same kind, and with the same bytes
    // in every row; what lies between rows does not count. No picture in CUDA memory is.
    bool is(const mdrn_image &image) const;

    // Keeps a copy of image; nothing of one in CUDA memory.
    void keep(const mdrn_image &image);

    void forget() { kept_ = false; }

private:
    bool kept_ = false;
    mdrn_image image_{};
    std::vector<uint8_t> rows_;  // of all planes, one behind the other
};

}  // namespace mdrn
