// SPDX-License-Identifier: BSD-2-Clause
// What a long run may not have more of at its end than at its beginning.
#pragma once

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace filter_test {

// How many times as long as in CI: MDRN_SOAK, 1 unless set.
inline int soak_length() {
    const char *given = std::getenv("MDRN_SOAK");
    return given ? std::max(1, std::atoi(given)) : 1;
}

struct Footprint {
    long resident = 0;   // bytes
    long allocated = 0;  // bytes of the main heap
    long files = 0, threads = 0;

    static Footprint now() {
        const auto entries = [](const char *folder) {
            return long(std::distance(std::filesystem::directory_iterator(folder), {}));
        };
        Footprint result;
        malloc_trim(0);
        long pages = 0;
        std::ifstream("/proc/self/statm") >> pages >> pages;
        result.resident = pages * sysconf(_SC_PAGESIZE);
        result.allocated = long(mallinfo2().uordblks);
        result.files = entries("/proc/self/fd");
        result.threads = entries("/proc/self/task");
        return result;
    }
};

// Of count frames or graphs after the first: not even a block of the smallest size for each. malloc
// must keep nothing back for each thread; filter_api_test.sh tells it.
inline void expect_flat(const Footprint &before, const Footprint &after, long count) {
    std::cout << "# " << count << ": resident " << before.resident / 1024 << " then "
              << after.resident / 1024 << " KiB, heap " << before.allocated / 1024 << " then "
              << after.allocated / 1024 << " KiB" << std::endl;
    EXPECT_LT(after.allocated - before.allocated, 1024 + 4 * count);
    EXPECT_LT(after.resident - before.resident, 4L << 20);
    EXPECT_EQ(after.files, before.files);
    EXPECT_EQ(after.threads, before.threads);
}

}  // namespace filter_test
