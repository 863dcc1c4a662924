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

// An <svg> of curves over one x axis, which is called x_name. logarithmic: every y is above 0.
std::string chart(const std::string &title, const std::string &x_name,
                  const std::vector<Curve> &curves, bool logarithmic);

}  // namespace mdrn::training
