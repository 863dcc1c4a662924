// SPDX-License-Identifier: BSD-2-Clause
// A pair of pictures as a program may describe them, with any bytes in the description: they are
// converted and at times enlarged, or refused with a message before any of their memory is touched.
// The planes have the bytes that the description claims, and lie each in a block of its own.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "error.h"
#include "frame.h"

namespace {

constexpr int kScale = 2;

[[noreturn]] void defect() {
    std::abort();
}

// Takes values off the front; zeros when there are no more.
class Input {
public:
    explicit Input(std::span<const uint8_t> bytes) : bytes_(bytes) {}

    template <typename T>
    T take() {
        T value{};
        const size_t count = std::min(sizeof value, bytes_.size());
        std::memcpy(&value, bytes_.data(), count);
        bytes_ = bytes_.subspan(count);
        return value;
    }

    // Fills memory with what is left, again and again.
    void fill(std::vector<uint8_t> &memory) const {
        for (size_t i = 0; i < memory.size(); ++i)
            memory[i] = bytes_.empty() ? 0x80 : bytes_[i % bytes_.size()];
    }

private:
    std::span<const uint8_t> bytes_;
};

template <typename Enum>
void set(Enum &field, int value) {
    std::memcpy(&field, &value, sizeof field);
}

// What a byte may mean: mostly small things that can be, at times anything.
int number(Input &input, int most) {
    const auto byte = input.take<uint8_t>();
    return byte < 0xF8 ? byte % (most + 1) : input.take<int>();
}

mdrn_image description(Input &input) {
    mdrn_image image{};
    image.size = input.take<uint8_t>() == 0xFF ? input.take<uint8_t>() : sizeof image;
    image.width = number(input, 20);
    image.height = number(input, 20);
    set(image.memory, number(input, 0));
    set(image.layout.model, number(input, 2));
    image.layout.components = static_cast<uint8_t>(number(input, 4));
    image.layout.log2_chroma_w = static_cast<uint8_t>(number(input, 2));
    image.layout.log2_chroma_h = static_cast<uint8_t>(number(input, 2));
    image.layout.big_endian = static_cast<uint8_t>(number(input, 1));
    image.layout.is_float = static_cast<uint8_t>(number(input, 1));
    for (mdrn_component &component : image.layout.component) {
        component.plane = static_cast<uint8_t>(number(input, 3));
        component.step = static_cast<uint8_t>(number(input, 8));
        component.offset = static_cast<uint8_t>(number(input, 4));
        component.shift = static_cast<uint8_t>(number(input, 8));
        component.depth = static_cast<uint8_t>(number(input, 32));
    }
    image.matrix = number(input, 17);
    set(image.range, number(input, 2));
    set(image.chroma_location, number(input, 6));
    return image;
}

constexpr int64_t kMany = 1 << 20;

// Bytes from the first to the last that plane p has of a picture in rows of that stride, more than
// kMany where it overflows; those of its last row alone in row.
int64_t claimed(const mdrn_image &image, int p, int64_t stride, int64_t &row) {
    int model = 0;  // perhaps none of the enum's
    std::memcpy(&model, &image.layout.model, sizeof model);
    int64_t rows = 0;
    for (int i = 0; i < std::min<int>(image.layout.components, 4); ++i) {
        const mdrn_component &c = image.layout.component[i];
        const bool chroma = model == MDRN_COLOR_YUV && (i == 1 || i == 2);
        const auto side = [&](int64_t n, int log2) {
            return chroma && log2 <= 2 ? (n + (1 << log2) - 1) >> log2 : n;
        };
        if (c.plane != p) continue;
        const int bits = c.shift + c.depth;
        const int word = bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
        const int64_t last = side(image.width, image.layout.log2_chroma_w) - 1;
        row = std::max(row, last * c.step + std::max<int>(c.step, c.offset + word));
        rows = std::max(rows, side(image.height, image.layout.log2_chroma_h));
    }
    if (rows > kMany || std::abs(stride) > kMany) return kMany + 1;
    return rows > 0 ? (rows - 1) * std::abs(stride) + row : 0;
}

// A picture's planes, of just the bytes that it claims; NULL where these are many, or at times.
struct Planes {
    Planes(mdrn_image &image, Input &input) {
        for (int p = 0; p < 4; ++p) {
            int64_t row = 0;
            const int choice = number(input, 15);
            claimed(image, p, 0, row);
            const int64_t stride = choice < 8 ? row + choice : number(input, 400);
            image.stride[p] = choice % 2 ? -stride : stride;
            const int64_t bytes = claimed(image, p, stride, row);
            if (choice == 15 || bytes <= 0 || bytes > kMany) continue;
            memory[p].resize(static_cast<size_t>(bytes));
            image.data[p] = memory[p].data() + (image.stride[p] < 0 ? bytes - row : 0);
        }
    }
    std::vector<uint8_t> memory[4];
};

mdrn_context *open() {
    mdrn_settings settings;
    mdrn_settings_default(&settings, sizeof settings);
    settings.model = "mdrn-s";
    settings.device = MDRN_DEVICE_CPU;
    settings.scale = kScale;
    settings.threads = 1;
    settings.memory = uint64_t{6} << 20;  // what is large would take long
    mdrn_context *context = nullptr;
    if (mdrn_open(&context, &settings) < 0) defect();
    return context;
}

struct Rgb {
    explicit Rgb(const mdrn_image &image)
        : values(size_t{3} * image.width * image.height, 0.5F),
          planes{values.data(),
                 {image.width, image.height},
                 image.width,
                 ptrdiff_t{image.width} * image.height} {}
    std::vector<float> values;
    mdrn::Planes planes;
};

// What lies around the network, which takes a thousand times as long.
void convert(const mdrn_image &in, const mdrn_image &out) {
    static mdrn::FrameConverter converter([](const std::string &) {});
    const Rgb small(in), large(out);
    try {
        converter.unpack(in, small.planes);
        converter.pack(large.planes, out);
    } catch (const mdrn::Error &error) {
        if (error.code == MDRN_ERROR_INTERNAL) defect();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mdrn_context *const context = open();
    Input input({data, size});
    mdrn_image in = description(input);
    mdrn_image out = in;
    out.width = static_cast<int>(static_cast<unsigned>(in.width) * kScale);
    out.height = static_cast<int>(static_cast<unsigned>(in.height) * kScale);
    if (input.take<uint8_t>() == 0xFF) out = description(input);
    Planes small(in, input), large(out, input);
    for (auto &plane : small.memory) input.fill(plane);

    int result = mdrn_send(context, &in, &out, nullptr);
    if (result == 0) {
        convert(in, out);
        if (input.take<uint8_t>() == 0xFF)
            result = mdrn_receive(context, nullptr);
        else
            mdrn_flush(context);
    }
    if (result == 0) return 0;
    if (result <= MDRN_ERROR_INTERNAL || !*mdrn_last_error()) defect();
    if (mdrn_receive(context, nullptr) != MDRN_AGAIN) defect();
    return 0;
}
