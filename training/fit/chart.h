// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mdrn::training {

struct Curve {
    std::string name;
    std::vector<std::pair<double, double>> points;  // (x, y), x ascending, all finite
};

// Text with what HTML gives a meaning to written out.
std::string escaped(const std::string &text);

enum class Upright {
    fitted,       // from the least y to the most
    from_zero,    // no y is below 0
    logarithmic,  // every y is above 0
};

// An <svg> of curves over one x axis, which begins at 0 and is called x_name. Upright: the y axis.
std::string chart(const std::string &title, const std::string &x_name,
                  const std::vector<Curve> &curves, Upright upright);

}  // namespace mdrn::training
