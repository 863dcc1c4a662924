// SPDX-License-Identifier: BSD-2-Clause
// How much memory pictures take, and what happens where there is less.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "api.h"
#include "os.h"

namespace mdrn::test {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = 1 << 20;

struct Log {
    explicit Log(mdrn_settings &settings) {
        settings.log_opaque = this;
        settings.log = [](void *opaque, mdrn_log_level level, const char *message) {
            static_cast<Log *>(opaque)->lines[level].push_back(message);
        };
    }
    std::vector<std::string> lines[MDRN_LOG_VERBOSE + 1];
};

// The number before " MiB" in a message, the first after the given words.
uint64_t mebibytes(const std::string &message, const std::string &words) {
    const size_t at = message.find(words);
    if (at == std::string::npos) return 0;
    const size_t digits = message.find_first_of("0123456789", at + words.size());
    return std::strtoull(message.c_str() + digits, nullptr, 10);
}

uint64_t least_memory(const mdrn_settings &settings, int width, int height) {
    uint64_t bytes = 0;
    EXPECT_EQ(mdrn_memory_needed(open(settings).get(), width, height, &bytes), 0);
    return bytes;
}

uint64_t fast_memory(mdrn_settings settings, int width, int height) {
    Log log(settings);
    settings.memory = std::numeric_limits<uint64_t>::max();
    EXPECT_EQ(mdrn_prepare(open(settings).get(), width, height), 0) << mdrn_last_error();
    const auto &lines = log.lines[MDRN_LOG_VERBOSE];
    EXPECT_EQ(lines.size(), 2U);  // the first is of the device
    EXPECT_NE(lines.back().find("fast plan"), std::string::npos) << lines.back();
    return mebibytes(lines.back(), ": ") * kMiB;
}

TEST(Memory, IsLittleMoreThanTheMapsOfThePlan) {
    mdrn_settings settings = small_settings();
    settings.threads = 2;
    for (const auto &[model, features] : {std::pair{"mdrn", 56}, {"mdrn-s", 28}})
        for (int scale : {2, 4}) {
            settings.model = model;
            settings.scale = scale;
            const double map = 4.0 * features * 640 * 360;
            const double least = static_cast<double>(least_memory(settings, 640, 360)) / map;
            const double fast = static_cast<double>(fast_memory(settings, 640, 360)) / map;
            EXPECT_GT(least, 3.25) << model << " x" << scale;
            EXPECT_LT(least, 3.75) << model << " x" << scale;
            EXPECT_GT(fast, 4.25) << model << " x" << scale;  // also ECCA's y and MDSA's c
            EXPECT_LT(fast, 4.75) << model << " x" << scale;
        }
}

TEST(Memory, TheSlowerPlanIsTakenWhereTheFastOneDoesNotFit) {
    mdrn_settings settings = small_settings();
    const uint64_t least = least_memory(settings, 320, 180);
    const uint64_t fast = fast_memory(settings, 320, 180);
    ASSERT_LT(least, fast);

    const FloatPicture in(320, 180);
    settings.reuse = 0;
    std::vector<float> first;
    for (uint64_t memory : {fast, fast - 1, least}) {
        settings.memory = memory;
        Log log(settings);
        const Context context = open(settings);
        FloatPicture out(640, 360);
        for (int run = 0; run < 2; ++run)
            ASSERT_EQ(enlarge(context.get(), in.image, out.image), 0) << mdrn_last_error();
        if (first.empty()) first = out.values;
        EXPECT_TRUE(out.values == first) << memory << " bytes";

        const auto &warnings = log.lines[MDRN_LOG_WARNING];
        ASSERT_EQ(warnings.size(), memory == fast ? 0U : 1U);
        if (memory == fast) continue;
        EXPECT_EQ(mebibytes(warnings[0], "taken, in"), least / kMiB) << warnings[0];
        EXPECT_EQ(mebibytes(warnings[0], "fast one needs"), fast / kMiB) << warnings[0];
        EXPECT_NE(warnings[0].find("raise memory"), std::string::npos) << warnings[0];
        EXPECT_EQ(mebibytes(log.lines[MDRN_LOG_VERBOSE].at(1), ": "), least / kMiB);
    }
}

TEST(Memory, WhereNoPlanFitsTheErrorSaysHowMuchIsNeeded) {
    mdrn_settings settings = small_settings();
    const uint64_t least = least_memory(settings, 320, 180);
    settings.memory = least - 1;
    Log log(settings);
    const Context context = open(settings);
    EXPECT_EQ(mdrn_prepare(context.get(), 320, 180), MDRN_ERROR_OUT_OF_MEMORY);
    const std::string told = mdrn_last_error();
    EXPECT_EQ(log.lines[MDRN_LOG_ERROR], std::vector{told});
    EXPECT_NE(told.find("320x180"), std::string::npos) << told;
    EXPECT_EQ(mebibytes(told, "needs"), least / kMiB) << told;
    EXPECT_EQ(mebibytes(told, "only"), least / kMiB) << told;  // rounded up
    EXPECT_NE(told.find("raise memory"), std::string::npos) << told;
    EXPECT_EQ(mdrn_prepare(context.get(), 100, 100), 0) << mdrn_last_error();
}

TEST(Memory, OfExtremeSizesIsCountedWithoutOverflow) {
    const Context context = open(small_settings());
    constexpr int kMost = 1 << 20;
    const auto needed = [&](int width, int height) {
        uint64_t bytes = 0;
        EXPECT_EQ(mdrn_memory_needed(context.get(), width, height, &bytes), 0) << mdrn_last_error();
        return static_cast<double>(bytes);
    };
    for (auto [width, height] : {std::pair{kMost, kMost}, {65535, 65535}, {kMost, 4320}}) {
        const double map = 4.0 * 28 * width * height;
        EXPECT_GT(needed(width, height), 3 * map) << width << "x" << height;
        EXPECT_LT(needed(width, height), 4 * map) << width << "x" << height;
    }
    EXPECT_GT(needed(1, kMost), 3 * 4.0 * 28 * 15 * kMost);
    EXPECT_GT(needed(kMost, 1), 3 * 4.0 * 28 * 15 * kMost);
    uint64_t bytes = 0;
    for (auto [width, height] : {std::pair{0, 4}, {4, -1}, {kMost + 1, 1}, {1, 1 << 30}})
        EXPECT_EQ(mdrn_memory_needed(context.get(), width, height, &bytes),
                  MDRN_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(mdrn_prepare(context.get(), kMost, kMost), MDRN_ERROR_OUT_OF_MEMORY);
    EXPECT_NE(std::string(mdrn_last_error()).find("needs"), std::string::npos);
}

// Long thin pictures, by both plans.
TEST(Memory, LongThinPicturesAreEnlarged) {
    for (auto [width, height] : {std::pair{1, 2048}, {2048, 1}}) {
        mdrn_settings settings = small_settings();
        const FloatPicture in(width, height);
        std::vector<float> first;
        for (uint64_t memory : {uint64_t{0}, least_memory(settings, width, height)}) {
            settings.memory = memory;
            FloatPicture out(2 * width, 2 * height);
            ASSERT_EQ(enlarge(open(settings).get(), in.image, out.image), 0) << mdrn_last_error();
            if (first.empty()) first = out.values;
            EXPECT_TRUE(out.values == first) << width << "x" << height;
        }
    }
}

// --- what the system tells ---------------------------------------------------

class FakeRoot : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "mdrn-root-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        root = name;
    }
    void TearDown() override { fs::remove_all(root); }

    void write(const std::string &path, const std::string &text) {
        const fs::path file = root + path;
        fs::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }
    std::string root;
};

TEST_F(FakeRoot, TheMachinesMemory) {
    EXPECT_EQ(available_memory(root), std::numeric_limits<uint64_t>::max());
    write("/proc/meminfo", "MemTotal:  900 kB\nMemFree:  10 kB\nMemAvailable:   500 kB\n");
    EXPECT_EQ(available_memory(root), 500U * 1024);
}

TEST_F(FakeRoot, ControlGroupsVersion2) {
    write("/proc/meminfo", "MemAvailable: 5000 kB\n");
    write("/proc/self/cgroup", "0::/one/two\n");
    const std::string group = "/sys/fs/cgroup/one";
    write(group + "/two/memory.max", "max\n");
    write(group + "/two/memory.current", "70000\n");
    EXPECT_EQ(available_memory(root), 5000U * 1024);
    write(group + "/memory.max", "1000000\n");
    write(group + "/memory.current", "600000\n");
    EXPECT_EQ(available_memory(root), 400000U);
    write(group + "/memory.stat",
          "anon 200000\nfile 400000\ninactive_file 300000\nactive_file 50000\n");
    EXPECT_EQ(available_memory(root), 750000U);
    write(group + "/two/memory.max", "60000\n");
    EXPECT_EQ(available_memory(root), 0U);
    write("/sys/fs/cgroup/memory.max", "5\n");
    write("/sys/fs/cgroup/memory.current", "3\n");
    write(group + "/two/memory.max", "max\n");
    EXPECT_EQ(available_memory(root), 2U);
}

TEST_F(FakeRoot, ControlGroupsVersion1) {
    write("/proc/meminfo", "MemAvailable: 5000 kB\n");
    write("/proc/self/cgroup", "9:name=systemd:/else\n4:memory:/box\n2:cpu:/cpu\n0::/\n");
    const std::string group = "/sys/fs/cgroup/memory/box";
    write(group + "/memory.limit_in_bytes", "9223372036854771712\n");
    write(group + "/memory.usage_in_bytes", "800\n");
    EXPECT_EQ(available_memory(root), 5000U * 1024);
    write(group + "/memory.limit_in_bytes", "1000\n");
    EXPECT_EQ(available_memory(root), 200U);
    write(group + "/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n");
    EXPECT_EQ(available_memory(root), 700U);
}

// --- where the system refuses ------------------------------------------------

constexpr bool kSanitized =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    true;
#else
    false;
#endif

// In a process of its own; the child says whether all went well.
bool in_child(const std::function<bool()> &body) {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) _exit(body() ? 0 : 1);
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool holds(bool condition, const char *what) {
    if (!condition) std::fprintf(stderr, "%s; %s\n", what, mdrn_last_error());
    return condition;
}

bool small_picture_works(mdrn_context *context) {
    const FloatPicture in(64, 64);
    FloatPicture out(128, 128);
    out.values.assign(out.values.size(), -9);
    return holds(enlarge(context, in.image, out.image) == 0, "a small picture fails") &&
           holds(out.values.front() > -2 && out.values.back() > -2, "it is not written");
}

// The large picture is refused with words in the message, and the context goes on.
bool refuses(uint64_t memory, const char *words) {
    mdrn_settings settings = small_settings();
    settings.threads = 2;
    settings.memory = memory;
    const Context context = open(settings);
    return small_picture_works(context.get()) &&
           holds(mdrn_prepare(context.get(), 1920, 1080) == MDRN_ERROR_OUT_OF_MEMORY,
                 "a large picture is not refused") &&
           holds(std::string(mdrn_last_error()).find(words) != std::string::npos, words) &&
           small_picture_works(context.get());
}

TEST(Memory, TheSystemsRefusalIsAnError) {
    if (kSanitized) GTEST_SKIP() << "the sanitizer takes all of the address space";
    EXPECT_TRUE(in_child([] {
        std::ifstream pages("/proc/self/statm");
        rlim_t now = 0;
        pages >> now;
        now = now * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + 600 * kMiB;
        const rlimit limit{now, now};
        return holds(setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit") &&
               refuses(std::numeric_limits<uint64_t>::max(), "refused");
    }));
}

// A control group of 256 MiB inside this process's own; "" where the machine has none to make.
fs::path make_group() {
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        const bool v1 = line.find(":memory:") != std::string::npos;
        if (!v1 && !line.starts_with("0::")) continue;
        fs::path group = std::string(v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup") +
                         line.substr(line.rfind(':') + 1);
        group /= "mdrn-test-" + std::to_string(getpid());
        std::error_code error;
        if (!fs::create_directory(group, error)) continue;
        std::ofstream file(group / (v1 ? "memory.limit_in_bytes" : "memory.max"));
        if (file << 256 * kMiB << std::flush) return group;
        fs::remove(group, error);
    }
    return {};
}

TEST(Memory, AControlGroupsLimitIsKept) {
    const fs::path group = make_group();
    if (group.empty()) GTEST_SKIP() << "no control group can be made here";
    EXPECT_TRUE(in_child([&] {
        std::ofstream members(group / "cgroup.procs");
        members << getpid() << std::flush;
        return holds(members.good(), "the group cannot be joined") &&
               holds(available_memory() <= 256 * kMiB, "the group's limit is not seen") &&
               refuses(0, "80 % of what is free");
    }));
    std::error_code error;
    for (int tries = 0; !fs::remove(group, error) && tries < 100; ++tries) usleep(10000);
}

}  // namespace
}  // namespace mdrn::test
