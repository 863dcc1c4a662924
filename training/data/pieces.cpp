// SPDX-License-Identifier: BSD-2-Clause
#include "pieces.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>

#include "database.h"
#include "journal.h"
#include "layouts.h"

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;

// Where pieces of one resolution go.
class Output {
public:
    // name: "HR" or "X4".
    Output(const fs::path &out, const std::string &name, bool lmdb) : folder_(out / name) {
        if (lmdb) database_ = std::make_unique<LmdbWriter>(out / (name + ".lmdb"));
    }
    // From one thread at a time with an LMDB.
    void put(const std::vector<LmdbWriter::Entry> &entries) const { database_->put(entries); }
    void write(const std::string &key, const Picture &picture) const {
        const fs::path path = folder_ / (key + ".png");
        fs::create_directories(path.parent_path());
        write_png(path, picture);
    }
    void finish() const {
        if (database_) database_->write_meta_info();
    }

private:
    fs::path folder_;
    std::unique_ptr<LmdbWriter> database_;
};

struct Piece {
    std::string key;
    Picture picture;
};

std::string numbered(const std::string &name, int number) {
    const std::string digits = std::to_string(number);
    return name + "_s" + std::string(3 - std::min<size_t>(digits.size(), 3), '0') + digits;
}

// size, step: in the picture's own resolution.
std::vector<Piece> pieces_of(const Picture &picture, const std::string &name, int size, int step) {
    std::vector<Piece> pieces;
    const int width = std::min(size, picture.width), height = std::min(size, picture.height);
    for (int y : piece_offsets(picture.height, size, step))
        for (int x : piece_offsets(picture.width, size, step))
            pieces.push_back(
                {numbered(name, int(pieces.size()) + 1), crop(picture, x, y, width, height)});
    return pieces;
}

// What a list's paths are called stays below the output's folder.
std::string below(const std::string &name) {
    fs::path path;
    for (const fs::path &part : fs::path(name).relative_path())
        if (part != "..") path /= part;
    return path.generic_string();
}

class Cutting {
public:
    explicit Cutting(const PieceOptions &options) : options_(options) {
        Listing listing = list_pictures(options.dataroot_gt, options.dataroot_lq);
        std::set<int> scales;
        for (const Item &item : listing.items)
            for (const auto &[scale, source] : item.lq) scales.insert(scale);
        scales_.assign(scales.begin(), scales.end());
        check_options();
        fs::create_directories(options.out);
        journal_ = std::make_unique<Journal>(options.out / "prepared.txt", heading());
        outputs_.emplace(1, Output(options.out, "HR", options.lmdb));
        for (int scale : scales_)
            outputs_.emplace(scale, Output(options.out, "X" + std::to_string(scale), options.lmdb));
        counts_.pictures = int64_t(listing.items.size() + listing.problems.size());
        for (const std::string &problem : listing.problems) skip(problem);
        choose(std::move(listing.items));
    }

    PieceCounts run(const std::function<void(const PieceCounts &)> &progress) {
        const unsigned cores = std::max(std::thread::hardware_concurrency(), 1U);
        running_ = options_.threads ? options_.threads : int(cores);
        std::vector<std::thread> threads;
        for (int i = 0; i < running_; ++i) threads.emplace_back([this] { work(); });
        watch(progress);
        for (std::thread &thread : threads) thread.join();
        if (error_) std::rethrow_exception(error_);
        for (const auto &[scale, output] : outputs_) output.finish();
        return counts_;
    }

private:
    void check_options() const {
        if (options_.size < 1 || options_.step < 1)
            throw std::runtime_error("pieces of " + std::to_string(options_.size) +
                                     " pixels every " + std::to_string(options_.step) +
                                     ": expected more than 0");
        for (int scale : scales_)
            if (options_.size % scale || options_.step % scale)
                throw std::runtime_error("pieces of " + std::to_string(options_.size) +
                                         " pixels every " + std::to_string(options_.step) +
                                         ": expected multiples of scale " + std::to_string(scale) +
                                         ", since there are pictures in low resolution");
    }

    std::string heading() const {
        std::string text = "pieces of " + std::to_string(options_.size) + " every " +
                           std::to_string(options_.step) + (options_.lmdb ? " as LMDB" : "");
        for (int scale : scales_) text += ", x" + std::to_string(scale);
        return text;
    }

    // What is still to be done.
    void choose(std::vector<Item> items) {
        std::set<std::string> names;
        for (Item &item : items) {
            item.name = below(item.name);
            if (!names.insert(item.name).second)
                skip(item.gt.text() + ": its pieces would have the names of another's, " +
                     item.name);
            else if (journal_->has(item.name))
                ++counts_.present;
            else
                items_.push_back(std::move(item));
        }
    }

    // With the mutex held, or before there are threads.
    void skip(const std::string &problem) {
        if (options_.strict) throw std::runtime_error(problem);
        ++counts_.skipped;
        if (options_.warn) options_.warn(problem);
    }

    // Whole multiples of every scale, by scale, 1 for high resolution; nothing for a
    // near-duplicate.
    std::map<int, Picture> pictures_of(const Item &item) const {
        const std::optional<Picture> gt = read(item.gt);
        if (!gt) return {};
        int multiple = 1;
        for (int scale : scales_) multiple = std::lcm(multiple, scale);
        const int width = gt->width / multiple * multiple,
                  height = gt->height / multiple * multiple;
        if (!width || !height)
            throw std::runtime_error(item.gt.text() + ": " + std::to_string(gt->width) + "x" +
                                     std::to_string(gt->height) + " pixels are too few");
        std::map<int, Picture> pictures;
        for (int scale : scales_) {
            const std::optional<Picture> lq = read_lq(item, *gt, scale);
            if (!lq) return {};
            pictures[scale] = crop(*lq, 0, 0, width / scale, height / scale);
        }
        pictures[1] = crop(*gt, 0, 0, width, height);
        return pictures;
    }

    int64_t cut(const Item &item, const std::map<int, Picture> &pictures) {
        int64_t count = 0;
        for (const auto &[scale, picture] : pictures) {
            const std::vector<Piece> pieces =
                pieces_of(picture, item.name, options_.size / scale, options_.step / scale);
            const Output &output = outputs_.at(scale);
            count += int64_t(pieces.size());
            if (!options_.lmdb) {
                for (const Piece &piece : pieces) output.write(piece.key, piece.picture);
                continue;
            }
            std::vector<LmdbWriter::Entry> entries;
            for (const Piece &piece : pieces)
                entries.push_back({piece.key, encode_png(piece.picture)});
            const std::lock_guard lock(writing_);
            output.put(entries);
        }
        return count;
    }

    // One picture; what is wrong with it alone is a problem, with the output the end.
    void handle(const Item &item) {
        std::map<int, Picture> pictures;
        try {
            pictures = pictures_of(item);
        } catch (const std::runtime_error &error) {
            const std::lock_guard lock(mutex_);
            return skip(error.what());
        }
        const int64_t pieces = cut(item, pictures);
        const std::lock_guard lock(mutex_);
        journal_->add(item.name);
        counts_.pieces += pieces;
        ++(pictures.empty() ? counts_.duplicates : counts_.cut);
    }

    void work() {
        std::unique_lock lock(mutex_);
        while (!error_ && next_ < items_.size()) {
            const Item &item = items_[next_++];
            lock.unlock();
            std::exception_ptr error;
            try {
                handle(item);
            } catch (...) {
                error = std::current_exception();
            }
            lock.lock();
            if (error) error_ = error;
        }
        --running_;
        ended_.notify_all();
    }

    void watch(const std::function<void(const PieceCounts &)> &progress) {
        std::unique_lock lock(mutex_);
        bool running = true;
        while (running) {
            running = !ended_.wait_for(lock, std::chrono::milliseconds(200),
                                       [&] { return running_ == 0; });
            const PieceCounts counts = counts_;
            lock.unlock();
            if (progress) progress(counts);
            lock.lock();
        }
    }

    const PieceOptions &options_;
    std::vector<int> scales_;
    std::map<int, Output> outputs_;  // by scale, 1 for high resolution
    std::vector<Item> items_;

    std::mutex writing_;  // of LMDBs
    std::mutex mutex_;    // of what follows
    std::condition_variable ended_;
    std::unique_ptr<Journal> journal_;
    PieceCounts counts_;
    size_t next_ = 0;
    int running_ = 0;
    std::exception_ptr error_;
};

}  // namespace

std::vector<int> piece_offsets(int length, int size, int step) {
    std::vector<int> offsets = {0};
    while (offsets.back() + size < length)
        offsets.push_back(std::min(offsets.back() + step, length - size));
    return offsets;
}

PieceCounts cut_pieces(const PieceOptions &options,
                       const std::function<void(const PieceCounts &)> &progress) {
    return Cutting(options).run(progress);
}

}  // namespace mdrn::training
