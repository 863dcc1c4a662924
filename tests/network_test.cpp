// SPDX-License-Identifier: BSD-2-Clause
#include "network.h"

#include <gtest/gtest.h>

namespace mdrn {

TEST(Network, ExtendsFramesThatReflectPaddingCannotTake) {
    EXPECT_EQ(computed_size({1, 1}), (Size{15, 15}));
    EXPECT_EQ(computed_size({640, 14}), (Size{640, 15}));
    EXPECT_EQ(computed_size({16, 17}), (Size{16, 17}));
}

}  // namespace mdrn
