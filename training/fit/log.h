// SPDX-License-Identifier: BSD-2-Clause
// What a run tells: JSON lines on disk, a line on the screen.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

namespace mdrn::training {

// A file of JSON lines, each with "iter", the number of steps done when it was written.
class Log {
public:
    // Goes on with the file; lines of later steps than `iteration`, which a resumed run does again,
    // and one that was cut off are dropped. Throws std::runtime_error that names the file.
    Log(const std::filesystem::path &file, int64_t iteration);

    void add(const nlohmann::json &line);

    const std::vector<nlohmann::json> &lines() const { return lines_; }

private:
    std::filesystem::path file_;
    std::ofstream stream_;
    std::vector<nlohmann::json> lines_;
};

// Lines for people. For all threads.
class Screen {
public:
    // terminal: what status() shows is written over by what comes next.
    Screen(std::ostream &stream, bool terminal);

    void line(const std::string &text);
    void status(const std::string &text);  // nothing where there is no terminal

private:
    std::mutex mutex_;
    std::ostream &stream_;
    bool terminal_;
};

// How far a run is, in one line, every print_freq steps for good.
class Progress {
public:
    Progress(Screen &screen, int64_t total, int64_t print_freq);

    struct Moment {
        int64_t iteration;
        double loss, lr;
        int64_t pictures;  // in this step, of all processes
        int64_t skipped;   // steps so far
    };
    // Counts one step and shows it where it is time to. True every print_freq steps: mean_loss()
    // and pictures_per_second() are then of all steps since the last time.
    bool step(const Moment &moment);

    // Time from here to go_on() is none of the steps'.
    void pause();
    void go_on();

    double mean_loss() const { return mean_loss_; }
    double pictures_per_second() const { return pictures_per_second_; }

private:
    using Clock = std::chrono::steady_clock;

    std::string text(const Moment &moment) const;

    Screen &screen_;
    int64_t total_, print_freq_;
    Clock::time_point since_ = Clock::now(), shown_ = Clock::now();
    double seconds_ = 0, losses_ = 0;  // since the last print
    int64_t steps_ = 0, losses_counted_ = 0, pictures_ = 0;
    double mean_loss_ = 0, pictures_per_second_ = 0, steps_per_second_ = 0;
};

// "1 d 02:03:04", without the days where there are none.
std::string duration(double seconds);

// The most memory that this process had so far, bytes.
int64_t peak_memory();

}  // namespace mdrn::training
