// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/bicubic.h"
#include "data/draws.h"
#include "data/loader.h"
#include "data/patch.h"
#include "pictures.h"
#include "training/folder.h"

namespace mdrn::training {
namespace {

using namespace test;

TEST(Shuffled, IsAPermutation) {
    for (uint64_t n : {1, 2, 3, 7, 64, 65, 1000}) {
        std::set<uint64_t> seen;
        for (uint64_t i = 0; i < n; ++i) seen.insert(shuffled(i, n, 5));
        EXPECT_EQ(seen.size(), n);
        EXPECT_EQ(*seen.rbegin(), n - 1);
    }
    int same = 0;
    for (uint64_t i = 0; i < 1000; ++i) same += shuffled(i, 1000, 5) == shuffled(i, 1000, 6);
    EXPECT_LT(same, 20);
}

TEST(Draws, AreEven) {
    std::map<uint64_t, int> counts;
    int heads = 0;
    for (uint64_t i = 0; i < 10000; ++i) {
        Draws draws(1, i / 100, i % 100);
        ++counts[draws.below(10)];
        heads += draws.coin();
    }
    EXPECT_EQ(counts.size(), 10U);
    for (const auto &[value, count] : counts) EXPECT_NEAR(count, 1000, 150) << value;
    EXPECT_NEAR(heads, 5000, 250);
}

TEST(Patch, IsTurnedAsBasicSrDoes) {
    const Picture p = noise(7, 6, 1);
    for (int bits = 0; bits < 8; ++bits) {
        const Turn turn{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
        Picture out = blank(4, 4);
        copy_turned(p, 2, 1, 4, turn, out.rgb.data());
        for (int y = 0; y < 4; ++y)
            for (int x = 0; x < 12; ++x) {
                int u = turn.transposed ? y : x / 3, v = turn.transposed ? x / 3 : y;
                if (turn.left_right) u = 3 - u;
                if (turn.upside_down) v = 3 - v;
                ASSERT_EQ(out.row(y)[x], p.row(1 + v)[3 * (2 + u) + x % 3]) << bits;
            }
    }
}

TEST(Patch, IsReducedAsTheWholePictureIs) {
    for (int scale : {2, 3, 4}) {
        const Picture p = noise(scale * 13 + 1, scale * 9, unsigned(scale));
        const Picture whole = reduce(p, scale);
        for (Place place : {Place{0, 0}, {6, 2}, {1, 1}, {3, 0}, {9, 5}})
            EXPECT_EQ(reduced_patch(p, scale, place, 4), crop(whole, place.x, place.y, 4, 4));
    }
}

TEST(Patch, ByEnergyIsDrawnWhereSomethingIs) {
    Picture p = blank(400, 100);  // noise on the right quarter
    const Picture busy = noise(100, 100, 2);
    for (int y = 0; y < 100; ++y) std::copy_n(busy.row(y), 300, p.row(y) + 900);
    int on_noise = 0, even = 0;
    for (uint64_t i = 0; i < 500; ++i) {
        Draws draws(1, 2, i), same(1, 2, i);
        const Place place = draw_place(draws, p, 2, 16, true);
        ASSERT_TRUE(place.x >= 0 && place.x <= 184 && place.y >= 0 && place.y <= 34);
        on_noise += place.x + 16 > 150;
        even += draw_place(same, p, 2, 16, false).x + 16 > 150;
    }
    EXPECT_NEAR(even, 500 * 50 / 185, 40);
    EXPECT_GT(on_noise, 420);  // all but (135/185)^8 of them are expected: 460
    Draws draws(1, 2, 3);
    draw_place(draws, blank(64, 64), 2, 16, true);
}

class LoaderTest : public Folder {
protected:
    LoaderTest() {
        for (int i = 0; i < 7; ++i) {
            high.push_back(noise(48 + i, 40, unsigned(i)));
            write(path / "HR" / (std::to_string(i) + ".png"), high.back());
        }
        options.dataroot_gt = {path / "HR"};
        options.scales = {4};
        options.lq_size = 6;
        options.count = 5;
        options.threads = 2;
        options.seed = 11;
        options.warn = [this](const std::string &problem) { problems.push_back(problem); };
    }
    std::vector<Batch> batches(const DataOptions &opts, int64_t first, int64_t count) {
        Loader loader(opts);
        std::vector<Batch> taken;
        for (int64_t i = 0; i < count; ++i) taken.push_back(loader.take(first + i));
        return taken;
    }
    static Picture patch(const Batch &batch, int i, bool gt) {
        const int size = (gt ? batch.scale : 1) * batch.lq_size;
        const auto *first = (gt ? batch.gt : batch.lq).data() + ptrdiff_t(3) * size * size * i;
        return {size, size, {first, first + ptrdiff_t(3) * size * size}};
    }
    // Which picture a patch that was not turned is of, -1 where of none.
    int source_of(const Picture &gt, const Picture &lq, int scale) {
        for (size_t i = 0; i < high.size(); ++i)
            for (int y = 0; y + gt.height <= high[i].height; y += scale)
                for (int x = 0; x + gt.width <= high[i].width; x += scale)
                    if (crop(high[i], x, y, gt.width, gt.height) == gt &&
                        crop(reduce(high[i], scale), x / scale, y / scale, lq.width, lq.height) ==
                            lq)
                        return int(i);
        return -1;
    }
    static void expect_equal(const std::vector<Batch> &a, const std::vector<Batch> &b) {
        ASSERT_EQ(a.size(), b.size());
        for (size_t i = 0; i < a.size(); ++i) {
            EXPECT_EQ(a[i].iteration, b[i].iteration);
            EXPECT_EQ(a[i].scale, b[i].scale);
            EXPECT_EQ(a[i].lq, b[i].lq) << i;
            EXPECT_EQ(a[i].gt, b[i].gt) << i;
        }
    }

    DataOptions options;
    std::vector<Picture> high;
    std::vector<std::string> problems;
};

TEST_F(LoaderTest, PatchesBelongTogether) {
    options.use_hflip = options.use_rot = false;
    options.scales = {2, 3, 4};
    std::set<int> seen;
    for (const Batch &batch : batches(options, 0, 6)) {
        EXPECT_EQ(batch.scale, 2 + batch.iteration % 3);
        EXPECT_EQ(batch.count, 5);
        for (int i = 0; i < batch.count; ++i) {
            const int source =
                source_of(patch(batch, i, true), patch(batch, i, false), batch.scale);
            EXPECT_GE(source, 0);
            seen.insert(source);
        }
    }
    EXPECT_EQ(seen.size(), high.size());
}

TEST_F(LoaderTest, EveryPictureComesOnceInAnEpoch) {
    options.use_hflip = options.use_rot = false;
    options.count = 7;
    std::vector<std::vector<int>> epochs;
    for (const Batch &batch : batches(options, 0, 3)) {
        std::vector<int> sources;
        for (int i = 0; i < 7; ++i)
            sources.push_back(source_of(patch(batch, i, true), patch(batch, i, false), 4));
        epochs.push_back(sources);
        std::sort(sources.begin(), sources.end());
        EXPECT_EQ(sources, (std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
    }
    EXPECT_NE(epochs[0], epochs[1]);
}

TEST_F(LoaderTest, AnyNumberOfThreadsGivesTheSame) {
    options.scales = {2, 4};
    options.by_energy = true;
    options.threads = 1;
    options.ahead = 0;
    options.cache_bytes = 0;
    const std::vector<Batch> one = batches(options, 0, 9);
    options.threads = 4;
    options.ahead = 5;
    options.cache_bytes = 20000;
    expect_equal(one, batches(options, 0, 9));
    options.seed = 12;
    EXPECT_NE(one[0].gt, batches(options, 0, 1)[0].gt);
}

TEST_F(LoaderTest, GoesOnAnywhere) {
    const std::vector<Batch> all = batches(options, 0, 12);
    expect_equal({all.begin() + 7, all.end()}, batches(options, 7, 5));
    Loader loader(options);
    for (int64_t i : {3, 11, 0, 1, 3}) EXPECT_EQ(loader.take(i).gt, all[size_t(i)].gt) << i;
}

TEST_F(LoaderTest, ProcessesShareABatch) {
    options.count = 6;
    const std::vector<Batch> one = batches(options, 0, 4);
    options.count = 3;
    options.world = 2;
    for (int rank : {0, 1}) {
        options.rank = rank;
        const std::vector<Batch> half = batches(options, 0, 4);
        for (size_t b = 0; b < 4; ++b)
            for (int i = 0; i < 3; ++i) {
                EXPECT_EQ(patch(half[b], i, true), patch(one[b], 3 * rank + i, true));
                EXPECT_EQ(patch(half[b], i, false), patch(one[b], 3 * rank + i, false));
            }
    }
}

TEST_F(LoaderTest, TakesGivenLowResolution) {
    // Reduced otherwise, so that a computed one is told from it.
    for (size_t i = 0; i < high.size(); ++i) {
        Picture low = reduce(high[i], 4);
        for (uint8_t &value : low.rgb) value ^= 1;
        write(path / "X4" / (std::to_string(i) + "x4.png"), low);
    }
    const std::vector<Batch> computed = batches(options, 0, 3);
    options.dataroot_lq[4] = {path / "X4"};
    const std::vector<Batch> given = batches(options, 0, 3);
    for (size_t b = 0; b < 3; ++b) {
        EXPECT_EQ(given[b].gt, computed[b].gt);
        for (size_t i = 0; i < given[b].lq.size(); ++i)
            ASSERT_EQ(given[b].lq[i], computed[b].lq[i] ^ 1);
    }
}

TEST_F(LoaderTest, SkipsWhatCannotBeUsed) {
    const std::string png = text_of(path / "HR/2.png");
    write_text(path / "HR/2.png", png.substr(0, png.size() / 2));
    write(path / "HR/7.png", noise(100, 23, 1));
    options.use_hflip = options.use_rot = false;
    Loader loader(options);
    EXPECT_EQ(loader.size(), 8U);
    for (int64_t b = 0; b < 8; ++b) {
        const Batch batch = loader.take(b);
        for (int i = 0; i < batch.count; ++i) {
            const int source = source_of(patch(batch, i, true), patch(batch, i, false), 4);
            EXPECT_TRUE(source >= 0 && source != 2);
        }
    }
    EXPECT_EQ(loader.stats().skipped, 2);
    std::sort(problems.begin(), problems.end());
    ASSERT_EQ(problems.size(), 2U);
    EXPECT_NE(problems[0].find("HR/2.png: cannot be decoded: "), std::string::npos);
    EXPECT_NE(problems[1].find("HR/7.png: 100x23 pixels are too few for patches of 24"),
              std::string::npos);
    EXPECT_EQ(loader.stats().patches, 40);
    EXPECT_GT(loader.stats().cached_bytes, 0U);
}

TEST_F(LoaderTest, SkippingIsTheSameForAnyNumberOfThreads) {
    write_text(path / "HR/2.png", "none");
    write_text(path / "HR/3.png", "none");
    options.threads = 1;
    const std::vector<Batch> one = batches(options, 0, 5);
    options.threads = 4;
    expect_equal(one, batches(options, 0, 5));
}

TEST_F(LoaderTest, APictureThatVanishesGivesWay) {
    options.cache_bytes = 0;
    Loader loader(options);
    loader.take(0);
    for (const char *name : {"0.png", "4.png", "5.png"})
        std::filesystem::remove(path / "HR" / name);
    for (int64_t b = 1; b < 12; ++b) loader.take(b);
    EXPECT_EQ(loader.stats().skipped, 3);
    for (const std::string &problem : problems)
        EXPECT_NE(problem.find("No such file"), std::string::npos) << problem;
}

TEST_F(LoaderTest, StrictFailsAtTheFirst) {
    write_text(path / "HR/2.png", "none");
    options.strict = true;
    Loader loader(options);
    const std::string message = message_of([&] {
        for (int64_t b = 0; b < 2; ++b) loader.take(b);
    });
    EXPECT_NE(message.find("HR/2.png: "), std::string::npos) << message;
    options.dataroot_lq[4] = {path / "HR/1.png"};
    EXPECT_NE(message_of([&] { Loader other(options); }).find("has no picture of it for scale 4"),
              std::string::npos);
}

TEST_F(LoaderTest, NoneAtAllIsAnError) {
    options.lq_size = 30;
    Loader loader(options);
    for (int i = 0; i < 2; ++i)
        EXPECT_NE(message_of([&] { loader.take(0); }).find("none of 7 pictures can be used; "),
                  std::string::npos);
    EXPECT_EQ(loader.stats().skipped, 7);
    options.scales = {5};
    EXPECT_EQ(message_of([&] { Loader other(options); }), "scales: expected 2, 3 or 4");
}

TEST_F(LoaderTest, ReadsVideos) {
    std::filesystem::create_directory(path / "v");
    if (!ffmpeg("-f lavfi -i testsrc2=s=64x64:r=5:d=3 -f lavfi -i color=gray:s=64x64:r=5:d=3"
                " -filter_complex concat -c:v mpeg4 -q:v 2 " +
                (path / "v/a.mp4").string()))
        GTEST_SKIP() << "the program ffmpeg is needed";
    options.dataroot_gt = {path / "v"};
    Loader loader(options);
    EXPECT_EQ(loader.size(), 6U);
    for (int64_t b = 0; b < 6; ++b) loader.take(b);
    EXPECT_EQ(loader.stats().duplicates, 2);
    EXPECT_EQ(loader.stats().skipped, 0);
}

}  // namespace
}  // namespace mdrn::training
