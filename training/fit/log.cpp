// SPDX-License-Identifier: BSD-2-Clause
#include "fit/log.h"

#include <sys/resource.h>

#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "weights/atomic.h"

namespace mdrn::training {
namespace {

constexpr std::chrono::milliseconds kStatusEvery(200);

}  // namespace

Log::Log(const std::filesystem::path &file, int64_t iteration) : file_(file) {
    std::ifstream before(file);
    for (std::string text; std::getline(before, text);) {
        auto line = nlohmann::json::parse(text, nullptr, false);
        if (line.is_object() && line.contains("iter") && line["iter"].is_number_integer() &&
            line["iter"] <= iteration)
            lines_.push_back(line);
    }
    write_atomically(file, [&](std::ostream &stream) {
        for (auto &line : lines_) stream << line << '\n';
    });
    stream_.open(file, std::ios::app);
}

void Log::add(const nlohmann::json &line) {
    lines_.push_back(line);
    if (!(stream_ << line << std::endl))
        throw std::runtime_error(file_.string() + ": cannot be written; is the disk full?");
}

Screen::Screen(std::ostream &stream, bool terminal) : stream_(stream), terminal_(terminal) {}

void Screen::line(const std::string &text) {
    std::lock_guard lock(mutex_);
    stream_ << (terminal_ ? "\r\x1b[K" : "") << text << '\n' << std::flush;
}

void Screen::status(const std::string &text) {
    std::lock_guard lock(mutex_);
    if (terminal_) stream_ << "\r\x1b[K" << text << std::flush;
}

Progress::Progress(Screen &screen, int64_t total, int64_t print_freq)
    : screen_(screen), total_(total), print_freq_(print_freq) {}

bool Progress::step(const Moment &moment) {
    steps_++;
    pictures_ += moment.pictures;
    if (std::isfinite(moment.loss)) losses_ += moment.loss, losses_counted_++;
    auto now = Clock::now();
    double seconds = seconds_ + std::chrono::duration<double>(now - since_).count();
    steps_per_second_ = double(steps_) / seconds;
    pictures_per_second_ = double(pictures_) / seconds;
    mean_loss_ = losses_counted_ ? losses_ / double(losses_counted_) : NAN;

    if (moment.iteration % print_freq_) {
        if (now - shown_ > kStatusEvery) screen_.status(text(moment)), shown_ = now;
        return false;
    }
    screen_.line(text(moment));
    since_ = now;
    seconds_ = losses_ = 0;
    steps_ = losses_counted_ = pictures_ = 0;
    return true;
}

std::string Progress::text(const Moment &moment) const {
    char line[256];
    std::snprintf(line, sizeof(line),
                  "iter %lld/%lld  loss %.5f  lr %.2e  %.1f pictures/s  ETA %s  memory %lld MiB",
                  (long long)moment.iteration, (long long)total_, mean_loss_, moment.lr,
                  pictures_per_second_,
                  duration(double(total_ - moment.iteration) / steps_per_second_).c_str(),
                  (long long)(peak_memory() >> 20));
    return moment.skipped ? line + ("  " + std::to_string(moment.skipped)) + " steps skipped"
                          : line;
}

void Progress::pause() {
    seconds_ += std::chrono::duration<double>(Clock::now() - since_).count();
}

void Progress::go_on() {
    since_ = Clock::now();
}

std::string duration(double seconds) {
    if (!(seconds < 1e9)) return "unknown";
    long long whole = std::llround(seconds);
    char text[48];
    std::snprintf(text, sizeof(text), "%02lld:%02lld:%02lld", whole / 3600 % 24, whole / 60 % 60,
                  whole % 60);
    long long days = whole / 86400;
    return days ? std::to_string(days) + " d " + text : text;
}

int64_t peak_memory() {
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return int64_t(usage.ru_maxrss) * 1024;
}

}  // namespace mdrn::training
