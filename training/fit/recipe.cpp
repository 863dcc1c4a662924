// SPDX-License-Identifier: BSD-2-Clause
#include "fit/recipe.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <numeric>
#include <sstream>
#include <stdexcept>

#include "fit/recipe_keys.h"

namespace mdrn::training {
namespace {

using Values = std::map<std::string, Value>;

[[noreturn]] void fail(const std::string &where, const std::string &what) {
    throw std::runtime_error(where + ": " + what);
}

size_t edit_distance(const std::string &a, const std::string &b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (size_t i = 0; i < a.size(); i++) {
        size_t diagonal = row[0]++;
        for (size_t j = 0; j < b.size(); j++) {
            size_t changed = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, diagonal + 1, row[j] + 1});
        }
    }
    return row.back();
}

std::string last_part(const std::string &name) {
    return name.substr(name.rfind('.') + 1);
}

std::string nearest(const std::string &name) {
    std::string best;
    auto least = std::pair(std::numeric_limits<size_t>::max(), size_t(0));
    for (auto &key : recipe_keys()) {
        std::pair distance(edit_distance(last_part(name), last_part(key.name)),
                           edit_distance(name, key.name));
        if (distance < least) least = distance, best = key.name;
    }
    return best;
}

bool is_number(const std::string &part) {
    return !part.empty() && part.size() < 4 &&
           part.find_first_not_of("0123456789") == std::string::npos;
}

// The number in "train.phases.<number>.lr", which becomes N; 0 where there is none.
size_t take_index(std::string &name) {
    const std::string start = "train.phases.";
    if (!name.starts_with(start)) return 0;
    size_t end = name.find('.', start.size());
    std::string part = name.substr(start.size(), end - start.size());
    if (end == std::string::npos || !is_number(part)) return 0;
    name.replace(start.size(), part.size(), "N");
    return std::stoul(part);
}

// The full name of the key called `name`, as recipe.h says.
std::string full_name(const std::string &name, const std::string &where) {
    std::string general = name;
    take_index(general);
    auto &keys = recipe_keys();
    auto is = [&](const Key &key) { return key.name == general; };
    if (ignored_key(name) || std::any_of(keys.begin(), keys.end(), is)) return name;
    for (auto &key : keys)
        if (key.name.ends_with("." + name)) return key.name;
    fail(where, "there is no " + name + "; the nearest key is " + nearest(general));
}

std::string place(const std::string &file, const YAML::Mark &mark) {
    return mark.is_null() ? file : file + ", line " + std::to_string(mark.line + 1);
}

void flatten(const YAML::Node &node, const std::string &name, const std::string &file,
             Values &values) {
    auto inside = [&](const std::string &part) { return name.empty() ? part : name + "." + part; };
    std::string where = file == "command line" ? file : place(file, node.Mark());
    if (node.IsMap()) {
        for (auto each : node) {
            if (!each.first.IsScalar()) fail(where, "a key is no word");
            flatten(each.second, inside(each.first.Scalar()), file, values);
        }
    } else if (node.IsSequence() && node.size() && node[0].IsMap()) {
        for (size_t i = 0; i < node.size(); i++)
            flatten(node[i], inside(std::to_string(i)), file, values);
    } else if (node.IsSequence()) {
        Value value{{}, true, where};
        for (auto each : node) {
            if (!each.IsScalar()) fail(where, name + " should be a list of plain values");
            value.texts.push_back(each.Scalar());
        }
        values[full_name(name, where)] = value;
    } else if (node.IsScalar()) {
        values[full_name(name, where)] = {{node.Scalar()}, false, where};
    } else if (!name.empty()) {
        values.erase(full_name(name, where));
    }
}

YAML::Node parse(const std::string &text, const std::string &file) {
    try {
        return YAML::Load(text);
    } catch (const YAML::Exception &error) {
        fail(place(file, error.mark), error.msg);
    }
}

std::string read_file(const std::filesystem::path &file) {
    std::ostringstream text;
    if (!(text << std::ifstream(file).rdbuf()))
        throw std::runtime_error(file.string() +
                                 ": cannot be read, or is empty; a recipe is "
                                 "looked for there");
    return text.str();
}

std::string as_yaml(const Value &value) {
    YAML::Emitter emitter;
    if (value.list)
        emitter << YAML::Flow << value.texts;
    else
        emitter << value.texts.front();
    return emitter.c_str();
}

// Phases get what train: says before what is their own, whatever the order in the file.
void apply(Recipe &recipe, const Values &values, bool later_phases) {
    for (auto &key : recipe_keys()) {
        if ((key.name.find(".N.") != std::string::npos) != later_phases) continue;
        for (auto &[name, value] : values) {
            std::string general = name;
            size_t index = take_index(general);
            if (general != key.name) continue;
            size_t phase = later_phases ? index + 1 : 0;
            if (phase >= recipe.phases.size())
                fail(value.where, name + ": there are only " +
                                      std::to_string(recipe.phases.size() - 1) + " phases");
            try {
                key.set(recipe, phase, value);
            } catch (const std::runtime_error &error) {
                fail(value.where,
                     name + " is " + as_yaml(value) + ", but should be " + error.what());
            }
        }
    }
}

void add_phases(Recipe &recipe, const Values &values) {
    while (
        values.count("train.phases." + std::to_string(recipe.phases.size() - 1) + ".total_iter")) {
        Phase phase = recipe.phases.front();
        phase.schedule.warmup = phase.schedule.decay = 0;
        phase.schedule.milestones.clear();
        recipe.phases.push_back(phase);
    }
}

void check(const Recipe &recipe, const std::string &file) {
    if (recipe.scales.empty()) fail(file, "scale is missing: 2, 3 or 4");
    if (recipe.dataroot_gt.empty())
        fail(file,
             "datasets.train.dataroot_gt is missing: say dataroot_gt=FOLDER for the pictures "
             "to learn from");
    if (recipe.scales.size() > 1 && !(recipe.dataroot_lq.empty() && recipe.val_dataroot_lq.empty()))
        fail(file,
             "dataroot_lq has pictures of one scale; leave it out where several scales are "
             "trained: LR is then what dataroot_gt holds of it, or made of HR");
    if (recipe.out.empty()) fail(file, "out is missing: say out=FOLDER for the run's files");
    if (recipe.gt_size % recipe.scales[0])
        fail(file, "datasets.train.gt_size is " + std::to_string(recipe.gt_size) +
                       ", but should be a multiple of the scale, " +
                       std::to_string(recipe.scales[0]));
    for (auto &phase : recipe.phases) {
        auto &schedule = phase.schedule;
        if (schedule.warmup > schedule.total) fail(file, "warmup_iter is more than total_iter");
        if (schedule.decay > schedule.total) fail(file, "decay_iter is more than total_iter");
    }
}

}  // namespace

int64_t Recipe::total_iter() const {
    int64_t total = 0;
    for (auto &each : phases) total += each.schedule.total;
    return total;
}

std::pair<const Phase *, int64_t> Recipe::phase(int64_t done) const {
    const Phase *phase = phases.data();
    for (; phase != &phases.back() && done >= phase->schedule.total; phase++)
        done -= phase->schedule.total;
    return {phase, done};
}

Recipe read_recipe(const std::filesystem::path &file, const std::vector<std::string> &overrides) {
    Values values;
    YAML::Node root = parse(read_file(file), file.string());
    if (!root.IsMap()) fail(file.string(), "no recipe: it should be keys and values");
    flatten(root, "", file.string(), values);
    for (auto &text : overrides) {
        size_t equals = text.find('=');
        if (equals == std::string::npos || equals == 0)
            fail("command line", text + " should be key=value");
        flatten(parse(text.substr(equals + 1), "command line"), text.substr(0, equals),
                "command line", values);
    }

    Recipe recipe;
    recipe.phases.resize(1);
    apply(recipe, values, false);
    add_phases(recipe, values);
    apply(recipe, values, true);
    for (auto &[name, value] : values) {
        if (ignored_key(name))
            recipe.ignored.push_back(name);
        else
            recipe.values[name] = as_yaml(value);
    }
    check(recipe, file.string());
    return recipe;
}

std::string to_yaml(const std::map<std::string, std::string> &values) {
    std::string text;
    for (auto &[name, value] : values) text += name + ": " + value + "\n";
    return text;
}

}  // namespace mdrn::training
