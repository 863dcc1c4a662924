// SPDX-License-Identifier: BSD-2-Clause
#include "weights/pth.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <stdexcept>

#include "error.h"
#include "folder.h"
#include "weights/zip.h"

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;

using Pth = test::Folder;
using Bytes = std::vector<std::byte>;

const fs::path kPublished = fs::path(MDRN_REFERENCE_DIR) / "reference/weights";

Bytes bytes_of(const std::string &text) {
    const auto *begin = reinterpret_cast<const std::byte *>(text.data());
    return {begin, begin + text.size()};
}

std::string little_endian(uint64_t value, int size) {
    std::string bytes;
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * i);
    return bytes;
}

// Pieces of pickles of protocol 2.
std::string text(const std::string &string) {
    return "X" + little_endian(string.size(), 4) + string;
}
std::string integer(int value) {
    return "J" + little_endian(static_cast<uint32_t>(value), 4);
}
std::string tuple(const std::vector<int> &values) {
    std::string pickle = "(";
    for (const int value : values) pickle += integer(value);
    return pickle + "t";
}
std::string storage(const std::string &type, const std::string &key = "0", int count = 6) {
    return "(" + text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cuda:0") +
           integer(count) + "tQ";
}
std::string tensor(const std::string &of, int offset, const std::vector<int> &shape,
                   const std::vector<int> &strides) {
    return "ctorch._utils\n_rebuild_tensor_v2\n(" + of + integer(offset) + tuple(shape) +
           tuple(strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
}
std::string dict(const std::vector<std::pair<std::string, std::string>> &entries) {
    std::string pickle = "}(";
    for (const auto &[key, value] : entries) pickle += text(key) + value;
    return pickle + "u";
}

class Archive {
public:
    Archive(const fs::path &folder, const std::string &pickle,
            const std::string &floats = std::string(24, '\0'))
        : path(folder / "w.pth") {
        test::write_text(path, zipped({{"any/data.pkl", bytes_of("\x80\x02" + pickle + ".")},
                                       {"any/data/0", bytes_of(floats)}}));
    }
    static std::string zipped(const std::vector<std::pair<std::string, Bytes>> &entries) {
        const Bytes archive = make_zip(entries);
        return {reinterpret_cast<const char *>(archive.data()), archive.size()};
    }
    const fs::path path;
};

std::string floats(const std::vector<float> &values) {
    return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float)};
}

TEST_F(Pth, APublishedCheckpointIsItsSafetensorsFile) {
    if (!fs::exists(kPublished / "mdrn_x4.pth"))
        GTEST_SKIP() << "no published checkpoints: set MDRN_REFERENCE_DIR";
    const Checkpoint mdrn = read_pth(kPublished / "mdrn_x4.pth");
    EXPECT_EQ(mdrn.key, "params_ema");
    EXPECT_EQ(mdrn.weights.tensors,
              read_safetensors(kPublished / "mdrn_x4.official.safetensors").tensors);
    const Checkpoint small = read_pth(kPublished / "mdrn-s.pth");
    EXPECT_EQ(small.key, "");
    EXPECT_EQ(small.weights.tensors,
              read_safetensors(kPublished / "mdrn-s_x4.official.safetensors").tensors);
    EXPECT_NE(read_pth(kPublished / "mdrn_x4.pth", "params").weights, mdrn.weights);
}

TEST_F(Pth, ComesBackAsItWas) {
    const Weights weights{{{"b", {{2, 3}, {1, -2, 3.5F, 4, 5e-30F, -0.F}}},
                           {"a.weight", {{1, 1, 1, 1}, {7}}},
                           {"empty", {{0, 4}, {}}},
                           {"scalar", {{}, {9}}}},
                          {{"architecture", "mdrn"}}};
    write_pth(path / "w.pth", weights);
    EXPECT_EQ(read_pth(path / "w.pth").weights, weights);
    EXPECT_EQ(read_pth(path / "w.pth").key, "params");
    const std::string first = test::text_of(path / "w.pth");
    write_pth(path / "w.pth", weights);
    EXPECT_EQ(test::text_of(path / "w.pth"), first);
    write_pth(path / "w.pth", weights, "");
    EXPECT_EQ(read_pth(path / "w.pth").weights.tensors, weights.tensors);
}

TEST_F(Pth, StridesAndOffsets) {
    const Archive archive(path,
                          dict({{"t", tensor(storage("FloatStorage"), 1, {2, 2}, {1, 2})},
                                {"same", tensor(storage("FloatStorage"), 5, {3}, {0})}}),
                          floats({0, 1, 2, 3, 4, 5}));
    const auto tensors = read_pth(archive.path).weights.tensors;
    EXPECT_EQ(tensors.at("t"), (Tensor{{2, 2}, {1, 3, 2, 4}}));
    EXPECT_EQ(tensors.at("same"), (Tensor{{3}, {5, 5, 5}}));
}

TEST_F(Pth, EveryTypeOfFloat) {
    const double values[] = {1.5, -0.25};
    const struct {
        const char *type;
        std::string bytes;
    } cases[] = {{"HalfStorage", little_endian(0xB4003E00, 4)},
                 {"BFloat16Storage", little_endian(0xBE803FC0, 4)},
                 {"DoubleStorage", little_endian(std::bit_cast<uint64_t>(values[0]), 8) +
                                       little_endian(std::bit_cast<uint64_t>(values[1]), 8)}};
    for (const auto &[type, bytes] : cases) {
        const Archive archive(path, dict({{"t", tensor(storage(type), 0, {2}, {1})}}), bytes);
        EXPECT_EQ(read_pth(archive.path).weights.tensors.at("t"), (Tensor{{2}, {1.5F, -0.25F}}))
            << type;
    }
}

TEST_F(Pth, ParallelModulesAndEntries) {
    const std::string t = tensor(storage("FloatStorage"), 0, {1}, {1});
    const std::string parallel = dict({{"module.a", t}, {"module.b", t}});
    const Archive nested(path, dict({{"epoch", integer(3)},
                                     {"loss", "G" + little_endian(0, 8)},
                                     {"state_dict", parallel},
                                     {"generator", dict({{"module.c", t}, {"d", t}})}}));
    EXPECT_EQ(read_pth(nested.path).key, "state_dict");
    EXPECT_EQ(read_pth(nested.path).weights.tensors.count("a"), 1U);
    const auto other = read_pth(nested.path, "generator").weights.tensors;
    EXPECT_EQ(other.count("module.c"), 1U);  // not a DataParallel's: not all are a module's
    EXPECT_THROW(read_pth(nested.path, "params"), Error);
    const Archive plain(path, parallel);
    EXPECT_EQ(read_pth(plain.path).weights.tensors.count("b"), 1U);
}

TEST_F(Pth, WhatIsNoStateDictIsRefusedAndNotRun) {
    const std::string t = tensor(storage("FloatStorage"), 0, {1}, {1});
    const std::string wrong[] = {
        "cos\nsystem\n(" + text("touch " + (path / "run").string()) + "tR",  // runs a program
        dict({{"a", "ctorch\nLongStorage\n"}}),
        "",                          // nothing to take
        text("a"),                   // no dictionary
        dict({}),                    // empty
        dict({{"a", integer(1)}}),   // no tensor
        dict({{"a", t}, {"a", t}}),  // twice
        "}" + integer(1) + t + "s",  // a key that is no text
        "}(" + text("a") + "u",      // a key without a value
        "}" + text("a") + "s",       // an operand too few
        "}q\x01h\x02",               // never memorised
        "(}u.",                      // the dictionary is above the mark
        "u",                         // no mark
        std::string(1000000, '('),   // deep nesting
        std::string(2000000, ']'),   // many values
        "X\xFF\xFF\xFF\xFF",         // a long text
        "\x8a\x09",                  // a large integer
        "]q\x01(h\x01h\x01"
        "eh\x01",                          // a list of itself
        "}q\x01(" + text("a") + "h\x01u",  // a dictionary of itself
        "}q\x01(" + text("params") + "h\x01u",
        tensor(storage("FloatStorage"), 0, {1}, {1}),
        dict({{"a", "ctorch._utils\n_rebuild_tensor_v2\n)R"}}),
        dict({{"a", "ccollections\nOrderedDict\n(" + integer(1) + "tR"}}),
        dict({{"a", "ctorch._utils\n_rebuild_tensor_v2\n(" + integer(1) + integer(0) + "))tR"}}),
        dict({{"a", "ctorch._utils\n_rebuild_tensor_v2\n((tQ" + integer(0) + "))tR"}}),
    };
    for (const std::string &pickle : wrong) {
        const Archive archive(path, pickle);
        EXPECT_THROW(read_pth(archive.path), Error) << pickle.substr(0, 100);
    }
    EXPECT_FALSE(fs::exists(path / "run"));
}

TEST_F(Pth, TensorsOutsideTheirStorageAreRefused) {
    const std::string s = storage("FloatStorage");
    const std::string wrong[] = {
        tensor(s, 0, {7}, {1}),
        tensor(s, 6, {1}, {1}),
        tensor(s, 6, {}, {}),
        tensor(s, -1, {1}, {1}),
        tensor(s, 0, {-1}, {1}),
        tensor(s, 0, {2}, {-1}),
        tensor(s, 0, {2, 2}, {4, 2}),
        tensor(s, 0, {2}, {0x7FFFFFFF}),
        tensor(s, 0, {2, 3}, {1}),
        tensor(s, 0, {0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF}, {0, 0, 0}),  // a bomb
        tensor(s, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}),
        tensor(storage("FloatStorage", "1"), 0, {1}, {1}),
        tensor(storage("FloatStorage", std::string(1000, '0')), 0, {1}, {1})};
    for (const std::string &t : wrong) {
        const Archive archive(path, dict({{"a", t}}));
        EXPECT_THROW(read_pth(archive.path), Error) << t;
    }
    const Archive nan(path, dict({{"a", tensor(s, 0, {6}, {1})}}), std::string(24, '\xFF'));
    EXPECT_THROW(read_pth(nan.path), Error);
    std::string many = "}(";
    for (int i = 0; i < 100; ++i)  // each allowed, all of them 400 MB
        many += text(std::to_string(i)) + tensor(s, 0, {1000000}, {0});
    EXPECT_THROW(read_pth(Archive(path, many + "u").path), Error);
}

TEST_F(Pth, DamagedArchivesAreRefused) {
    const Weights weights{{{"a", {{3}, {1, 2, 3}}}, {"b", {{1}, {4}}}}, {}};
    write_pth(path / "sound.pth", weights);
    const std::string sound = test::text_of(path / "sound.pth");
    for (size_t size = 0; size < sound.size(); size += 7) {
        test::write_text(path / "cut.pth", sound.substr(0, size));
        EXPECT_THROW(read_pth(path / "cut.pth"), Error) << size;
    }
    for (size_t at = 0; at < sound.size(); ++at) {
        std::string flipped = sound;
        flipped[at] = static_cast<char>(flipped[at] ^ 0x11);
        test::write_text(path / "flipped.pth", flipped);
        try {  // some bytes mean nothing
            EXPECT_EQ(read_pth(path / "flipped.pth").weights, weights) << at;
        } catch (const Error &) {
        }
    }
    EXPECT_THROW(read_pth(path / "missing.pth"), Error);
    test::write_text(path / "old.pth", "\x80\x02\x8a\x0a and so on");
    EXPECT_THROW(read_pth(path / "old.pth"), Error);
    test::write_text(path / "other.pth", Archive::zipped({{"a.txt", bytes_of("text")}}));
    EXPECT_THROW(read_pth(path / "other.pth"), Error);
    test::write_text(path / "big.pth", Archive::zipped({{"w/data.pkl", bytes_of("\x80\x02}.")},
                                                        {"w/byteorder", bytes_of("big")}}));
    EXPECT_THROW(read_pth(path / "big.pth"), Error);
}

}  // namespace
}  // namespace mdrn::training
