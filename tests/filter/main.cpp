// SPDX-License-Identifier: BSD-2-Clause
// GoogleTest, one line a test as the other filter tests print them.
#include <gtest/gtest.h>

#include <iostream>
#include <sstream>

extern "C" {
#include <libavutil/log.h>
}

namespace {

class Lines : public testing::EmptyTestEventListener {
    std::string said_;  // of the test that runs

    void OnTestStart(const testing::TestInfo &) override { said_.clear(); }

    void OnTestPartResult(const testing::TestPartResult &result) override {
        if (result.skipped()) {
            said_ = result.message();
        } else if (result.failed()) {
            std::istringstream lines(result.message());
            for (std::string line; std::getline(lines, line);) said_ += "#   " + line + "\n";
            said_ += "#   in " + std::string(result.file_name() ? result.file_name() : "?") + ":" +
                     std::to_string(result.line_number()) + "\n";
        }
    }

    void OnTestEnd(const testing::TestInfo &info) override {
        const std::string name = std::string(info.test_suite_name()) + "." + info.name();
        if (info.result()->Skipped())
            std::cout << "skip - " << name << ": " << said_ << std::endl;
        else if (info.result()->Passed())
            std::cout << "ok - " << name << std::endl;
        else
            std::cout << "not ok - " << name << "\n" << said_ << std::flush;
    }
};

}  // namespace

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    av_log_set_level(AV_LOG_QUIET);  // errors are provoked here
    testing::TestEventListeners &listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new Lines);
    return RUN_ALL_TESTS();
}
