// SPDX-License-Identifier: BSD-2-Clause
#include "model.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "builtin.h"
#include "error.h"
#include "safetensors.h"

namespace mdrn {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

Model shaped(int features, int scale) {
    Model model;
    model.features = features;
    model.scale = scale;
    return model;
}

// A sound file of the smallest model, for the tests to damage. Values are multiples of 1/64.
struct File {
    ordered_json header = ordered_json::object();
    std::string data;

    explicit File(const std::string &dtype = "F32", int features = 16, int scale = 2) {
        int64_t index = 0;
        shaped(features, scale)
            .visit([&](const std::string &name, const std::vector<int64_t> &shape, auto &) {
                const size_t begin = data.size();
                int64_t count = 1;
                for (int64_t side : shape) count *= side;
                for (int64_t i = 0; i < count; i++)
                    append(dtype, static_cast<float>(index++ % 129 - 64) / 64);
                header[name] = {
                    {"dtype", dtype}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
            });
    }

    void append(const std::string &dtype, float value) {
        const uint32_t bits = std::bit_cast<uint32_t>(value);
        uint32_t stored = bits;
        if (dtype == "BF16") stored = bits >> 16;
        if (dtype == "F16")
            stored = (bits >> 16 & 0x8000) |
                     (value == 0 ? 0 : ((bits >> 23 & 255) - 112) << 10 | (bits >> 13 & 1023));
        data.append(reinterpret_cast<const char *>(&stored), dtype == "F32" ? 4 : 2);
    }

    std::string joined() const { return join_safetensors(header.dump(), data); }
};

Model parse(const std::string &file) {
    return parse_model(std::as_bytes(std::span(file)), "some.safetensors");
}

std::string message_of(const std::function<void()> &action, mdrn_error code) {
    try {
        action();
    } catch (const Error &error) {
        EXPECT_EQ(error.code, code) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
}

void expect_message(const std::string &message, const std::vector<std::string> &parts) {
    for (const std::string &part : parts)
        EXPECT_NE(message.find(part), std::string::npos) << part << "\nis not in\n" << message;
}

void expect_rejected(const std::string &file, std::vector<std::string> parts) {
    parts.insert(parts.end(), {"some.safetensors: ", "expected ", "found "});
    expect_message(message_of([&] { parse(file); }, MDRN_ERROR_MODEL), parts);
}

void expect_rejected(const std::function<void(File &)> &damage,
                     const std::vector<std::string> &parts) {
    File file;
    damage(file);
    expect_rejected(file.joined(), parts);
}

constexpr char kHead[] = "fea_conv.weight", kBias[] = "B2.c1_d.bias",
               kLast[] = "upsampler.upsampleOneStep.0.bias";

TEST(Model, HasThePapersParameterCounts) {
    EXPECT_EQ(shaped(56, 2).parameters(), 303724);
    EXPECT_EQ(shaped(56, 3).parameters(), 311299);
    EXPECT_EQ(shaped(56, 4).parameters(), 321904);
    EXPECT_EQ(shaped(28, 4).parameters(), 95396);
}

TEST(Model, LoadsEveryBuiltIn) {
    for (const auto &[name, features] : {std::pair{"mdrn", 56}, {"mdrn-s", 28}})
        for (int scale : {2, 3, 4}) {
            Model model = load_model(name, scale);
            EXPECT_EQ(model.features, features);
            EXPECT_EQ(model.scale, scale);
            EXPECT_EQ(model.parameters(), shaped(features, scale).parameters());
        }
    EXPECT_EQ(load_model("mdrn", 0).scale, 2);
    EXPECT_TRUE(builtin_file("mdrn", 5).empty());
}

TEST(Model, LoadsThePublishedWeightsUnchanged) {
    const std::filesystem::path folder = MDRN_REFERENCE_DIR;
    if (folder.empty() || !std::filesystem::exists(folder / "reference/weights"))
        GTEST_SKIP() << "no published weights: MDRN_REFERENCE_DIR is not set or has none";
    int files = 0;
    for (const auto &entry : std::filesystem::directory_iterator(folder / "reference/weights")) {
        if (!entry.path().string().ends_with(".official.safetensors")) continue;
        auto expected = read_safetensors(entry.path().string());
        Model model = load_model(entry.path().string(), 0);
        model.visit([&](const std::string &name, const std::vector<int64_t> &shape,
                        std::vector<float> &values) {
            EXPECT_EQ(shape, expected.at(name).shape) << name;
            EXPECT_EQ(values, expected.at(name).values) << name;
            expected.erase(name);
        });
        EXPECT_TRUE(expected.empty());
        files++;
    }
    EXPECT_EQ(files, 4);
}

TEST(Model, ConvertsHalfPrecisionExactly) {
    Model expected = parse(File("F32").joined());
    for (const char *dtype : {"F16", "BF16"}) {
        Model model = parse(File(dtype).joined());
        EXPECT_EQ(model.fea_conv.weight, expected.fea_conv.weight) << dtype;
        EXPECT_EQ(model.blocks[7].cca.body_3.weight, expected.blocks[7].cca.body_3.weight) << dtype;
        EXPECT_EQ(model.upsampler.bias, expected.upsampler.bias) << dtype;
    }
}

TEST(Model, ConvertsTheEdgesOfF16) {
    File file("F16");
    const uint16_t halves[] = {0x0001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x8000};
    std::memcpy(file.data.data(), halves, sizeof halves);
    const Model model = parse(file.joined());
    const float expected[] = {0x1p-24f, 1023 * 0x1p-24f, 0x1p-14f, 65504, -65504, -0.f};
    for (size_t i = 0; i < std::size(expected); i++)
        EXPECT_EQ(std::bit_cast<uint32_t>(model.fea_conv.weight[i]),
                  std::bit_cast<uint32_t>(expected[i]));
}

TEST(Model, RejectsWhatIsNoSafetensorsFile) {
    expect_rejected("", {"0 bytes"});
    expect_rejected("1234567", {"truncated"});
    expect_rejected(std::string(64, '\xff'), {"16777216 bytes", "too long"});
    expect_rejected(join_safetensors("{}", "").substr(0, 9), {"2 bytes", "truncated"});
    expect_rejected(join_safetensors("{", ""), {"JSON"});
    expect_rejected(join_safetensors("[]", ""), {"JSON object", "[]"});
    expect_rejected(join_safetensors(std::string(100000, '['), ""), {"nested"});
    expect_rejected(join_safetensors("{}", ""), {kHead, "missing"});
    expect_rejected(join_safetensors("{}", "x"), {"trailing", "0 bytes", "1 bytes"});
}

TEST(Model, RejectsDamagedHeaders) {
    expect_rejected([](File &f) { f.header[kBias] = 3; }, {kBias, "an object", "found 3"});
    for (const json &shape : {json{-8}, json{8.0}, json{1e30}, json("8"), json{UINT64_MAX}})
        expect_rejected([&](File &f) { f.header[kBias]["shape"] = shape; },
                        {kBias, "shape as a list of non-negative integers", shape.dump()});
    expect_rejected([](File &f) { f.header[kBias].erase("shape"); }, {kBias, "shape", "none"});
    expect_rejected(
        [](File &f) {
            f.header[kBias]["shape"] = {1LL << 62, 1LL << 62};
        },
        {kBias, "more bytes than the file has", "32 bytes"});
    expect_rejected([](File &f) { f.header[kBias]["shape"] = {9}; },
                    {kBias, "36 bytes", "32 bytes"});
    expect_rejected([](File &f) { f.header[kBias]["dtype"] = "I64"; },
                    {kBias, "F32, F16 or BF16", "I64"});
    expect_rejected([](File &f) { f.header[kBias].erase("dtype"); }, {kBias, "dtype", "none"});
    File file;
    const std::string text = file.header.dump(), twice = "{\"" + std::string(kBias) + "\":{},";
    expect_rejected(join_safetensors(twice + text.substr(1), file.data), {"duplicate", kBias});
}

TEST(Model, RejectsOffsetsThatLie) {
    const auto offsets = [](const char *name, json value) {
        return [=](File &f) { f.header[name]["data_offsets"] = value; };
    };
    expect_rejected(offsets(kBias, {-1, 3}), {kBias, "non-negative", "[-1,3]"});
    expect_rejected(offsets(kBias, {9, 3}), {kBias, "[begin, end]", "[9,3]"});
    expect_rejected(offsets(kBias, {9}), {kBias, "[begin, end]", "[9]"});
    expect_rejected(offsets(kBias, {0, 1LL << 60}), {kBias, "past the end"});
    expect_rejected(offsets("B2.c1_d.weight", {0, 512}), {"overlap", "tensor"});
    expect_rejected(
        [](File &f) {
            auto &range = f.header[kLast]["data_offsets"];
            f.data += "gap!";
            range = {range[0].get<size_t>() + 4, range[1].get<size_t>() + 4};
        },
        {kLast, "gap"});
    expect_rejected([](File &f) { f.data.pop_back(); }, {kLast, "past the end"});
    expect_rejected([](File &f) { f.data += "more"; }, {"trailing bytes"});
}

TEST(Model, RejectsOtherTensorsThanItsOwn) {
    expect_rejected(
        [](File &f) {
            const auto entry = f.header[kBias];
            f.header.erase(kBias);
            f.header["B2.other"] = entry;
        },
        {kBias, "[8]", "missing"});
    expect_rejected(
        [](File &f) {
            f.header["B9.c1_d.bias"] = {
                {"dtype", "F32"}, {"shape", {0}}, {"data_offsets", {f.data.size(), f.data.size()}}};
        },
        {"B9.c1_d.bias", "only the 521 tensors", "one too many"});
    expect_rejected(
        [](File &f) {
            f.header[kBias]["shape"] = {2, 4};
        },
        {kBias, "shape [8]", "[2, 4]"});
}

TEST(Model, RejectsFeaturesAndScalesThatThereAreNot) {
    for (int features : {14, 18, 12, 260})
        expect_rejected(File("BF16", features).joined(),
                        {kHead, "multiple of 4 from 16 to 256", std::to_string(features)});
    expect_rejected(File("F32", 16, 5).joined(),
                    {"upsampler.upsampleOneStep.0.weight", "s = 2, 3 or 4", "[75, 16, 3, 3]"});
}

TEST(Model, RejectsValuesThatAreNotFinite) {
    const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                         -std::numeric_limits<float>::infinity()};
    expect_rejected([&](File &f) { std::memcpy(&f.data[12], &bad[0], 4); },
                    {kHead, "finite", "NaN at element 3"});
    expect_rejected([&](File &f) { std::memcpy(&f.data[12], &bad[1], 4); },
                    {kHead, "finite", "infinity at element 3"});
    File half("F16");
    std::memcpy(&half.data[2], "\x00\x7c", 2);
    expect_rejected(half.joined(), {kHead, "infinity at element 1"});
}

TEST(Model, RejectsMetadataThatContradictsTheTensors) {
    const auto metadata = [](json value) {
        return [=](File &f) { f.header["__metadata__"] = value; };
    };
    expect_rejected(metadata({{"scale", "4"}}), {"scale", "\"2\"", "\"4\""});
    expect_rejected(metadata({{"features", "56"}}), {"features", "\"16\"", "\"56\""});
    expect_rejected(metadata({{"architecture", "rcan"}}), {"architecture", "\"mdrn\"", "rcan"});
    expect_rejected(metadata({{"scale", 2}}), {"__metadata__", "strings"});
    expect_rejected(metadata("pt"), {"__metadata__", "strings"});
    File file;
    metadata({{"scale", "2"}, {"features", "16"}, {"format", "pt"}})(file);
    EXPECT_EQ(parse(file.joined()).scale, 2);
}

TEST(Model, SurvivesEveryTruncation) {
    const std::string file = File().joined();
    for (size_t size = 0; size < file.size(); size += 1 + size / 7)
        expect_rejected(file.substr(0, size), {});
}

TEST(LoadModel, SaysWhatIsWrongWithTheName) {
    const auto load = [](const std::string &name, int scale, mdrn_error code,
                         const std::vector<std::string> &parts) {
        expect_message(message_of([&] { load_model(name, scale); }, code), parts);
    };
    load("mdrn-xl", 0, MDRN_ERROR_MODEL, {"mdrn-xl", "mdrn, mdrn-s", ".safetensors"});
    load("", 0, MDRN_ERROR_MODEL, {"mdrn, mdrn-s"});
    load("net.pth", 0, MDRN_ERROR_MODEL, {"net.pth", "convert", ".safetensors"});
    load("none/such.safetensors", 0, MDRN_ERROR_MODEL, {"none/such.safetensors", "No such file"});
    load("/", 0, MDRN_ERROR_MODEL, {"directory"});
#ifndef _WIN32
    load("/dev/null", 0, MDRN_ERROR_MODEL, {"regular file"});
#endif
    load("mdrn", 5, MDRN_ERROR_INVALID_ARGUMENT, {"2, 3 or 4", "5"});
    load("mdrn", -1, MDRN_ERROR_INVALID_ARGUMENT, {"2, 3 or 4", "-1"});
    load(MDRN_SOURCE_DIR "/models/mdrn_x3.safetensors", 4, MDRN_ERROR_INVALID_ARGUMENT,
         {"mdrn_x3.safetensors", "scale 4", "scale 3"});
    EXPECT_EQ(load_model(MDRN_SOURCE_DIR "/models/mdrn_x3.safetensors", 0).scale, 3);
}

TEST(LoadModel, RefusesHugeFilesUnread) {
    const auto path = std::filesystem::temp_directory_path() / "mdrn_huge.safetensors";
    std::ofstream(path).put('\0');
    std::filesystem::resize_file(path, (256u << 20) + 1);
    const std::string message = message_of([&] { load_model(path.string(), 0); }, MDRN_ERROR_MODEL);
    std::filesystem::remove(path);
    expect_message(message, {"at most 268435456 bytes", "268435457"});
}

}  // namespace
}  // namespace mdrn
