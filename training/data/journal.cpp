// SPDX-License-Identifier: BSD-2-Clause
#include "journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace mdrn::training {
namespace {

[[noreturn]] void fail(const std::filesystem::path &path, const std::string &what, int code) {
    throw std::runtime_error(path.string() + ": " + what + ": " +
                             std::generic_category().message(code));
}

}  // namespace

Journal::Journal(const std::filesystem::path &path, const std::string &heading) : path_(path) {
    std::ifstream stream(path, std::ios::binary);
    std::string line;
    bool any = false, whole = true;
    while (std::getline(stream, line)) {
        whole = !stream.eof();
        if (!any && whole && line != heading)
            throw std::runtime_error(path.string() + ": was begun as \"" + line + "\", not as \"" +
                                     heading + "\": remove its folder, or choose another");
        if (any && whole) lines_.insert(line);
        any = any || whole;
    }
    descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail(path, "cannot be written", errno);
    if (!whole) add("");  // ends a line that was begun
    if (!any) add(heading);
}

Journal::~Journal() {
    close(descriptor_);
}

void Journal::add(const std::string &line) {
    const std::string text = line + "\n";
    for (size_t done = 0; done < text.size();) {
        const ssize_t written = write(descriptor_, text.data() + done, text.size() - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail(path_, "cannot be written", errno);
        done += size_t(written);
    }
    if (fsync(descriptor_) < 0) fail(path_, "cannot be written", errno);
}

}  // namespace mdrn::training
