// SPDX-License-Identifier: BSD-2-Clause
// Zip archives in memory.
#pragma once

#include <zip.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mdrn::training {

// bytes must outlive it. Throws mdrn::Error where something is wrong with the archive.
class ZipReader {
public:
    ZipReader(std::span<const std::byte> bytes, std::string origin);

    std::string first_name() const;  // of the entry that comes first

    // An entry's contents, of at most limit bytes; nothing where there is no such entry.
    std::optional<std::vector<std::byte>> read(const std::string &name, uint64_t limit) const;

private:
    struct Discard {
        void operator()(zip_t *archive) const { zip_discard(archive); }
    };
    std::string origin_;
    std::unique_ptr<zip_t, Discard> archive_;
};

// An archive of entries as they are, without compression and without dates: (name, contents).
// Throws std::runtime_error.
std::vector<std::byte> make_zip(
    const std::vector<std::pair<std::string, std::vector<std::byte>>> &entries);

}  // namespace mdrn::training
