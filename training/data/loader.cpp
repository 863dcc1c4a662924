// SPDX-License-Identifier: BSD-2-Clause
#include "loader.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "cache.h"
#include "draws.h"
#include "layouts.h"
#include "patch.h"

namespace mdrn::training {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

void check(const DataOptions &options) {
    const auto require = [](bool held, const char *message) {
        if (!held) throw std::runtime_error(message);
    };
    require(!options.scales.empty(), "scales: expected one at least");
    for (int scale : options.scales)
        require(scale >= 2 && scale <= 4, "scales: expected 2, 3 or 4");
    require(options.lq_size > 0, "lq_size: expected more than 0 pixels");
    require(options.count > 0, "batch_size_per_gpu: expected more than 0 patches");
    require(options.world > 0 && options.rank >= 0 && options.rank < options.world,
            "rank: expected 0 to one less than the number of processes");
    require(options.threads >= 0 && options.ahead >= 0, "threads: expected 0 or more");
}

// A batch that is being made.
struct Slot {
    Batch batch;
    int begun = 0, done = 0;  // patches
    std::exception_ptr error;
};

}  // namespace

struct Loader::State {
    explicit State(const DataOptions &options_) : options(options_), cache(options_.cache_bytes) {
        check(options);
        Listing listing = list_pictures(options.dataroot_gt, options.dataroot_lq);
        items = std::move(listing.items);
        unusable = std::vector<std::atomic<bool>>(items.size() * options.scales.size());
        for (const std::string &problem : listing.problems) {
            if (options.strict) throw std::runtime_error(problem);
            skip(problem);
        }
        const unsigned cores = std::max(std::thread::hardware_concurrency(), 1U);
        const int count = options.threads ? options.threads : int(cores);
        for (int i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
    }
    ~State() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
        }
        work_to_do.notify_all();
        for (std::thread &thread : threads) thread.join();
    }

    // What is wrong with a picture, said and counted.
    void skip(const std::string &problem) {
        const std::lock_guard lock(problems_mutex);
        if (!skipped++) first_problem = problem;
        if (options.warn) options.warn(problem);
    }

    struct Pictures {
        std::shared_ptr<const Picture> gt, lq;  // lq: null where it is computed
    };

    // Null gt: a near-duplicate. Throws where the pictures cannot be used.
    Pictures load(const Item &item, int scale) {
        Pictures pictures;
        pictures.gt = cache.get(item.gt);
        if (!pictures.gt) return {};
        if (const auto it = item.lq.find(scale); it != item.lq.end()) {
            pictures.lq = cache.get(it->second);
            if (!pictures.lq) return {};
            check_sizes(item, *pictures.gt, *pictures.lq, scale);
        }
        const int needed = scale * options.lq_size;
        if (pictures.gt->width < needed || pictures.gt->height < needed)
            throw std::runtime_error(item.gt.text() + ": " + std::to_string(pictures.gt->width) +
                                     "x" + std::to_string(pictures.gt->height) +
                                     " pixels are too few for patches of " +
                                     std::to_string(needed));
        return pictures;
    }

    // The pictures of item `first`, or of the next that can be used.
    Pictures load_from(size_t first, size_t scale_index) {
        const int scale = options.scales[scale_index];
        for (size_t i = 0; i < items.size(); ++i) {
            const size_t index = (first + i) % items.size();
            std::atomic<bool> &bad = unusable[index * options.scales.size() + scale_index];
            if (bad) continue;
            try {
                Pictures pictures = load(items[index], scale);
                if (pictures.gt) return pictures;
                if (!bad.exchange(true)) ++duplicates;
            } catch (const std::runtime_error &error) {
                if (options.strict) throw;
                if (!bad.exchange(true)) skip(error.what());
            }
        }
        const std::lock_guard lock(problems_mutex);
        throw std::runtime_error("none of " + std::to_string(items.size()) +
                                 " pictures can be used; " + first_problem);
    }

    // Patch i of a batch.
    void make(Batch &batch, int i) {
        const uint64_t index = uint64_t(options.rank) * options.count + i;
        const uint64_t number = uint64_t(batch.iteration) * options.world * options.count + index;
        const uint64_t epoch = number / items.size();
        const uint64_t item =
            shuffled(number % items.size(), items.size(), mixed(options.seed) ^ epoch);
        const Pictures pictures = load_from(item, size_t(batch.iteration) % options.scales.size());

        const int scale = batch.scale, lq_size = batch.lq_size, gt_size = scale * lq_size;
        Draws draws(options.seed, uint64_t(batch.iteration), index);
        const Place place = draw_place(draws, *pictures.gt, scale, lq_size, options.by_energy);
        const Turn turn = draw_turn(draws, options.use_hflip, options.use_rot);
        uint8_t *lq = &batch.lq[size_t(3) * lq_size * lq_size * i];
        uint8_t *gt = &batch.gt[size_t(3) * gt_size * gt_size * i];
        if (pictures.lq)
            copy_turned(*pictures.lq, place.x, place.y, lq_size, turn, lq);
        else
            copy_turned(reduced_patch(*pictures.gt, scale, place, lq_size), 0, 0, lq_size, turn,
                        lq);
        copy_turned(*pictures.gt, scale * place.x, scale * place.y, gt_size, turn, gt);
    }

    void work() {
        std::unique_lock lock(mutex);
        for (;;) {
            const auto unfinished = [&] {
                return std::find_if(slots.begin(), slots.end(), [&](const auto &slot) {
                    return slot->begun < slot->batch.count;
                });
            };
            work_to_do.wait(lock, [&] { return stopping || unfinished() != slots.end(); });
            if (stopping) return;
            const std::shared_ptr<Slot> slot = *unfinished();
            const int i = slot->begun++;
            lock.unlock();
            std::exception_ptr error;
            try {
                make(slot->batch, i);
            } catch (...) {
                error = std::current_exception();
            }
            lock.lock();
            if (error) slot->error = error;
            if (++slot->done == slot->batch.count) batch_done.notify_all();
        }
    }

    void begin(int64_t iteration) {
        auto slot = std::make_shared<Slot>();
        const int scale = options.scales[size_t(iteration) % options.scales.size()];
        const size_t lq = size_t(3) * options.lq_size * options.lq_size * options.count;
        slot->batch = {iteration,
                       scale,
                       options.count,
                       options.lq_size,
                       std::vector<uint8_t>(lq),
                       std::vector<uint8_t>(lq * scale * scale)};
        slots.push_back(std::move(slot));
    }

    Batch take(int64_t iteration) {
        const Clock::time_point asked = Clock::now();
        std::unique_lock lock(mutex);
        if (slots.empty() || slots.front()->batch.iteration != iteration) slots.clear();
        while (slots.size() <= size_t(options.ahead)) begin(iteration + int64_t(slots.size()));
        work_to_do.notify_all();
        const std::shared_ptr<Slot> slot = slots.front();
        batch_done.wait(lock, [&] { return slot->done == slot->batch.count; });
        slots.pop_front();
        waited += seconds_since(asked);
        if (slot->error) std::rethrow_exception(slot->error);
        taken += slot->batch.count;
        return std::move(slot->batch);
    }

    const DataOptions options;
    std::vector<Item> items;
    Cache cache;
    std::vector<std::atomic<bool>> unusable;  // (items, scales)
    std::atomic<int64_t> duplicates = 0;

    std::mutex problems_mutex;
    int64_t skipped = 0;
    std::string first_problem;

    std::mutex mutex;  // of what follows
    std::condition_variable work_to_do, batch_done;
    std::deque<std::shared_ptr<Slot>> slots;
    bool stopping = false;

    const Clock::time_point start = Clock::now();
    double waited = 0;
    int64_t taken = 0;
    std::vector<std::thread> threads;
};

Loader::Loader(const DataOptions &options) : state_(std::make_unique<State>(options)) {}
Loader::~Loader() = default;

Batch Loader::take(int64_t iteration) {
    return state_->take(iteration);
}
size_t Loader::size() const {
    return state_->items.size();
}

Stats Loader::stats() const {
    Stats stats;
    stats.patches = state_->taken;
    stats.seconds = seconds_since(state_->start);
    stats.seconds_waited = state_->waited;
    stats.duplicates = state_->duplicates;
    stats.cached_bytes = state_->cache.bytes();
    const std::lock_guard lock(state_->problems_mutex);
    stats.skipped = state_->skipped;
    return stats;
}

}  // namespace mdrn::training
