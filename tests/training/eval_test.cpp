// SPDX-License-Identifier: BSD-2-Clause
// mdrn-train eval: the published weights have the paper's quality.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "data/bicubic.h"
#include "folder.h"
#include "program.h"
#include "quality/quality.h"

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kReference = MDRN_REFERENCE_DIR;

std::string x(int scale) {
    return "x" + std::to_string(scale);
}

fs::path originals(const std::string &set) {
    return kReference / "data/eval" / set / "HR";
}
fs::path small(const std::string &set, int scale) {
    return kReference / "data/eval" / set / ("LRbic" + x(scale));
}
fs::path published(int scale) {
    return kReference / "reference/weights" / ("mdrn_" + x(scale) + ".official.safetensors");
}

class Evaluation : public test::Folder {
protected:
    test::Outcome eval(std::vector<std::string> options) {
        options.insert(options.begin(), {MDRN_TRAIN, "eval", "--json", path / "result.json"});
        return test::run(options);
    }
    json result() const { return json::parse(test::text_of(path / "result.json")); }
};

struct Row {
    std::string set;
    int scale, pictures;
    double psnr, ssim;
};

void PrintTo(const Row &row, std::ostream *stream) {
    *stream << row.set << " x" << row.scale;
}

class Paper : public Evaluation, public testing::WithParamInterface<Row> {};

TEST_P(Paper, HasItsPsnrAndSsim) {
    const Row &row = GetParam();
    if (!fs::exists(originals(row.set)) || !fs::exists(published(row.scale)))
        GTEST_SKIP() << "no pictures or weights: set MDRN_REFERENCE_DIR";
    const test::Outcome outcome = eval({"--model", published(row.scale), "--hr", originals(row.set),
                                        "--lr", small(row.set, row.scale), "--device", "cpu"});
    ASSERT_EQ(outcome.status, 0) << outcome.output;
    const json mean = result().at("mean");
    std::cout << row.set << " x" << row.scale << ": " << mean.dump() << '\n';
    EXPECT_EQ(result().at("pictures").size(), row.pictures);
    EXPECT_NEAR(mean.at("psnr"), row.psnr, 0.005);
    EXPECT_NEAR(mean.at("ssim"), row.ssim, 0.0003);
}

std::string name_of(const testing::TestParamInfo<Row> &row) {
    return row.param.set + "_" + x(row.param.scale);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Paper,
    testing::Values(Row{"Set5", 2, 5, 38.1094, 0.9610}, Row{"Set5", 3, 5, 34.5799, 0.9286},
                    Row{"Set5", 4, 5, 32.3466, 0.8970}, Row{"Set14", 2, 14, 33.8357, 0.9205},
                    Row{"Set14", 3, 14, 30.5073, 0.8453}, Row{"Set14", 4, 14, 28.7979, 0.7861}),
    name_of);
INSTANTIATE_TEST_SUITE_P(Slow, Paper,
                         testing::Values(Row{"BSD100", 2, 100, 32.3177, 0.9016},
                                         Row{"BSD100", 3, 100, 29.2077, 0.8081},
                                         Row{"BSD100", 4, 100, 27.6927, 0.7404}),
                         name_of);

// A folder of two pictures whose sizes are no multiples of 4, and their small ones.
class Eval : public Evaluation {
protected:
    Eval() {
        for (const auto &[name, width, height] : {std::tuple{"a", 41, 33}, {"b", 30, 39}}) {
            Picture picture = blank(width, height);
            for (size_t i = 0; i < picture.rgb.size(); ++i)
                picture.rgb[i] = static_cast<uint8_t>(i * i / 97);
            fs::create_directories(path / "HR/deep");
            fs::create_directories(path / "LR");
            write_png(path / "HR/deep" / (std::string(name) + ".png"), picture);
            write_png(path / "LR" / (std::string(name) + "x2.png"), reduce(picture, 2));
        }
    }
};

TEST_F(Eval, MeasuresWhatItSaves) {
    const test::Outcome outcome =
        eval({"--model", "mdrn-s", "--hr", path / "HR", "--save", path / "saved"});
    ASSERT_EQ(outcome.status, 0) << outcome.output;
    const json all = result();
    double psnr = 0, ssim = 0;
    for (const json &entry : all.at("pictures")) {
        const std::string file = entry.at("name").get<std::string>() + ".png";
        const Quality quality =
            measure(read_picture(path / "saved" / file), read_picture(path / "HR" / file), 2);
        EXPECT_DOUBLE_EQ(entry.at("psnr"), quality.psnr);
        EXPECT_DOUBLE_EQ(entry.at("ssim"), quality.ssim);
        psnr += quality.psnr / 2;
        ssim += quality.ssim / 2;
    }
    EXPECT_NEAR(all.at("mean").at("psnr"), psnr, 1e-9);
    EXPECT_NEAR(all.at("mean").at("ssim"), ssim, 1e-9);
    EXPECT_NE(outcome.output.find("mean of 2"), std::string::npos) << outcome.output;
    EXPECT_EQ(all.at("scale"), 2);
}

TEST_F(Eval, SmallPicturesGivenOrMade) {
    ASSERT_EQ(eval({"--model", "mdrn", "--hr", path / "HR"}).status, 0);
    const json made = result();
    const test::Outcome outcome =
        eval({"--model", "mdrn", "--hr", path / "HR", "--lr", path / "LR"});
    ASSERT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_EQ(result().at("mean"), made.at("mean"));
}

TEST_F(Eval, SaysWhatIsWrong) {
    const auto fails = [&](std::vector<std::string> options, const std::string &words) {
        options.insert(options.begin(), {"--hr", path / "HR"});
        const test::Outcome outcome = eval(options);
        EXPECT_NE(outcome.status, 0) << words;
        EXPECT_NE(outcome.output.find(words), std::string::npos) << outcome.output;
        EXPECT_FALSE(fs::exists(path / "result.json"));
    };
    fails({"--model", "other"}, "mdrn, mdrn-s");
    fails({"--model", "mdrn", "--scale", "5"}, "scale");
    fails({"--model", "mdrn", "--device", "gpu"}, "auto,cpu,cuda");
    fails({"--model", "mdrn", "--lr", path / "missing"}, "missing");
    fails({"--model", "mdrn", "--scale", "3", "--lr", path / "LR"}, "no picture of it for scale 3");
    fs::remove(path / "LR/bx2.png");
    fails({"--model", "mdrn", "--lr", path / "LR"}, "deep/b");
    write_png(path / "LR/bx2.png", blank(15, 18));
    fails({"--model", "mdrn", "--lr", path / "LR"}, "15x18");
    write_png(path / "HR/deep/b.png", blank(13, 20));
    fails({"--model", "mdrn"}, "deep/b: expected a picture of at least 15x15");
}

}  // namespace
}  // namespace mdrn::training
