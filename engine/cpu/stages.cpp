// SPDX-License-Identifier: BSD-2-Clause
#include "cpu/stages.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "cpu/bf16.h"
#include "error.h"
#include "os.h"

namespace mdrn::cpu {

namespace {

// The arena is a whole number of huge pages, which the system then uses where it can.
constexpr size_t kHuge = size_t{2} << 20;

PackedBSConv packed(const BSConv &conv, int outputs, int inputs) {
    return {Packed(conv.pw.weight.data(), nullptr, outputs, inputs, inputs), conv.dw.weight.data(),
            conv.dw.bias.data(), outputs};
}

PackedBlock packed(const Model &model, int index) {
    const Eadb &block = model.blocks[index];
    const int c = model.features;
    const int d = model.distilled();
    const int f = model.dispersion();
    PackedBlock result;
    const auto pointwise = [](const Conv &conv, int outputs, int inputs) {
        return Packed(conv.weight.data(), conv.bias.data(), outputs, inputs, inputs);
    };
    result.distilled = {pointwise(block.c1_d, d, c), pointwise(block.c2_d, d, c),
                        pointwise(block.c3_d, d, c)};
    result.refined = {packed(block.c1_r, c, c), packed(block.c2_r, c, c), packed(block.c3_r, c, c),
                      packed(block.c4, d, c)};
    result.c5 = pointwise(block.c5, c, 4 * d);
    result.conv1 = pointwise(block.esa.conv1, f, c);
    result.conv_f = pointwise(block.esa.conv_f, f, f);
    result.conv4 = pointwise(block.esa.conv4, c, f);
    std::vector<float> stacked;
    for (const BSConv &conv : block.esa.conv2) {
        stacked.insert(stacked.end(), conv.pw.weight.begin(), conv.pw.weight.end());
        result.conv2_taps.insert(result.conv2_taps.end(), conv.dw.weight.begin(),
                                 conv.dw.weight.end());
        result.conv2_bias.insert(result.conv2_bias.end(), conv.dw.bias.begin(), conv.dw.bias.end());
    }
    result.conv2_pw = Packed(stacked.data(), nullptr, 4 * f, f, f);
    for (int i = 0; i < 3; ++i) {
        result.conv_max[i] = packed(block.esa.conv_max[i], f, f);
        result.conv3[i] = packed(block.esa.conv3[i], f, f);
    }
    result.body_0 = pointwise(block.cca.body_0, c, c);
    result.c1 = Packed(model.c1.weight.data(), model.c1.bias.data(), c, c, kBlocks * c, index * c);
    return result;
}

std::string arithmetic(const CpuOptions &options) {
    const auto names = options.bf16 ? bf16_units() : targets();
    const std::string &name = options.target.empty() ? names.front() : options.target;
    return "(" + name + "), " + (options.bf16 ? "bf16" : "fp32");
}

// The widest strip whose rings stay in a core's second-level cache.
int strip_for_cache(const Model &model) {
    Carver carver;
    constexpr int kProbe = 160;
    DistillScratch scratch(carver, model, kProbe);
    const double bytes_per_column = 4.0 * static_cast<double>(carver.used()) / kProbe;
    const int columns =
        static_cast<int>(0.85 * static_cast<double>(second_level_cache()) / bytes_per_column);
    return std::clamp(columns / kQuantum * kQuantum, 3 * kQuantum, 1024);
}

}  // namespace

CpuStages::CpuStages(const Model &model, const CpuOptions &options, WarnOnce warn)
    : HostStages(std::move(warn)),
      model_(model),
      kernels_(options.bf16 ? kernels_in_bf16(options.target) : kernels(options.target)),
      exact_(options.bf16 ? kernels("") : kernels_),
      arithmetic_(arithmetic(options)),
      strip_(options.strip ? (options.strip + kQuantum - 1) / kQuantum * kQuantum
                           : strip_for_cache(model)),
      threads_(options.threads),
      watches_(threads_.count()),
      arena_(nullptr, [](float *memory) { free_aligned(memory); }) {
    const int c = model.features;
    for (int block = 0; block < kBlocks; ++block) blocks_[block] = packed(model, block);
    c2_ = packed(model.c2, c, c);
    fea_conv_ = Packed(model.fea_conv.weight.data(), model.fea_conv.bias.data(), c, 27, 27);
    const int shuffled = 3 * model.scale * model.scale;
    std::vector<float> bias = model.upsampler.bias;
    for (int o = 0; o < shuffled; ++o) bias[o] += kMean[o / (model.scale * model.scale)];
    upsampler_ = Packed(model.upsampler.weight.data(), bias.data(), shuffled, 9 * c, 9 * c);
}

DistillScratch::DistillScratch(Carver &carver, const Model &model, int columns) {
    const int c = model.features;
    const int distilled = model.distilled();
    for (int k = 0; k < 4; ++k) pw[k] = Ring(carver, 3, k < 3 ? c : distilled, columns);
    for (int k = 0; k < 3; ++k) r[k] = Ring(carver, 2, c, columns);
    // A row of d_k waits for the rows of d_4 around it.
    for (int k = 0; k < 4; ++k) d[k] = Ring(carver, k < 3 ? 5 - k : 1, distilled, columns);
}

Memory::Memory(Carver &carver, const Model &model, Size size, Plan plan, int threads, int strip)
    : keeps(plan == Plan::fast) {
    const int c = model.features;
    const int f = model.dispersion();
    const int s = model.scale;
    const Size half{(size.width + 1) / 2, (size.height + 1) / 2};
    rgb = RowSet(carver, 1, 3 * size.height, size.width);
    sum = RowSet(carver, size.height, c, size.width);
    zero = RowSet(carver, 1, c, size.width);
    row_mean = carver.take_doubles(static_cast<size_t>(size.height) * c);
    row_m2 = carver.take_doubles(static_cast<size_t>(size.height) * c);

    // The blocks are done when hr is written, and MDSA with t when ECCA begins with y.
    Carver for_hr = carver;
    for (RowSet &map : maps) map = RowSet(carver, size.height, c, size.width);
    if (keeps) conv1 = RowSet(carver, size.height, f, size.width);
    Carver for_y = carver;
    t = RowSet(carver, half.height, 4 * f, half.width);
    if (keeps) y = Ring(for_y, size.height, c, size.width);
    hr = RowSet(for_hr, 1, 3 * s * size.height, s * size.width);
    carver.join(for_y);
    carver.join(for_hr);

    const auto pooled = [](int n, int window, int padding) {
        return (n + 2 * padding - window) / 3 + 1;
    };
    constexpr int kWindow[3] = {3, 5, 7};
    constexpr int kPadding[3] = {1, 0, 1};
    for (int i = 0; i < 3; ++i)
        branches[i] = Branch(carver, f,
                             {pooled(half.width, kWindow[i], kPadding[i]),
                              pooled(half.height, kWindow[i], kPadding[i])});

    Carver distill, mdsa, gate, tail;
    DistillScratch(distill, model, strip + 8);
    MdsaScratch(mdsa, model, size);
    GateScratch(gate, model, size);
    EccaScratch(gate, model, size);  // at the same time
    TailScratch(tail, model, size);
    const size_t most = std::max({distill.used(), mdsa.used(), gate.used(), tail.used()});
    for (int thread = 0; thread < threads; ++thread) scratch.push_back(carver.take(most));
}

Memory CpuStages::carve(Carver &carver, Size size, Plan plan) const {
    return {carver, model_, size, plan, threads_.count(), std::min(strip_, size.width)};
}

uint64_t CpuStages::memory_needed(Size size, Plan plan) const {
    Carver carver;
    carve(carver, size, plan);
    return (uint64_t{carver.used()} * sizeof(float) + kHuge - 1) / kHuge * kHuge;
}

std::string CpuStages::description() const {
    return "CPU " + arithmetic_ + ", " + std::to_string(threads_.count()) +
           (threads_.count() == 1 ? " thread" : " threads");
}

void CpuStages::prepare(Size size, Plan plan) {
    memory_.reset();
    arena_.reset();
    const size_t bytes = memory_needed(size, plan);
    arena_.reset(static_cast<float *>(allocate_aligned(kHuge, bytes)));
    if (!arena_)
        throw Error(MDRN_ERROR_OUT_OF_MEMORY,
                    "the system refused " + std::to_string(bytes >> 20) +
                        " MiB of memory: set memory to less, or scale the input down");
    use_huge_pages(arena_.get(), bytes);
    // Touched by the threads that will compute, so that pages lie near them.
    const int pieces = static_cast<int>(bytes / kHuge);
    threads_.run(pieces, [&](int piece, int) {
        std::memset(reinterpret_cast<char *>(arena_.get()) + piece * kHuge, 0, kHuge);
    });
    Carver carver(arena_.get());
    memory_ = std::make_unique<Memory>(carve(carver, size, plan));
    size_ = size;
}

// Rows are taken on while they are in the cache: c while distill makes fused, ECCA's y while MDSA
// gates it, gather's sum while ECCA makes x.
void CpuStages::block(int block) {
    distill_map(block, memory_->keeps);
    watch.lap(watches_);
    disperse(block);
    const auto columns = positions();
    watch.lap(MDRN_STAGE_MDSA);
    for_bands(size_.height, 1, [&](int first, int end, int thread) {
        Carver carver(memory_->scratch[thread]);
        GateScratch scratch(carver, model_, size_);
        const Ring y = rows_of_y(carver);
        Stopwatch &own = watches_[thread];
        own.start();
        for (int row = first; row < end; ++row) {
            gate_row(block, row, columns, scratch);
            own.lap(MDRN_STAGE_MDSA);
            y_row(block, row, y);
            measure(row, y);
            own.lap(MDRN_STAGE_ECCA);
        }
    });
    watch.lap(watches_);
    weigh(block, true);
    watch.lap(watches_);
}

void CpuStages::gather(int block) {
    for_bands(size_.height, 1, [&](int first, int end, int) {
        for (int y = first; y < end; ++y) gather_row(block, y);
    });
}

void CpuStages::gather_row(int block, int y) {
    const RowSet &x = map(Map::x);
    const float *in[kMostFeatures];
    channel_pointers(x.row(y), x.pitch, x.channels, in);
    kernels_.pointwise(blocks_[block].c1, in, memory_->sum.row(y), memory_->sum.pitch, size_.width,
                       block == 0 ? Start::bias : Start::out,
                       block == kBlocks - 1 ? Epilogue::gelu : Epilogue::none);
}

Planes CpuStages::rgb() {
    const RowSet &set = memory_->rgb;
    return {set.row(0), size_, set.pitch, set.pitch * size_.height};
}

Planes CpuStages::hr() {
    const RowSet &set = memory_->hr;
    const Size large{size_.width * model_.scale, size_.height * model_.scale};
    return {set.row(0), large, set.pitch, set.pitch * large.height};
}

void CpuStages::read(Map which, float *chw) {
    const RowSet &set = map(which);
    for (int c = 0; c < model_.features; ++c)
        for (int y = 0; y < size_.height; ++y, chw += size_.width)
            std::copy_n(set.row(y) + c * set.pitch, size_.width, chw);
}

void CpuStages::write(Map which, const float *chw) {
    const RowSet &set = map(which);
    for (int c = 0; c < model_.features; ++c)
        for (int y = 0; y < size_.height; ++y, chw += size_.width)
            std::copy_n(chw, size_.width, set.row(y) + c * set.pitch);
}

}  // namespace mdrn::cpu

namespace mdrn {

std::vector<std::string> cpu_targets() {
    return cpu::targets();
}

std::vector<std::string> cpu_bf16_units() {
    return cpu::bf16_units();
}

std::unique_ptr<HostStages> make_cpu_stages(const Model &model, const CpuOptions &options,
                                            WarnOnce warn) {
    return std::make_unique<cpu::CpuStages>(model, options, std::move(warn));
}

}  // namespace mdrn
