// SPDX-License-Identifier: BSD-2-Clause
#include "fit/recipe_keys.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace mdrn::training {
namespace {

constexpr double kMost = 1e15;  // every whole number up to here is a double

[[noreturn]] void refuse(const std::string &wanted) {
    throw std::runtime_error(wanted);
}

const std::string &word(const Value &value) {
    if (value.list || value.texts.size() != 1) refuse("one value, not a list");
    return value.texts.front();
}

std::string shortest(double number) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof(text), number).ptr};
}

double number(const std::string &text, double least, double most) {
    double result = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
    if (error != std::errc() || end != text.data() + text.size()) refuse("a number");
    if (!(result >= least && result <= most))
        refuse(most >= kMost && !(result > most)
                   ? "a number of at least " + shortest(least)
                   : "a number from " + shortest(least) + " to " + shortest(most));
    return result;
}

// "5e3" is a whole number too, as in BasicSR's recipes.
int64_t whole(const std::string &text, double least, double most) {
    double result = number(text, least, most);
    if (result != std::floor(result)) refuse("a whole number");
    return int64_t(result);
}

template <typename T>
T choice(const Value &value, const std::vector<std::pair<std::string, T>> &choices) {
    std::string list;
    for (auto &[name, result] : choices) {
        if (word(value) == name) return result;
        list += (list.empty() ? "" : ", ") + name;
    }
    refuse("one of " + list);
}

bool boolean(const Value &value) {
    return choice<bool>(value, {{"true", true}, {"false", false}, {"yes", true}, {"no", false}});
}

using Set = std::function<void(Recipe &, size_t, const Value &)>;

template <typename T>
Set whole_in(T Recipe::*member, double least, double most = kMost) {
    return [=](Recipe &recipe, size_t, const Value &value) {
        recipe.*member = T(whole(word(value), least, most));
    };
}

Set number_in(double Recipe::*member, double least, double most = kMost) {
    return [=](Recipe &recipe, size_t, const Value &value) {
        recipe.*member = number(word(value), least, most);
    };
}

Set boolean_in(bool Recipe::*member) {
    return [=](Recipe &recipe, size_t, const Value &value) { recipe.*member = boolean(value); };
}

Set text_in(std::string Recipe::*member) {
    return [=](Recipe &recipe, size_t, const Value &value) { recipe.*member = word(value); };
}

Set word_in(std::string Recipe::*member, std::vector<std::string> words) {
    std::vector<std::pair<std::string, std::string>> choices;
    for (auto &each : words) choices.emplace_back(each, each);
    return [=](Recipe &recipe, size_t, const Value &value) {
        recipe.*member = choice(value, choices);
    };
}

Set texts_in(std::vector<std::string> Recipe::*member) {
    return [=](Recipe &recipe, size_t, const Value &value) { recipe.*member = value.texts; };
}

void set_network(Recipe &recipe, size_t, const Value &value) {
    recipe.network = word(value);
    for (char &letter : recipe.network) letter = char(std::tolower((unsigned char)letter));
}

void set_scales(Recipe &recipe, size_t, const Value &value) {
    recipe.scales.clear();
    for (auto &text : value.texts) {
        int scale = int(whole(text, 2, 4));
        if (std::count(recipe.scales.begin(), recipe.scales.end(), scale))
            refuse("each scale once");
        recipe.scales.push_back(scale);
    }
    if (recipe.scales.empty()) refuse("at least one scale");
}

void set_betas(Recipe &recipe, size_t, const Value &value) {
    if (value.texts.size() != 2) refuse("two numbers");
    recipe.beta1 = number(value.texts[0], 0, 0.999999);
    recipe.beta2 = number(value.texts[1], 0, 0.999999);
}

void set_milestones(Recipe &recipe, size_t phase, const Value &value) {
    auto &milestones = recipe.phases[phase].schedule.milestones;
    milestones.clear();
    for (auto &text : value.texts) milestones.push_back(whole(text, 1, kMost));
    if (!std::is_sorted(milestones.begin(), milestones.end())) refuse("ascending numbers");
}

// The keys of a phase, under "train." for the first one, "train.phases.N." for those after it.
void add_phase_keys(std::vector<Key> &keys, const std::string &under) {
    auto schedule = [](auto Schedule::*member, double least, double most = kMost) -> Set {
        return [=](Recipe &recipe, size_t phase, const Value &value) {
            auto &field = recipe.phases[phase].schedule.*member;
            if constexpr (std::is_same_v<decltype(field), double &>)
                field = number(word(value), least, most);
            else
                field = whole(word(value), least, most);
        };
    };
    auto loss = [](double Loss::*member, double least) -> Set {
        return [=](Recipe &recipe, size_t phase, const Value &value) {
            recipe.phases[phase].loss.*member = number(word(value), least, kMost);
        };
    };
    keys.push_back({under + "total_iter", schedule(&Schedule::total, 1)});
    keys.push_back({under + "warmup_iter", [](Recipe &recipe, size_t phase, const Value &value) {
                        recipe.phases[phase].schedule.warmup =
                            std::max<int64_t>(0, whole(word(value), -1, kMost));
                    }});
    keys.push_back({under + "optim_g.lr", schedule(&Schedule::lr, 0)});
    keys.push_back({under + "scheduler.type", [](Recipe &recipe, size_t phase, const Value &value) {
                        recipe.phases[phase].schedule.type = choice<Schedule::Type>(
                            value, {{"MultiStepLR", Schedule::Type::step},
                                    {"CosineAnnealingLR", Schedule::Type::cosine},
                                    {"ConstantLinearLR", Schedule::Type::linear}});
                    }});
    keys.push_back({under + "scheduler.milestones", set_milestones});
    keys.push_back({under + "scheduler.gamma", schedule(&Schedule::gamma, 0, 1)});
    keys.push_back({under + "scheduler.eta_min", schedule(&Schedule::eta_min, 0)});
    keys.push_back({under + "scheduler.decay_iter", schedule(&Schedule::decay, 0)});
    keys.push_back({under + "pixel_opt.type", [](Recipe &recipe, size_t phase, const Value &value) {
                        recipe.phases[phase].loss.type = choice<Loss::Type>(
                            value, {{"L1Loss", Loss::Type::l1},
                                    {"MSELoss", Loss::Type::mse},
                                    {"CharbonnierLoss", Loss::Type::charbonnier}});
                    }});
    keys.push_back({under + "pixel_opt.loss_weight", loss(&Loss::weight, 0)});
    keys.push_back({under + "pixel_opt.eps", loss(&Loss::eps, 1e-30)});
    keys.push_back({under + "pixel_opt.reduction", [](Recipe &, size_t, const Value &value) {
                        choice<int>(value, {{"mean", 0}});
                    }});
}

std::vector<Key> make_keys() {
    constexpr double kInt = std::numeric_limits<int>::max();
    std::vector<Key> keys = {
        {"datasets.train.dataroot_gt", texts_in(&Recipe::dataroot_gt)},
        {"datasets.train.dataroot_lq", texts_in(&Recipe::dataroot_lq)},
        {"datasets.train.gt_size", whole_in(&Recipe::gt_size, 30, 4096)},
        {"datasets.train.batch_size_per_gpu", whole_in(&Recipe::batch_size_per_gpu, 1, 65536)},
        {"datasets.train.num_worker_per_gpu", whole_in(&Recipe::num_worker_per_gpu, 0, 1024)},
        {"datasets.train.use_hflip", boolean_in(&Recipe::use_hflip)},
        {"datasets.train.use_rot", boolean_in(&Recipe::use_rot)},
        {"datasets.train.gradient_crops", boolean_in(&Recipe::gradient_crops)},
        {"datasets.train.strict", boolean_in(&Recipe::strict)},
        {"datasets.val.dataroot_gt", texts_in(&Recipe::val_dataroot_gt)},
        {"datasets.val.dataroot_lq", texts_in(&Recipe::val_dataroot_lq)},
        {"network_g.type", set_network},
        {"network_g.init", word_in(&Recipe::init, {"pytorch", "interpolator"})},
        {"scale", set_scales},
        {"scales", set_scales},
        {"manual_seed", whole_in(&Recipe::seed, 0)},
        {"seed", whole_in(&Recipe::seed, 0)},
        {"out", text_in(&Recipe::out)},
        {"device", word_in(&Recipe::device, {"auto", "cpu", "cuda"})},
        {"threads", whole_in(&Recipe::threads, 0, 4096)},
        {"precision", word_in(&Recipe::precision, {"fp32", "bf16"})},
        {"path.pretrain_network_g", texts_in(&Recipe::pretrain_network)},
        {"path.resume_state", text_in(&Recipe::resume_state)},
        {"train.optim_g.type",
         [](Recipe &, size_t, const Value &value) {
             choice<int>(value, {{"Adam", 0}});
         }},
        {"train.optim_g.betas", set_betas},
        {"train.optim_g.weight_decay", number_in(&Recipe::weight_decay, 0, 1)},
        {"train.grad_clip", number_in(&Recipe::grad_clip, 0)},
        {"train.ema_decay", number_in(&Recipe::ema_decay, 0, 0.999999)},
        {"val.val_freq", whole_in(&Recipe::val_freq, 1)},
        {"logger.print_freq", whole_in(&Recipe::print_freq, 1)},
        {"logger.save_checkpoint_freq", whole_in(&Recipe::save_checkpoint_freq, 1)},
        {"logger.keep_checkpoints", whole_in(&Recipe::keep_checkpoints, 1, kInt)},
    };
    add_phase_keys(keys, "train.");
    add_phase_keys(keys, "train.phases.N.");
    return keys;
}

}  // namespace

const std::vector<Key> &recipe_keys() {
    static const std::vector<Key> keys = make_keys();
    return keys;
}

bool ignored_key(const std::string &name) {
    static const std::vector<std::string> ignored = {
        "name",
        "model_type",
        "num_gpu",
        "datasets.train.name",
        "datasets.train.type",
        "datasets.train.io_backend",
        "datasets.train.filename_tmpl",
        "datasets.train.use_shuffle",
        "datasets.train.dataset_enlarge_ratio",
        "datasets.train.prefetch_mode",
        "datasets.train.num_prefetch_queue",
        "datasets.val.name",
        "datasets.val.type",
        "datasets.val.io_backend",
        "datasets.val.filename_tmpl",
        "path.strict_load_g",
        "val.save_img",
        "val.suffix",
        "val.pbar",
        "val.metrics",
        "logger.use_tb_logger",
        "logger.wandb",
        "dist_params",
    };
    return std::any_of(ignored.begin(), ignored.end(), [&](const std::string &each) {
        return name == each || name.starts_with(each + ".");
    });
}

}  // namespace mdrn::training
