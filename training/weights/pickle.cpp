// SPDX-License-Identifier: BSD-2-Clause
// Opcodes: Lib/pickletools.py of CPython describes each.
#include "weights/pickle.h"

#include <map>
#include <set>
#include <unordered_map>

#include "header.h"

namespace mdrn::training {
namespace {

using Kind = Pickle::Kind;
using Index = Pickle::Index;

constexpr size_t kMostValues = 1 << 20;  // a published checkpoint has 20,000

const std::string kOrderedDict = "collections OrderedDict";
const std::string kRebuildTensor = "torch._utils _rebuild_tensor_v2";
const std::set<std::string> kGlobals = {
    kOrderedDict,        kRebuildTensor,          "torch FloatStorage",
    "torch HalfStorage", "torch BFloat16Storage", "torch DoubleStorage"};

class Machine {
public:
    Machine(std::span<const std::byte> bytes, const std::string &origin)
        : bytes_(bytes), origin_(origin) {}

    Pickle run();

private:
    struct Opcode {
        const char *name;
        void (*apply)(Machine &);
    };
    static const std::map<char, Opcode> kOpcodes;

    [[noreturn]] void reject(const std::string &expected, const std::string &found) const {
        reject_file(origin_, expected, found + " before byte " + std::to_string(at_));
    }
    [[noreturn]] void reject_operand() const {
        reject(std::string("what ") + opcode_ + " works on", "something else");
    }

    uint64_t take(size_t size) {  // little-endian
        uint64_t value = 0;
        const std::string_view text = take_text(size);
        for (size_t i = 0; i < size; ++i)
            value |= static_cast<uint64_t>(static_cast<uint8_t>(text[i])) << 8 * i;
        return value;
    }
    std::string_view take_text(size_t size) {
        if (size > bytes_.size() - at_) reject("more bytes", "the end of the pickle (truncated)");
        const char *begin = reinterpret_cast<const char *>(bytes_.data()) + at_;
        at_ += size;
        return {begin, size};
    }
    std::string take_line() {
        std::string line;
        for (char c; (c = static_cast<char>(take(1))) != '\n';) line += c;
        return line;
    }
    int64_t take_long() {  // two's complement of as many bytes as the first one says
        const size_t size = take(1);
        if (size > 8) reject("an integer of at most 8 bytes", std::to_string(size));
        const size_t unused = 8 * (8 - size);
        return size ? static_cast<int64_t>(take(size) << unused) >> unused : 0;
    }

    void push(Pickle::Value value) {
        if (pickle_.values.size() == kMostValues)
            reject("at most " + std::to_string(kMostValues) + " values", "more");
        stack_.push_back(static_cast<Index>(pickle_.values.size()));
        pickle_.values.push_back(std::move(value));
    }
    void push(Kind kind) { push({kind, 0, {}, {}}); }
    void push_text(std::string_view text) { push({Kind::text, 0, std::string(text), {}}); }
    void push_integer(int64_t value) { push({Kind::integer, value, {}, {}}); }
    void push_sequence(std::vector<Index> items) {
        push({Kind::sequence, 0, {}, std::move(items)});
    }

    // Nothing below the last mark is an operand of the opcodes that end without one.
    Index pop() {
        if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) reject_operand();
        const Index top = stack_.back();
        stack_.pop_back();
        return top;
    }
    std::vector<Index> pop(size_t count) {
        std::vector<Index> items(count);
        for (size_t i = count; i-- > 0;) items[i] = pop();
        return items;
    }
    std::vector<Index> pop_to_mark() {
        if (marks_.empty()) reject_operand();
        std::vector<Index> items = pop(stack_.size() - marks_.back());
        marks_.pop_back();
        return items;
    }
    Pickle::Value &top(Kind kind) {
        const Index index = pop();
        stack_.push_back(index);
        if (pickle_.values[index].kind != kind) reject_operand();
        return pickle_.values[index];
    }

    void add_items(Kind kind, const std::vector<Index> &items) {
        std::vector<Index> &all = top(kind).items;
        if (kind == Kind::dict && items.size() % 2) reject_operand();
        all.insert(all.end(), items.begin(), items.end());
    }
    void put(uint64_t key) {
        const Index index = pop();
        stack_.push_back(index);
        memo_[key] = index;
    }
    void get(uint64_t key) {
        const auto found = memo_.find(key);
        if (found == memo_.end()) reject_operand();
        stack_.push_back(found->second);
    }

    void check_protocol() {
        if (const uint64_t protocol = take(1); protocol != 2)
            reject("pickle protocol 2", std::to_string(protocol));
    }
    void push_global() {
        const std::string module = take_line(), name = module + " " + take_line();
        if (!kGlobals.contains(name))
            reject("a state dict of tensors of floating-point numbers, as torch.save(" +
                       std::string("model.state_dict(), ...) writes it"),
                   quoted(name) + ", which is not run");
        push({Kind::global, 0, name, {}});
    }
    void push_storage() {
        top(Kind::sequence);
        push({Kind::storage, 0, {}, pop(1)});
    }
    void reduce() {
        const bool no_arguments = top(Kind::sequence).items.empty();
        std::vector<Index> arguments = pop(1);
        const std::string function = top(Kind::global).text;
        pop();
        if (function == kOrderedDict && no_arguments)
            push(Kind::dict);
        else if (function == kRebuildTensor)
            push({Kind::tensor, 0, {}, std::move(arguments)});
        else
            reject_operand();
    }
    void build() {  // only of an OrderedDict: its _metadata are the modules' versions
        pop();
        top(Kind::dict);
    }

    std::span<const std::byte> bytes_;
    const std::string &origin_;
    size_t at_ = 0;
    const char *opcode_ = "";  // that is being run
    Pickle pickle_;
    std::vector<Index> stack_;
    std::vector<size_t> marks_;  // sizes of the stack
    std::unordered_map<uint64_t, Index> memo_;
};

const std::map<char, Machine::Opcode> Machine::kOpcodes = {
    {'\x80', {"PROTO", [](Machine &m) { m.check_protocol(); }}},
    {'(', {"MARK", [](Machine &m) { m.marks_.push_back(m.stack_.size()); }}},
    {'N', {"NONE", [](Machine &m) { m.push(Kind::other); }}},
    {'\x88', {"NEWTRUE", [](Machine &m) { m.push(Kind::other); }}},
    {'\x89', {"NEWFALSE", [](Machine &m) { m.push(Kind::other); }}},
    {'G', {"BINFLOAT", [](Machine &m) { m.take(8), m.push(Kind::other); }}},
    {'J', {"BININT", [](Machine &m) { m.push_integer(static_cast<int32_t>(m.take(4))); }}},
    {'K', {"BININT1", [](Machine &m) { m.push_integer(static_cast<int64_t>(m.take(1))); }}},
    {'M', {"BININT2", [](Machine &m) { m.push_integer(static_cast<int64_t>(m.take(2))); }}},
    {'\x8a', {"LONG1", [](Machine &m) { m.push_integer(m.take_long()); }}},
    {'X', {"BINUNICODE", [](Machine &m) { m.push_text(m.take_text(m.take(4))); }}},
    {')', {"EMPTY_TUPLE", [](Machine &m) { m.push_sequence({}); }}},
    {'\x85', {"TUPLE1", [](Machine &m) { m.push_sequence(m.pop(1)); }}},
    {'\x86', {"TUPLE2", [](Machine &m) { m.push_sequence(m.pop(2)); }}},
    {'\x87', {"TUPLE3", [](Machine &m) { m.push_sequence(m.pop(3)); }}},
    {'t', {"TUPLE", [](Machine &m) { m.push_sequence(m.pop_to_mark()); }}},
    {']', {"EMPTY_LIST", [](Machine &m) { m.push_sequence({}); }}},
    {'a', {"APPEND", [](Machine &m) { m.add_items(Kind::sequence, m.pop(1)); }}},
    {'e', {"APPENDS", [](Machine &m) { m.add_items(Kind::sequence, m.pop_to_mark()); }}},
    {'}', {"EMPTY_DICT", [](Machine &m) { m.push(Kind::dict); }}},
    {'s', {"SETITEM", [](Machine &m) { m.add_items(Kind::dict, m.pop(2)); }}},
    {'u', {"SETITEMS", [](Machine &m) { m.add_items(Kind::dict, m.pop_to_mark()); }}},
    {'q', {"BINPUT", [](Machine &m) { m.put(m.take(1)); }}},
    {'r', {"LONG_BINPUT", [](Machine &m) { m.put(m.take(4)); }}},
    {'h', {"BINGET", [](Machine &m) { m.get(m.take(1)); }}},
    {'j', {"LONG_BINGET", [](Machine &m) { m.get(m.take(4)); }}},
    {'c', {"GLOBAL", [](Machine &m) { m.push_global(); }}},
    {'Q', {"BINPERSID", [](Machine &m) { m.push_storage(); }}},
    {'R', {"REDUCE", [](Machine &m) { m.reduce(); }}},
    {'b', {"BUILD", [](Machine &m) { m.build(); }}}};

Pickle Machine::run() {
    constexpr char kStop = '.';
    for (char code; (code = static_cast<char>(take(1))) != kStop;) {
        const auto opcode = kOpcodes.find(code);
        if (opcode == kOpcodes.end())
            reject("an opcode that a state dict needs", std::to_string(static_cast<uint8_t>(code)));
        opcode_ = opcode->second.name;
        opcode->second.apply(*this);
    }
    opcode_ = "STOP";
    pickle_.root = pop();
    return std::move(pickle_);
}

}  // namespace

const Pickle::Value *Pickle::find(const Value &dict, std::string_view key) const {
    if (dict.kind != Kind::dict) return nullptr;
    for (size_t i = 0; i < dict.items.size(); i += 2)
        if (const Value &name = values[dict.items[i]]; name.kind == Kind::text && name.text == key)
            return &values[dict.items[i + 1]];
    return nullptr;
}

Pickle parse_pickle(std::span<const std::byte> bytes, const std::string &origin) {
    return Machine(bytes, origin).run();
}

}  // namespace mdrn::training
