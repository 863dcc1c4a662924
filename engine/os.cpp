// SPDX-License-Identifier: BSD-2-Clause
#include "os.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace mdrn {

namespace {

constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();

uint64_t number_in(const std::string &path) {
    uint64_t number = kUnknown;
    std::ifstream file(path);
    return file >> number ? number : kUnknown;
}

uint64_t machine_memory() {
    std::ifstream file("/proc/meminfo");
    std::string key;
    uint64_t kibibytes = 0;
    while (file >> key >> kibibytes) {
        if (key == "MemAvailable:") return kibibytes * 1024;
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    return kUnknown;
}

// What a control group (v2, then v1) and its ancestors leave to this process.
uint64_t control_group_memory() {
    struct Names {
        const char *root, *limit, *used;
    };
    constexpr Names kV2{"/sys/fs/cgroup", "/memory.max", "/memory.current"};
    constexpr Names kV1{"/sys/fs/cgroup/memory", "/memory.limit_in_bytes",
                        "/memory.usage_in_bytes"};
    uint64_t left = kUnknown;
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        const bool v2 = line.starts_with("0::");
        if (!v2 && line.find(":memory:") == std::string::npos) continue;
        const Names &names = v2 ? kV2 : kV1;
        std::string group = line.substr(line.rfind(':') + 1);
        for (;;) {
            const std::string folder = names.root + (group == "/" ? "" : group);
            const uint64_t limit = number_in(folder + names.limit);
            const uint64_t used = number_in(folder + names.used);
            if (limit != kUnknown && used != kUnknown)
                left = std::min(left, limit - std::min(limit, used));
            const size_t parent = group.rfind('/');
            if (group == "/" || parent == std::string::npos) break;
            group = parent == 0 ? "/" : group.substr(0, parent);
        }
    }
    return left;
}

}  // namespace

uint64_t available_memory() {
    const uint64_t bytes = std::min(machine_memory(), control_group_memory());
    return bytes == kUnknown ? 0 : bytes;
}

uint64_t second_level_cache() {
    const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return bytes > 0 ? static_cast<uint64_t>(bytes) : uint64_t{512} << 10;
}

void use_huge_pages(void *memory, size_t bytes) {
    madvise(memory, bytes, MADV_HUGEPAGE);
}

}  // namespace mdrn
