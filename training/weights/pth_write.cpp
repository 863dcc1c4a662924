// SPDX-License-Identifier: BSD-2-Clause
#include <cstring>
#include <string_view>
#include <vector>

#include "weights/atomic.h"
#include "weights/pth.h"
#include "weights/zip.h"

namespace mdrn::training {
namespace {

using Bytes = std::vector<std::byte>;

// Pickle protocol 2; Lib/pickletools.py of CPython describes each opcode.
class Pickler {
public:
    Bytes finish() {
        text_ += '.';
        return Bytes(reinterpret_cast<const std::byte *>(text_.data()),
                     reinterpret_cast<const std::byte *>(text_.data()) + text_.size());
    }

    void begin_dict() { text_ += "}("; }
    void end_dict() { text_ += 'u'; }

    void put(std::string_view string) {
        text_ += 'X';
        put_bytes(string.size(), 4);
        text_ += string;
    }

    // Contiguous, and all of the storage of that name.
    void put_tensor(const std::vector<int64_t> &shape, size_t count, const std::string &storage) {
        put_global("torch._utils", "_rebuild_tensor_v2");
        text_ += "((";
        put("storage");
        put_global("torch", "FloatStorage");
        put(storage);
        put("cpu");
        put_integer(static_cast<int64_t>(count));
        text_ += "tQ";
        put_integer(0);
        put_integers(shape);
        put_integers(strides_of(shape));
        text_ += '\x89';  // requires_grad: False
        put_global("collections", "OrderedDict");
        text_ += ")RtR";
    }

private:
    static std::vector<int64_t> strides_of(const std::vector<int64_t> &shape) {
        std::vector<int64_t> strides(shape.size(), 1);
        for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
        return strides;
    }
    void put_bytes(uint64_t value, int count) {
        for (int i = 0; i < count; ++i) text_ += static_cast<char>(value >> 8 * i);
    }
    void put_integer(int64_t value) {
        text_ += "\x8a\x08";  // LONG1, of 8 bytes
        put_bytes(static_cast<uint64_t>(value), 8);
    }
    void put_integers(const std::vector<int64_t> &values) {
        text_ += '(';
        for (const int64_t value : values) put_integer(value);
        text_ += 't';
    }
    void put_global(std::string_view module, std::string_view name) {
        text_.append("c").append(module).append("\n").append(name).append("\n");
    }

    std::string text_ = "\x80\x02";
};

Bytes bytes_of(const void *data, size_t size) {
    const auto *begin = static_cast<const std::byte *>(data);
    return {begin, begin + size};
}

Bytes state_dict(const Weights &weights, const std::string &key) {
    Pickler pickler;
    if (!key.empty()) {
        pickler.begin_dict();
        pickler.put(key);
    }
    pickler.begin_dict();
    size_t storage = 0;
    for (const auto &[name, tensor] : weights.tensors) {
        pickler.put(name);
        pickler.put_tensor(tensor.shape, tensor.values.size(), std::to_string(storage++));
    }
    pickler.end_dict();
    if (!key.empty()) {
        pickler.put("metadata");
        pickler.begin_dict();
        for (const auto &[name, text] : weights.metadata) {
            pickler.put(name);
            pickler.put(text);
        }
        pickler.end_dict();
        pickler.end_dict();
    }
    return pickler.finish();
}

}  // namespace

void write_pth(const std::filesystem::path &path, const Weights &weights, const std::string &key) {
    std::vector<std::pair<std::string, Bytes>> entries;
    entries.emplace_back("archive/data.pkl", state_dict(weights, key));
    entries.emplace_back("archive/byteorder", bytes_of("little", 6));
    size_t storage = 0;
    for (const auto &[name, tensor] : weights.tensors)
        entries.emplace_back("archive/data/" + std::to_string(storage++),
                             bytes_of(tensor.values.data(), tensor.values.size() * sizeof(float)));
    entries.emplace_back("archive/version", bytes_of("3\n", 2));
    const Bytes archive = make_zip(entries);
    write_atomically(path, [&](std::ostream &stream) {
        stream.write(reinterpret_cast<const char *>(archive.data()),
                     static_cast<std::streamsize>(archive.size()));
    });
}

}  // namespace mdrn::training
