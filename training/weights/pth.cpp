// SPDX-License-Identifier: BSD-2-Clause
#include "weights/pth.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "header.h"
#include "os.h"
#include "weights.h"
#include "weights/pickle.h"
#include "weights/zip.h"

namespace mdrn::training {
namespace {

using Kind = Pickle::Kind;
using Bytes = std::vector<std::byte>;

constexpr uint64_t kPickleLimit = 16 << 20;
constexpr size_t kRankLimit = 8;
constexpr size_t kStorageNameLimit = 64;
const std::string kModule = "module.";

struct ElementType {
    size_t size;
    std::optional<DType> dtype;  // none: double
};
const std::map<std::string, ElementType> kTypes = {{"torch FloatStorage", {4, DType::F32}},
                                                   {"torch HalfStorage", {2, DType::F16}},
                                                   {"torch BFloat16Storage", {2, DType::BF16}},
                                                   {"torch DoubleStorage", {8, std::nullopt}}};

// A tensor's place in its storage; offset and strides in elements.
struct View {
    const std::string &storage;
    ElementType type;
    int64_t offset;
    std::vector<int64_t> shape, strides;
};

std::vector<float> doubles_to_float(const Bytes &bytes, const std::string &name,
                                    const std::string &origin) {
    std::vector<float> values(bytes.size() / sizeof(double));
    for (size_t i = 0; i < values.size(); ++i) {
        double value;
        std::memcpy(&value, &bytes[i * sizeof value], sizeof value);
        values[i] = static_cast<float>(value);
        if (!std::isfinite(values[i]))
            reject_tensor(origin, name, "finite values", "another at element " + std::to_string(i));
    }
    return values;
}

class Reader {
public:
    Reader(std::span<const std::byte> bytes, const std::string &origin)
        : origin_(origin), archive_(bytes, origin), folder_(folder_of(archive_.first_name())) {
        const auto pickle = archive_.read(folder_ + "data.pkl", kPickleLimit);
        if (!pickle)
            reject_file(origin, "a checkpoint of torch.save(), with a file data.pkl", "none");
        const auto order = archive_.read(folder_ + "byteorder", 16);
        constexpr char kLittle[] = {'l', 'i', 't', 't', 'l', 'e'};
        if (order && (order->size() != sizeof kLittle ||
                      std::memcmp(order->data(), kLittle, sizeof kLittle) != 0))
            reject_file(origin, "byte order little", "another");
        pickle_ = parse_pickle(*pickle, origin + ": data.pkl");
    }

    Checkpoint read(const std::string &key) {
        const Pickle::Value &root = pickle_.values[pickle_.root];
        if (root.kind != Kind::dict) reject_file(origin_, "a dictionary", "something else");
        Checkpoint checkpoint{{}, key};
        const Pickle::Value *dict = &root;
        if (!key.empty()) {
            dict = pickle_.find(root, key);
            if (!dict) reject_file(origin_, "an entry " + quoted(key), names(root));
        } else {
            for (const char *name : {"params_ema", "params", "state_dict"})
                if (const Pickle::Value *found = pickle_.find(root, name)) {
                    dict = found;
                    checkpoint.key = name;
                    break;
                }
        }
        checkpoint.weights.tensors = tensors(*dict);
        if (dict != &root) checkpoint.weights.metadata = metadata(root);
        return checkpoint;
    }

private:
    static std::string folder_of(const std::string &name) {
        return name.substr(0, name.find('/') + 1);
    }
    const Pickle::Value &value(Pickle::Index index) const { return pickle_.values[index]; }

    // For messages: the names in a dictionary.
    std::string names(const Pickle::Value &dict) const {
        std::string list;
        for (size_t i = 0; i < dict.items.size() && list.size() < 80; i += 2)
            list += (i ? ", " : "") + quoted(value(dict.items[i]).text);
        return list.empty() ? "none" : "only " + list;
    }

    std::map<std::string, Tensor> tensors(const Pickle::Value &dict) {
        if (dict.kind != Kind::dict || dict.items.empty())
            reject_file(origin_, "a dictionary of tensors", "something else");
        bool parallel = true;  // all of them are a DataParallel's
        for (size_t i = 0; i < dict.items.size(); i += 2) {
            if (value(dict.items[i]).kind != Kind::text)
                reject_file(origin_, "tensors by their names", "a key that is no text");
            parallel = parallel && value(dict.items[i]).text.starts_with(kModule);
        }
        std::map<std::string, Tensor> all;
        for (size_t i = 0; i < dict.items.size(); i += 2) {
            const std::string name =
                value(dict.items[i]).text.substr(parallel ? kModule.size() : 0);
            if (value(dict.items[i + 1]).kind != Kind::tensor)
                reject_tensor(origin_, name, "a tensor", "something else; " + hint());
            if (!all.emplace(name, tensor(value(dict.items[i + 1]), name)).second)
                reject_tensor(origin_, name, "one tensor of this name", "another");
        }
        return all;
    }
    static std::string hint() {
        return "if the tensors are in an entry of their own, name it (--params-key)";
    }

    std::map<std::string, std::string> metadata(const Pickle::Value &root) const {
        std::map<std::string, std::string> strings;
        const Pickle::Value *dict = pickle_.find(root, "metadata");
        if (!dict || dict->kind != Kind::dict) return strings;
        size_t size = 0;  // one text may be there many times
        for (size_t i = 0; i < dict->items.size(); i += 2) {
            const Pickle::Value &name = value(dict->items[i]), &text = value(dict->items[i + 1]);
            if (name.kind != Kind::text || text.kind != Kind::text) continue;
            size += text.text.size();
            if (size > kPickleLimit)
                reject_file(origin_, "some metadata", "too many bytes of them");
            strings.emplace(name.text, text.text);
        }
        return strings;
    }

    std::vector<int64_t> counts(Pickle::Index index, const std::string &name) const {
        const auto reject = [&] {
            reject_tensor(origin_, name,
                          "at most " + std::to_string(kRankLimit) + " non-negative integers",
                          "something else");
        };
        const Pickle::Value &list = value(index);
        if (list.kind != Kind::sequence || list.items.size() > kRankLimit) reject();
        std::vector<int64_t> counts;
        for (const Pickle::Index item : list.items) {
            if (value(item).kind != Kind::integer || value(item).integer < 0) reject();
            counts.push_back(value(item).integer);
        }
        return counts;
    }

    View view_of(const Pickle::Value &tensor, const std::string &name) const {
        const auto reject = [&] {
            reject_tensor(origin_, name, "the arguments of _rebuild_tensor_v2", "others");
        };
        const auto &arguments = value(tensor.items[0]).items;
        if (arguments.size() < 4 || value(arguments[0]).kind != Kind::storage ||
            value(arguments[1]).kind != Kind::integer)
            reject();
        const auto &storage = value(value(arguments[0]).items[0]).items;
        if (storage.size() != 5 || value(storage[0]).text != "storage" ||
            value(storage[2]).kind != Kind::text ||
            value(storage[2]).text.size() > kStorageNameLimit ||
            !kTypes.contains(value(storage[1]).text))
            reject();
        View view{value(storage[2]).text, kTypes.at(value(storage[1]).text),
                  value(arguments[1]).integer, counts(arguments[2], name),
                  counts(arguments[3], name)};
        if (view.offset < 0 || view.shape.size() != view.strides.size()) reject();
        return view;
    }

    Tensor tensor(const Pickle::Value &tensor, const std::string &name) {
        const View view = view_of(tensor, name);
        const Bytes bytes = gather(view, name);
        return {view.shape, view.type.dtype
                                ? to_float({*view.type.dtype, view.shape, bytes}, name, origin_)
                                : doubles_to_float(bytes, name, origin_)};
    }

    // Storages may be shared; all of them together have a limit.
    const Bytes &storage(const std::string &key, const std::string &name) {
        const auto [found, is_new] = storages_.try_emplace(key);
        if (is_new) {
            auto bytes = archive_.read(folder_ + "data/" + key, kWeightsLimit - stored_);
            if (!bytes) reject_tensor(origin_, name, "a file data/" + key, "none");
            stored_ += bytes->size();
            found->second = std::move(*bytes);
        }
        return found->second;
    }

    // Of a tensor, which must lie within a storage of that many.
    uint64_t count_of(const View &view, uint64_t stored, const std::string &name) const;

    // The bytes of a tensor, row-major.
    Bytes gather(const View &view, const std::string &name);

    const std::string &origin_;
    const ZipReader archive_;
    const std::string folder_;  // in the archive
    Pickle pickle_;
    std::map<std::string, Bytes> storages_;
    uint64_t stored_ = 0, gathered_ = 0;  // bytes
};

uint64_t Reader::count_of(const View &view, uint64_t stored, const std::string &name) const {
    if (std::ranges::count(view.shape, 0)) return 0;
    const uint64_t limit = (kWeightsLimit - gathered_) / view.type.size;
    uint64_t count = 1, last = view.offset;
    bool within = last < stored;
    for (size_t i = 0; within && i < view.shape.size(); ++i) {
        const uint64_t side = view.shape[i], stride = view.strides[i];
        if (side > limit / count)
            reject_tensor(origin_, name,
                          "at most " + std::to_string(kWeightsLimit) + " bytes in all tensors",
                          "more, with one of shape " + to_string(view.shape));
        count *= side;
        within = stride == 0 || side - 1 <= (stored - 1 - last) / stride;
        last += within ? (side - 1) * stride : 0;
    }
    if (!within)
        reject_tensor(origin_, name, "all of it in its storage of " + std::to_string(stored),
                      "shape " + to_string(view.shape) + " with strides " +
                          to_string(view.strides) + " from element " + std::to_string(view.offset) +
                          " on");
    return count;
}

Bytes Reader::gather(const View &view, const std::string &name) {
    const Bytes &bytes = storage(view.storage, name);
    const uint64_t count = count_of(view, bytes.size() / view.type.size, name);
    gathered_ += count * view.type.size;

    Bytes gathered(count * view.type.size);
    std::vector<int64_t> at(view.shape.size());
    for (size_t i = 0; i < count; ++i) {
        int64_t element = view.offset;
        for (size_t d = 0; d < at.size(); ++d) element += at[d] * view.strides[d];
        std::memcpy(&gathered[i * view.type.size], &bytes[element * view.type.size],
                    view.type.size);
        for (size_t d = at.size(); d-- > 0 && ++at[d] == view.shape[d];) at[d] = 0;
    }
    return gathered;
}

void reject_legacy(std::span<const std::byte> bytes, const std::string &origin) {
    constexpr uint8_t kMagic[] = {0x80, 0x02, 0x8a, 0x0a};
    if (bytes.size() >= sizeof kMagic && std::memcmp(bytes.data(), kMagic, sizeof kMagic) == 0)
        reject_file(origin, "a checkpoint of PyTorch 1.6 or later",
                    "an older one (load it with a new PyTorch and save it again)");
}

}  // namespace

Checkpoint read_pth(const std::filesystem::path &path, const std::string &key) {
    return parse_pth(read_file(path, kWeightsLimit), path, key);
}

Checkpoint parse_pth(std::span<const std::byte> bytes, const std::string &origin,
                     const std::string &key) {
    reject_legacy(bytes, origin);
    return Reader(bytes, origin).read(key);
}

}  // namespace mdrn::training
