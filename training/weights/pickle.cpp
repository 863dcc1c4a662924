// SPDX-License-Identifier: BSD-2-Clause
// Opcodes: Lib/pickletools.py of CPython describes each.
#include "weights/pickle.h"

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

    Pickle run() {
        while (step(opcode_ = static_cast<char>(take(1)))) {
        }
        pickle_.root = pop();
        return std::move(pickle_);
    }

private:
    // False after the last one.
    bool step(char opcode);

    [[noreturn]] void reject(const std::string &expected, const std::string &found) const {
        reject_file(origin_, expected, found + " before byte " + std::to_string(at_));
    }
    [[noreturn]] void reject_operand() const {
        reject("what opcode " + shown_opcode() + " works on", "something else");
    }

    std::string shown_opcode() const { return std::to_string(static_cast<uint8_t>(opcode_)); }

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
    char opcode_ = 0;
    Pickle pickle_;
    std::vector<Index> stack_;
    std::vector<size_t> marks_;  // sizes of the stack
    std::unordered_map<uint64_t, Index> memo_;
};

bool Machine::step(char opcode) {
    switch (opcode) {
        case '\x80':  // PROTO
            if (const uint64_t protocol = take(1); protocol != 2)
                reject("pickle protocol 2", std::to_string(protocol));
            break;
        case '.':
            return false;  // STOP
        case '(':
            marks_.push_back(stack_.size());
            break;
        case 'N':
        case '\x88':
        case '\x89':
            push(Kind::other);
            break;  // None, True, False
        case 'G':
            take(8);
            push(Kind::other);
            break;  // BINFLOAT
        case 'J':
            push_integer(static_cast<int32_t>(take(4)));
            break;
        case 'K':
            push_integer(static_cast<int64_t>(take(1)));
            break;
        case 'M':
            push_integer(static_cast<int64_t>(take(2)));
            break;
        case '\x8a':
            push_integer(take_long());
            break;
        case 'X':
            push({Kind::text, 0, std::string(take_text(take(4))), {}});
            break;
        case ')':
            push_sequence({});
            break;
        case '\x85':
            push_sequence(pop(1));
            break;
        case '\x86':
            push_sequence(pop(2));
            break;
        case '\x87':
            push_sequence(pop(3));
            break;
        case 't':
            push_sequence(pop_to_mark());
            break;
        case ']':
            push_sequence({});
            break;
        case 'a':
            add_items(Kind::sequence, pop(1));
            break;
        case 'e':
            add_items(Kind::sequence, pop_to_mark());
            break;
        case '}':
            push(Kind::dict);
            break;
        case 's':
            add_items(Kind::dict, pop(2));
            break;
        case 'u':
            add_items(Kind::dict, pop_to_mark());
            break;
        case 'q':
            put(take(1));
            break;
        case 'r':
            put(take(4));
            break;
        case 'h':
            get(take(1));
            break;
        case 'j':
            get(take(4));
            break;
        case 'c':
            push_global();
            break;
        case 'Q':
            push_storage();
            break;  // BINPERSID
        case 'R':
            reduce();
            break;
        case 'b':
            build();
            break;
        default:
            reject("an opcode that a state dict needs", shown_opcode());
    }
    return true;
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
