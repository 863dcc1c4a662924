// SPDX-License-Identifier: BSD-2-Clause
#include "header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "error.h"

namespace mdrn {
namespace {

using nlohmann::json;

constexpr size_t kDepthLimit = 3;  // header, tensor, shape

std::string escaped(const std::string &text) {
    return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string shortened(std::string text) {
    constexpr size_t kLongest = 160;
    if (text.size() <= kLongest) return text;
    size_t cut = kLongest;
    while ((static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80)  // inside a UTF-8 sequence
        cut--;
    return text.substr(0, cut) + "...";
}

std::string dumped(const Json &value) {
    const bool object = value.kind == Json::Kind::object;
    if (value.kind == Json::Kind::string) return escaped(value.text);
    if (value.kind == Json::Kind::count) return std::to_string(value.count);
    if (!object && value.kind != Json::Kind::list) return value.text;
    std::string text(1, object ? '{' : '[');
    for (const Json &child : value.children) {
        if (text.size() > 1) text += ',';
        if (object) text += escaped(child.name) + ':';
        text += dumped(child);
    }
    return text + (object ? '}' : ']');
}

// What nlohmann's parser calls, value by value.
class Builder {
public:
    explicit Builder(const std::string &origin) : origin_(origin) {}

    Json root;

    bool null() { return add(Json::Kind::other, "null"); }
    bool boolean(bool value) { return add(Json::Kind::other, value ? "true" : "false"); }
    bool number_integer(int64_t value) { return add(Json::Kind::other, std::to_string(value)); }
    bool number_unsigned(uint64_t value) { return add(Json::Kind::count, "", value); }
    bool number_float(double, const std::string &text) { return add(Json::Kind::other, text); }
    bool string(const std::string &text) { return add(Json::Kind::string, text); }
    bool binary(json::binary_t &) { return false; }  // not in JSON
    bool start_object(size_t) { return open(Json::Kind::object); }
    bool start_array(size_t) { return open(Json::Kind::list); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(const std::string &name) {
        if (!names_[open_.size()].insert(name).second)
            throw Error(MDRN_ERROR_MODEL, origin_ + ": duplicate: expected " + quoted(name) +
                                              " once in the header, found it twice");
        name_ = name;
        return true;
    }

    bool parse_error(size_t, const std::string &, const json::exception &) { return false; }

private:
    bool add(Json::Kind kind, const std::string &text, uint64_t count = 0) {
        const bool named = !open_.empty() && open_.back()->kind == Json::Kind::object;
        Json value{kind, named ? name_ : "", text, count, {}};
        if (open_.empty())
            root = std::move(value);
        else
            open_.back()->children.push_back(std::move(value));
        return true;
    }

    bool open(Json::Kind kind) {
        if (open_.size() == kDepthLimit)
            reject_file(origin_, "a header nested at most " + std::to_string(kDepthLimit) + " deep",
                        "more");
        add(kind, "");
        open_.push_back(open_.empty() ? &root : &open_.back()->children.back());
        names_[open_.size()].clear();
        return true;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    const std::string &origin_;
    std::string name_;
    std::vector<Json *> open_;  // what the next value lies in, outermost first
    std::set<std::string> names_[kDepthLimit + 1];
};

}  // namespace

const Json *Json::find(std::string_view wanted) const {
    const auto found = std::ranges::find(children, wanted, &Json::name);
    return found == children.end() ? nullptr : &*found;
}

Json parse_header(std::span<const std::byte> text, const std::string &origin) {
    Builder builder(origin);
    const auto *begin = reinterpret_cast<const char *>(text.data());
    if (!json::sax_parse(begin, begin + text.size(), &builder))
        reject_file(origin, "a JSON header", "text that is not JSON");
    if (builder.root.kind != Json::Kind::object)
        reject_file(origin, "a JSON object as header", shown(builder.root));
    return std::move(builder.root);
}

std::string shown(const Json &value) {
    return shortened(dumped(value));
}

std::string quoted(const std::string &text) {
    return shortened(escaped(text));
}

void reject_file(const std::string &origin, const std::string &expected, const std::string &found) {
    throw Error(MDRN_ERROR_MODEL, origin + ": expected " + expected + ", found " + found);
}

}  // namespace mdrn
