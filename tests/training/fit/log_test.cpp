// SPDX-License-Identifier: BSD-2-Clause
#include "fit/log.h"

#include <sstream>
#include <thread>

#include "training/folder.h"

namespace mdrn::training {
namespace {

using LogTest = test::Folder;

TEST_F(LogTest, DropsWhatAResumedRunDoesAgain) {
    auto file = path / "log.jsonl";
    test::write_text(file,
                     "{\"iter\":2,\"loss\":1}\n{\"iter\":4,\"loss\":2}\n"
                     "{\"iter\":6,\"loss\":3}\n{\"iter\":4,\"lo");
    Log log(file, 4);
    ASSERT_EQ(log.lines().size(), 2u);
    log.add({{"iter", 8}});
    EXPECT_EQ(test::text_of(file),
              "{\"iter\":2,\"loss\":1}\n{\"iter\":4,\"loss\":2}\n{\"iter\":8}\n");
}

TEST(Progress, AveragesSinceTheLastPrint) {
    std::ostringstream text;
    Screen screen(text, false);
    Progress progress(screen, 8, 4);
    for (int i = 1; i <= 8; i++) {
        bool print = progress.step({i, i == 6 ? NAN : double(i), 1e-3, 16, i >= 6});
        EXPECT_EQ(print, i % 4 == 0);
        if (i == 4) {
            EXPECT_EQ(progress.mean_loss(), 2.5);
        }
    }
    EXPECT_DOUBLE_EQ(progress.mean_loss(), 20.0 / 3);  // of 5, 7 and 8
    std::istringstream lines(text.str());
    std::string first, second, third;
    std::getline(lines, first);
    std::getline(lines, second);
    EXPECT_EQ(first.substr(0, 37), "iter 4/8  loss 2.50000  lr 1.00e-03  ");
    EXPECT_EQ(second.substr(0, 23), "iter 8/8  loss 6.66667 ");
    EXPECT_NE(second.find("1 steps skipped"), std::string::npos) << second;
    EXPECT_FALSE(std::getline(lines, third));
}

TEST(Progress, APauseIsNoneOfTheStepsTime) {
    std::ostringstream text;
    Screen screen(text, false);
    Progress progress(screen, 100, 2);
    progress.step({1, 1, 1e-3, 1000, 0});
    progress.pause();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    progress.go_on();
    progress.step({2, 1, 1e-3, 1000, 0});
    EXPECT_GT(progress.pictures_per_second(), 2000 / 0.3);
}

TEST(Screen, WritesOverAStatusOnATerminal) {
    std::ostringstream terminal, file;
    for (auto *stream : {&terminal, &file}) {
        Screen screen(*stream, stream == &terminal);
        screen.status("one");
        screen.line("two");
    }
    EXPECT_EQ(terminal.str(), "\r\x1b[Kone\r\x1b[Ktwo\n");
    EXPECT_EQ(file.str(), "two\n");
}

TEST(Duration, CountsDays) {
    EXPECT_EQ(duration(0), "00:00:00");
    EXPECT_EQ(duration(3 * 3600 + 25 * 60 + 45.4), "03:25:45");
    EXPECT_EQ(duration(2 * 86400 + 61), "2 d 00:01:01");
    EXPECT_EQ(duration(INFINITY), "unknown");
    EXPECT_EQ(duration(NAN), "unknown");
}

}  // namespace
}  // namespace mdrn::training
