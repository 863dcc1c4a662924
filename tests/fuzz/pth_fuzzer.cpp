// SPDX-License-Identifier: BSD-2-Clause
// Any bytes are a checkpoint or an Error that is no defect of ours; nothing else may leave
// parse_pth.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "error.h"
#include "weights/pth.h"
#include "weights/zip.h"

namespace {

// What is no archive itself becomes an archive's pickle, beside one storage of 16 floats.
std::vector<std::byte> archive_of(std::span<const std::byte> data) {
    const std::string_view text(reinterpret_cast<const char *>(data.data()), data.size());
    if (text.starts_with("PK")) return {data.begin(), data.end()};
    return mdrn::training::make_zip(
        {{"a/data.pkl", {data.begin(), data.end()}}, {"a/data/0", std::vector<std::byte>(64)}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const auto archive = archive_of(std::as_bytes(std::span(data, size)));
    try {
        mdrn::training::parse_pth(archive, "fuzz");
    } catch (const mdrn::Error &error) {
        if (error.code != MDRN_ERROR_MODEL) std::abort();
    }
    return 0;
}
