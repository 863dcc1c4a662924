// SPDX-License-Identifier: BSD-2-Clause
#include "fit/fit.h"

#include <unistd.h>

#include <cmath>
#include <stdexcept>

#include "fit/lock.h"
#include "fit/log.h"
#include "fit/signals.h"
#include "fit/start.h"
#include "fit/step.h"
#include "fit/validation.h"
#include "weights/atomic.h"

namespace mdrn::training {
namespace {

constexpr int kMostNotFinite = 20;  // steps in a row

// What the first process keeps on disk and shows; the others have none.
class Record {
public:
    Record(const Recipe &recipe, Screen &screen, int64_t iteration)
        : recipe_(recipe),
          out_(recipe.out),
          log_(out_ / "log.jsonl", iteration),
          progress_(screen, recipe.total_iter(), recipe.print_freq) {
        write_atomically(out_ / "recipe.yml",
                         [&](std::ostream &file) { file << to_yaml(recipe.values); });
    }

    void step(const Stepped &stepped, const Checkpoint &now, int64_t pictures);
    void validated(Validated validated, const Checkpoint &now);
    void report() const;

    Progress &progress() { return progress_; }

private:
    const Recipe &recipe_;
    std::filesystem::path out_;
    Log log_;
    Progress progress_;
    std::vector<Strip> strips_;
};

void Record::step(const Stepped &stepped, const Checkpoint &now, int64_t pictures) {
    int64_t skipped = now.iteration - now.updates;
    if (!progress_.step({now.iteration, stepped.loss, stepped.lr, pictures, skipped})) return;
    log_.add({{"iter", now.iteration},
              {"loss", progress_.mean_loss()},
              {"lr", stepped.lr},
              {"lr_pixels", now.lr_pixels},
              {"pictures_per_s", progress_.pictures_per_second()},
              {"skipped", skipped},
              {"memory", peak_memory()}});
}

void Record::validated(Validated validated, const Checkpoint &now) {
    nlohmann::json psnr;
    for (auto &[scale, mean] : validated.psnr) psnr["x" + std::to_string(scale)] = mean;
    log_.add({{"iter", now.iteration}, {"lr_pixels", now.lr_pixels}, {"psnr", psnr}});
    strips_ = std::move(validated.strips);
}

void Record::report() const {
    write_report(out_ / "report.html",
                 {out_.filename().string(), log_.lines(), recipe_.values, strips_});
}

std::string decibels(double psnr) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.3f dB", psnr);
    return text;
}

class Run {
public:
    Run(const Recipe &recipe, std::ostream &screen);
    void go();

private:
    void introduce();
    void start();
    void resume();
    void step();
    bool validate_now();
    void save();
    void write_weights(int scale, const std::string &ending, const std::string &kind);
    bool every(int64_t steps) const { return now_.iteration % steps == 0 || finished(); }
    bool finished() const { return stop_ || now_.iteration >= recipe_.total_iter(); }

    const Recipe &recipe_;
    Screen screen_;
    const Say say_ = [this](const std::string &text) { screen_.line(text); };
    torch::Device device_;
    Group group_;
    Loader loader_;
    Network network_;
    Listing val_pictures_;
    std::unique_ptr<State> state_;
    std::unique_ptr<Gradient> gradient_;
    std::unique_ptr<Lock> lock_;
    std::unique_ptr<Checkpoints> checkpoints_;
    std::unique_ptr<Record> record_;
    Checkpoint now_;  // without tensors
    int not_finite_ = 0;
    bool stop_ = false;
};

Run::Run(const Recipe &recipe, std::ostream &screen)
    : recipe_(recipe),
      screen_(screen, &screen == &std::cerr && isatty(STDERR_FILENO)),
      device_(choose_device(recipe)),
      group_(device_.is_cuda()),
      loader_(data_options(recipe, group_, say_)),
      network_(architecture(recipe.network, recipe.scales[0]), recipe.scales) {}

void Run::introduce() {
    for (auto &key : recipe_.ignored) say_("not needed here, and ignored: " + key);
    std::string scales;
    for (int scale : recipe_.scales) scales += " x" + std::to_string(scale);
    say_(recipe_.network + scales + ", " + std::to_string(state_->parameters.numel()) +
         " parameters; " + std::to_string(loader_.size()) + " pictures, " +
         std::to_string(val_pictures_.items.size()) + " to validate; " + device_.str() + ", " +
         std::to_string(group_.size()) + " x " + std::to_string(at::get_num_threads()) +
         " threads");
}

// The first process alone reads and draws; the others get what it has.
void Run::start() {
    if (group_.first()) {
        lock_ = std::make_unique<Lock>(recipe_.out);
        first_weights(network_, recipe_, loader_);
    }
    network_.to(device_);
    state_ = std::make_unique<State>(network_);
    gradient_ = std::make_unique<Gradient>(recipe_, network_, *state_);
    if (group_.first()) resume();
    state_->share(group_);
    torch::Tensor numbers = torch::tensor({now_.iteration, state_->updates}).to(device_);
    group_.broadcast(numbers);
    now_.iteration = numbers[0].item<int64_t>();
    now_.updates = state_->updates = numbers[1].item<int64_t>();
}

void Run::resume() {
    val_pictures_ = validation_pictures(recipe_, say_);
    introduce();
    checkpoints_ = std::make_unique<Checkpoints>(std::filesystem::path(recipe_.out) / "checkpoints",
                                                 recipe_.keep_checkpoints);
    if (auto found = checkpoint_to_resume(recipe_, *checkpoints_, say_)) {
        state_->load(found->tensors);
        state_->updates = found->updates;
        now_ = *found;
        now_.tensors.clear();
        say_("goes on after " + std::to_string(now_.iteration) + " steps");
    }
    now_.recipe = recipe_.values;
    record_ = std::make_unique<Record>(recipe_, screen_, now_.iteration);
}

void Run::step() {
    Batch batch = loader_.take(now_.iteration);
    Stepped stepped =
        take_step(recipe_, *gradient_, *state_, group_, batch, now_.iteration, Signals::stop());
    now_.iteration++;
    now_.updates = state_->updates;
    int64_t pictures = int64_t(batch.count) * group_.size();
    now_.lr_pixels += pictures * batch.lq_size * batch.lq_size;
    stop_ = stepped.stop;
    not_finite_ = stepped.taken ? 0 : not_finite_ + 1;
    if (not_finite_ == kMostNotFinite)
        throw std::runtime_error(
            "loss or gradient was not finite in " + std::to_string(kMostNotFinite) +
            " steps in a row, the last of them step " + std::to_string(now_.iteration) +
            "; the last good checkpoint is in " + recipe_.out +
            "/checkpoints. A lower train.optim_g.lr or train.grad_clip=1 may help");
    if (record_) record_->step(stepped, now_, pictures);
}

// True where the average is the best so far.
bool Run::validate_now() {
    if (!record_ || val_pictures_.items.empty()) return false;
    record_->progress().pause();
    Validated validated;
    {
        WithEma ema(*state_);
        validated = validate(network_, recipe_, val_pictures_);
    }
    std::string text = "validation";
    for (auto &[scale, psnr] : validated.psnr)
        text += "  x" + std::to_string(scale) + " " + decibels(psnr);
    bool best = validated.mean() > now_.best_psnr;
    say_(text + (best ? ", the best so far" : ""));
    if (best) {
        now_.best_psnr = validated.mean();
        now_.best_iteration = now_.iteration;
    }
    record_->validated(std::move(validated), now_);
    record_->report();
    record_->progress().go_on();
    return best;
}

void Run::save() {
    if (!record_) return;
    now_.tensors = state_->save();
    checkpoints_->write(now_);
    now_.tensors.clear();
    for (int scale : recipe_.scales) {
        write_weights(scale, "_raw", "raw");
        WithEma ema(*state_);
        write_weights(scale, "", "ema");
        if (now_.best_iteration == now_.iteration && now_.best_psnr >= 0)
            write_weights(scale, "_best", "ema");
    }
}

void Run::write_weights(int scale, const std::string &ending, const std::string &kind) {
    Weights weights = network_.weights(scale);
    weights.metadata = {{"architecture", recipe_.network},
                        {"features", std::to_string(network_.architecture().features)},
                        {"scale", std::to_string(scale)},
                        {"iteration", std::to_string(now_.iteration)},
                        {"kind", kind}};
    std::string name = recipe_.network + "_x" + std::to_string(scale) + ending + ".safetensors";
    write_safetensors(std::filesystem::path(recipe_.out) / name, weights);
}

void Run::go() {
    Signals signals;
    start();
    if (finished()) {
        if (record_) say_("all " + std::to_string(recipe_.total_iter()) + " steps are done");
        return;
    }
    while (!finished()) {
        step();
        bool best = !stop_ && every(recipe_.val_freq) && validate_now();
        if (best || every(recipe_.save_checkpoint_freq)) save();
    }
    if (record_) record_->report();
    if (stop_)
        say_("stopped after " + std::to_string(now_.iteration) +
             " steps; the same command goes on");
}

}  // namespace

void fit(const Recipe &recipe, std::ostream &screen) {
    Run(recipe, screen).go();
}

}  // namespace mdrn::training
