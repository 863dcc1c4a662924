// SPDX-License-Identifier: BSD-2-Clause
// What the bundled weights make of a picture, as raw floats on the standard output: one processor's
// bits, for tests/cross_test.sh to compare with another's. The input is made of whole numbers, so
// that no mathematical library has part in it.
//   bits [TARGET]   one of checkops' targets; the best of this machine unless given
#include <cstdio>
#include <random>

#include "backends.h"
#include "error.h"
#include "network.h"
#include "planes.h"

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

namespace mdrn {
namespace {

void write_bits(const char *name, int scale, Size size, const std::string &target) {
    const Model model = load_model(name, scale);
    std::mt19937_64 random(1);
    test::Values rgb(size_t{3} * size.width * size.height);
    for (float &value : rgb) value = static_cast<float>(random() >> 40) / (1 << 24);
    const auto stages = make_cpu_stages(model, {0, 0, target}, [](const std::string &) {});
    stages->prepare(size, Plan::fast);
    test::set_rgb(*stages, rgb.data());
    run_planes(*stages);
    const test::Values hr = test::get_hr(*stages);
    if (std::fwrite(hr.data(), sizeof(float), hr.size(), stdout) != hr.size())
        throw Error(MDRN_ERROR_MODEL, "the result cannot be written");
}

}  // namespace
}  // namespace mdrn

int main(int argc, char **argv) try {
#ifdef _WIN32
    _setmode(_fileno(stdout), _O_BINARY);
#endif
    const std::string target = argc > 1 ? argv[1] : mdrn::cpu_targets().at(0);
    std::fprintf(stderr, "bits: %s\n", target.c_str());
    for (const char *name : {"mdrn", "mdrn-s"})
        for (int scale : {2, 3, 4}) mdrn::write_bits(name, scale, {33, 17}, target);
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "bits: %s\n", error.what());
    return 1;
}
