// SPDX-License-Identifier: BSD-2-Clause
#include "weights/zip.h"

#include <stdexcept>

#include "header.h"

namespace mdrn::training {
namespace {

struct CloseFile {
    void operator()(zip_file_t *file) const { zip_fclose(file); }
};

struct FreeSource {
    void operator()(zip_source_t *source) const { zip_source_free(source); }
};
using Source = std::unique_ptr<zip_source_t, FreeSource>;

// libzip's words; what error holds is freed.
std::string words(zip_error_t &error) {
    std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    return text;
}

[[noreturn]] void fail(const std::string &why) {
    throw std::runtime_error("a zip archive cannot be made: " + why);
}

}  // namespace

ZipReader::ZipReader(std::span<const std::byte> bytes, std::string origin)
    : origin_(std::move(origin)) {
    zip_error_t error;
    zip_error_init(&error);
    Source source(zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error));
    if (source) archive_.reset(zip_open_from_source(source.get(), ZIP_RDONLY, &error));
    if (!archive_) reject_file(origin_, "a zip archive", words(error));
    source.release();  // the archive's now
}

std::string ZipReader::first_name() const {
    const char *name = zip_get_name(archive_.get(), 0, 0);
    return name ? name : "";
}

std::optional<std::vector<std::byte>> ZipReader::read(const std::string &name,
                                                      uint64_t limit) const {
    zip_t *archive = archive_.get();
    const zip_int64_t index = zip_name_locate(archive, name.c_str(), 0);
    zip_stat_t status;
    if (index < 0 || zip_stat_index(archive, index, 0, &status) < 0) return std::nullopt;
    const std::string origin = origin_ + ": " + name;
    if (!(status.valid & ZIP_STAT_SIZE) || status.size > limit)
        reject_file(origin, "at most " + std::to_string(limit) + " bytes",
                    std::to_string(status.size));
    const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(archive, index, 0));
    if (!file) reject_file(origin, "an entry that can be read", zip_strerror(archive));

    std::vector<std::byte> bytes(status.size);
    std::byte beyond;
    const zip_int64_t got = zip_fread(file.get(), bytes.data(), bytes.size());
    // Only at the end does libzip compare the checksum.
    const zip_int64_t more = got < 0 ? got : zip_fread(file.get(), &beyond, 1);
    if (more < 0)
        reject_file(origin, "an entry that can be read",
                    zip_error_strerror(zip_file_get_error(file.get())));
    if (static_cast<zip_uint64_t>(got) != status.size || more)
        reject_file(origin, std::to_string(status.size) + " bytes",
                    more ? "more" : std::to_string(got));
    return bytes;
}

std::vector<std::byte> make_zip(
    const std::vector<std::pair<std::string, std::vector<std::byte>>> &entries) {
    zip_error_t error;
    zip_error_init(&error);
    const Source result(zip_source_buffer_create(nullptr, 0, 0, &error));
    if (!result) fail(words(error));
    zip_t *archive = zip_open_from_source(result.get(), ZIP_CREATE | ZIP_TRUNCATE, &error);
    if (!archive) fail(words(error));
    zip_source_keep(result.get());  // the archive lets its own reference go

    for (const auto &[name, contents] : entries) {
        zip_source_t *source = zip_source_buffer(archive, contents.data(), contents.size(), 0);
        const zip_int64_t index =
            source ? zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8) : -1;
        if (index < 0) {
            const std::string why = zip_strerror(archive);
            zip_source_free(source);
            zip_discard(archive);
            fail(name + ": " + why);
        }
        zip_set_file_compression(archive, index, ZIP_CM_STORE, 0);
        zip_file_set_dostime(archive, index, 0, 0x21, 0);  // the first of January 1980
    }
    if (zip_close(archive) < 0) {
        const std::string why = zip_strerror(archive);
        zip_discard(archive);
        fail(why);
    }

    zip_stat_t status;
    if (zip_source_stat(result.get(), &status) < 0 || zip_source_open(result.get()) < 0)
        fail(words(*zip_source_error(result.get())));
    std::vector<std::byte> bytes(status.size);
    const zip_int64_t got = zip_source_read(result.get(), bytes.data(), bytes.size());
    zip_source_close(result.get());
    if (got != static_cast<zip_int64_t>(bytes.size()))
        fail("less was written than there should be");
    return bytes;
}

}  // namespace mdrn::training
