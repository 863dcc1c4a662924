// SPDX-License-Identifier: BSD-2-Clause
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>

#include "commands.h"
#include "data/pieces.h"

namespace mdrn::training {
namespace {

using Clock = std::chrono::steady_clock;

// One line that is written over on a terminal; elsewhere a line every ten seconds.
class Progress {
public:
    void show(const PieceCounts &counts) {
        const bool terminal = isatty(STDERR_FILENO);
        const auto now = Clock::now();
        if (now - shown_ < (terminal ? std::chrono::milliseconds(500) : std::chrono::seconds(10)))
            return;
        shown_ = now;
        const double seconds = std::chrono::duration<double>(now - start_).count();
        const int64_t done = counts.cut + counts.skipped + counts.duplicates;
        const int64_t left = counts.pictures - counts.present - done;
        const double rate = double(done) / seconds;
        char text[160];
        const int64_t remaining = rate > 0 ? int64_t(double(left) / rate) : 0;
        std::snprintf(text, sizeof text,
                      "%lld of %lld pictures, %lld pieces, %.1f pictures/s, %lld skipped, "
                      "%lld:%02lld:%02lld left",
                      (long long)(counts.present + done), (long long)counts.pictures,
                      (long long)counts.pieces, rate, (long long)counts.skipped,
                      (long long)(remaining / 3600), (long long)(remaining / 60 % 60),
                      (long long)(remaining % 60));
        std::cerr << (terminal ? "\r\033[K" : "") << text << (terminal ? "" : "\n") << std::flush;
        line_ = terminal;
    }
    // Before other text.
    void clear() {
        if (line_) std::cerr << "\r\033[K";
        line_ = false;
    }

private:
    const Clock::time_point start_ = Clock::now();
    Clock::time_point shown_ = start_;
    bool line_ = false;
};

std::map<int, std::vector<std::filesystem::path>> by_scale(const std::vector<std::string> &texts) {
    std::map<int, std::vector<std::filesystem::path>> roots;
    for (const std::string &text : texts) {
        if (text.size() < 3 || text[0] < '2' || text[0] > '4' || text[1] != '=')
            throw CLI::ValidationError("--lr",
                                       "expected 2=FOLDER, 3=FOLDER or 4=FOLDER, found " + text);
        roots[text[0] - '0'].push_back(text.substr(2));
    }
    return roots;
}

void prepare(PieceOptions options) {
    Progress progress;
    options.warn = [&](const std::string &problem) {
        progress.clear();
        std::cerr << "skipped: " << problem << '\n';
    };
    const PieceCounts counts =
        cut_pieces(options, [&](const PieceCounts &now) { progress.show(now); });
    progress.clear();
    std::cout << counts.cut << " pictures cut into " << counts.pieces << " pieces";
    if (counts.present) std::cout << ", " << counts.present << " were there";
    if (counts.skipped) std::cout << ", " << counts.skipped << " skipped";
    if (counts.duplicates) std::cout << ", " << counts.duplicates << " frames like the one before";
    std::cout << ": " << options.out.string() << '\n';
}

}  // namespace

void add_prepare(CLI::App &program) {
    auto options = std::make_shared<PieceOptions>();
    auto lr = std::make_shared<std::vector<std::string>>();
    CLI::App *command = program.add_subcommand(
        "prepare", "Cuts pictures into pieces that are quickly read; started again, it goes on.");
    command
        ->add_option("--hr", options->dataroot_gt,
                     "Folders of pictures and videos, LMDBs, or lists such as LSDIR's train.json")
        ->required();
    command->add_option("--lr", *lr,
                        "Their pictures in low resolution, as 4=FOLDER; without, those that --hr "
                        "holds, if any");
    command->add_option("--out", options->out, "Folder for the pieces")->required();
    command->add_flag("--lmdb", options->lmdb, "Write an LMDB, not files");
    command->add_option("--size", options->size, "Width and height of a piece, pixels")
        ->capture_default_str();
    command->add_option("--step", options->step, "Pixels from one piece to the next")
        ->capture_default_str();
    command->add_option("--threads", options->threads, "0: one a core")->capture_default_str();
    command->add_flag("--strict", options->strict,
                      "Stop at a picture that cannot be used; without, it is skipped");
    command->callback([options, lr] {
        options->dataroot_lq = by_scale(*lr);
        prepare(*options);
    });
}

}  // namespace mdrn::training
