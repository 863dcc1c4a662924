// SPDX-License-Identifier: BSD-2-Clause
#include "layouts.h"

#include <algorithm>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>

#include "bicubic.h"

namespace mdrn::training {
namespace {

using Kind = PictureName::Kind;
using Roots = std::vector<std::filesystem::path>;

// "0001x4" is in low resolution where "0001" is there, too.
void resolve_suffixes(std::vector<Found> &found) {
    std::unordered_set<std::string> keys;
    for (const Found &picture : found)
        if (picture.name.kind != Kind::kLow) keys.insert(picture.name.key);
    for (Found &picture : found) {
        PictureName &name = picture.name;
        if (!name.suffix) continue;
        const bool low = name.kind == Kind::kLow && (!name.scale || name.scale == name.suffix);
        if (!low && (name.kind == Kind::kHigh || !keys.count(name.suffixed))) continue;
        name.kind = Kind::kLow;
        name.scale = name.suffix;
        name.key = name.suffixed;
    }
}

std::string last_part(const std::string &key) {
    return key.substr(key.rfind('/') + 1);
}

// Pictures by name, and by the last part of it where that is one picture's alone.
class Index {
public:
    void add(const std::string &key, const Source &source) {
        add(whole_, key, source);
        add(last_, last_part(key), source);
    }
    // Null where there is none, or where several are meant.
    const Source *find(const std::string &key, bool last_part_is_unique) const {
        if (const auto it = whole_.find(key); it != whole_.end())
            return it->second.count == 1 ? &it->second.source : nullptr;
        if (!last_part_is_unique) return nullptr;
        const auto it = last_.find(last_part(key));
        return it != last_.end() && it->second.count == 1 ? &it->second.source : nullptr;
    }

private:
    struct Slot {
        Source source;
        int count = 0;
    };
    using Map = std::unordered_map<std::string, Slot>;
    static void add(Map &map, const std::string &key, const Source &source) {
        Slot &slot = map[key];
        slot.source = source;
        ++slot.count;
    }
    Map whole_, last_;
};

Index index_of(const Roots &roots, int scale, std::vector<std::string> &problems) {
    Index index;
    for (const auto &root : roots) {
        std::vector<Found> found = find_pictures(root, problems);
        std::unordered_set<std::string> suffixed;
        for (Found &picture : found) {
            if (picture.name.suffix != scale) continue;
            picture.name.key = picture.name.suffixed;
            picture.name.kind = Kind::kLow;
            suffixed.insert(picture.name.key);
        }
        for (const auto &[source, name] : found) {
            const bool other = name.kind == Kind::kHigh || (name.scale && name.scale != scale);
            // Beside "0001x4", "0001" is in high resolution.
            if (!other && (name.suffix == scale || !suffixed.count(name.key)))
                index.add(name.key, source);
        }
    }
    return index;
}

struct Root {
    std::vector<Item> items;
    std::map<int, Index> lq;  // that it holds itself
};

Root search(const std::filesystem::path &path, std::vector<std::string> &problems) {
    Root root;
    std::vector<Found> found = find_pictures(path, problems);
    resolve_suffixes(found);
    for (const Found &picture : found) {
        const PictureName &name = picture.name;
        if (name.kind != Kind::kLow)
            root.items.push_back({name.key, picture.source, {}});
        else if (name.scale)
            root.lq[name.scale].add(name.key, picture.source);
    }
    if (root.items.empty())
        throw std::runtime_error(path.string() +
                                 ": holds pictures in low resolution only, by their names");
    return root;
}

std::unordered_map<std::string, int> last_parts(const std::vector<Item> &items) {
    std::unordered_map<std::string, int> counts;
    for (const Item &item : items) ++counts[last_part(item.name)];
    return counts;
}

// required: an item that has none is left out.
void pair(std::vector<Item> &items, const Index &index, int scale, bool required,
          std::vector<std::string> &problems) {
    const auto counts = last_parts(items);
    std::erase_if(items, [&](Item &item) {
        const bool unique = counts.at(last_part(item.name)) == 1;
        if (const Source *lq = index.find(item.name, unique)) {
            item.lq[scale] = *lq;
            return false;
        }
        if (required)
            problems.push_back(item.gt.text() + ": dataroot_lq has no picture of it for scale " +
                               std::to_string(scale) + ", or more than one");
        return required;
    });
}

void check_counts(size_t gt, const std::map<int, Roots> &dataroot_lq) {
    for (const auto &[scale, roots] : dataroot_lq)
        if (roots.size() != 1 && roots.size() != gt)
            throw std::runtime_error("dataroot_lq of scale " + std::to_string(scale) + " has " +
                                     std::to_string(roots.size()) + " folders, dataroot_gt " +
                                     std::to_string(gt) + ": give one for each, or one for all");
}

}  // namespace

Listing list_pictures(const Roots &dataroot_gt, const std::map<int, Roots> &dataroot_lq) {
    if (dataroot_gt.empty()) throw std::runtime_error("dataroot_gt names no folder");
    check_counts(dataroot_gt.size(), dataroot_lq);
    Listing listing;
    std::map<int, Index> shared;
    for (const auto &[scale, roots] : dataroot_lq)
        if (roots.size() == 1) shared[scale] = index_of(roots, scale, listing.problems);
    for (size_t i = 0; i < dataroot_gt.size(); ++i) {
        Root root = search(dataroot_gt[i], listing.problems);
        for (const auto &[scale, index] : root.lq)
            if (!dataroot_lq.count(scale)) pair(root.items, index, scale, false, listing.problems);
        for (const auto &[scale, roots] : dataroot_lq)
            pair(root.items,
                 roots.size() == 1 ? shared[scale] : index_of({roots[i]}, scale, listing.problems),
                 scale, true, listing.problems);
        std::move(root.items.begin(), root.items.end(), std::back_inserter(listing.items));
    }
    if (listing.items.empty()) throw std::runtime_error(listing.problems.front());
    return listing;
}

void check_sizes(const Item &item, const Picture &gt, const Picture &lq, int scale) {
    if (lq.width == gt.width / scale && lq.height == gt.height / scale) return;
    const auto size = [](int width, int height) {
        return std::to_string(width) + "x" + std::to_string(height);
    };
    throw std::runtime_error(item.lq.at(scale).text() + ": expected " +
                             size(gt.width / scale, gt.height / scale) + " pixels, " +
                             std::to_string(scale) + " times fewer than " + item.gt.text() + "'s " +
                             size(gt.width, gt.height) + ", found " + size(lq.width, lq.height));
}

std::optional<Picture> read_lq(const Item &item, const Picture &gt, int scale) {
    const auto it = item.lq.find(scale);
    if (gt.width < scale || gt.height < scale)
        throw std::runtime_error(item.gt.text() + ": " + std::to_string(gt.width) + "x" +
                                 std::to_string(gt.height) + " pixels are too few");
    if (it == item.lq.end()) return reduce(gt, scale);
    std::optional<Picture> lq = read(it->second);
    if (lq) check_sizes(item, gt, *lq, scale);
    return lq;
}

std::optional<Pair> read_pair(const Item &item, int scale) {
    const std::optional<Picture> gt = read(item.gt);
    if (!gt) return std::nullopt;
    std::optional<Picture> lq = read_lq(item, *gt, scale);
    if (!lq) return std::nullopt;
    const int width = scale * lq->width, height = scale * lq->height;
    return Pair{std::move(*lq), crop(*gt, 0, 0, width, height)};
}

}  // namespace mdrn::training
