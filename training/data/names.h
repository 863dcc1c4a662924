// SPDX-License-Identifier: BSD-2-Clause
// What a data set's folders and files say of a picture by their names.
#pragma once

#include <string>

namespace mdrn::training {

struct PictureName {
    enum class Kind { kUnmarked, kHigh, kLow };
    Kind kind = Kind::kUnmarked;
    int scale = 0;  // of a low-resolution picture; 0: not said
    // The name without folders' and files' marks and without ending: the same for a picture in high
    // and in low resolution. "DIV2K_train_LR_bicubic/X4/0001x4.png" is "DIV2K_train/0001".
    std::string key;
    std::string suffixed;  // the key without "x4" at its end, "" where there is none
    int suffix = 0;        // the scale that this end says
};

// relative: the path below the data set's root, folders parted by '/'. Known are
//   folders  HR, GT, LR, LQ, X4, LRbicx4, LR_bicubic, NAME_HR, NAME_LR_bicubic, each also with
//   "_sub"
//            or ".lmdb" at its end
//   files    NAME_SRF_4_HR, NAME_SRF_4_LR; NAMEx4, which may be a name like any other: it is the
//            caller who knows
PictureName name_of(const std::string &relative);

}  // namespace mdrn::training
