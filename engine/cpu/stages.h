// SPDX-License-Identifier: BSD-2-Clause
// The stages on the CPU: rows streamed through vector kernels, shared out among threads.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "backends.h"
#include "cpu/kernels.h"
#include "cpu/memory.h"
#include "cpu/threads.h"

namespace mdrn::cpu {

// A BSConv made ready for the kernels; the pointers are the model's.
struct PackedBSConv {
    Packed pw;
    const float *taps = nullptr;
    const float *bias = nullptr;
    int channels = 0;
};

struct PackedBlock {
    std::array<Packed, 3> distilled;      // c1_d, c2_d, c3_d
    std::array<PackedBSConv, 4> refined;  // c1_r, c2_r, c3_r, c4
    Packed c5;
    Packed conv1, conv_f, conv4;
    Packed conv2_pw;  // the four pointwise convolutions of MDSA's stride-2 BSConvs, stacked
    std::vector<float> conv2_taps, conv2_bias;
    std::array<PackedBSConv, 3> conv_max, conv3;
    Packed body_0;
    Packed c1;  // the columns of the tail's c1 that belong to this block
};

// Rows that distill keeps of one strip.
struct DistillScratch {
    DistillScratch(Carver &carver, const Model &model, int columns);
    std::array<Ring, 4> pw;
    std::array<Ring, 3> r;
    std::array<Ring, 4> d;
};

struct MdsaScratch {
    MdsaScratch(Carver &carver, const Model &model, Size size);
    RowSet c;  // conv1's row, where no map keeps them
    Ring pw;   // conv2's
};

// Two rows of each branch, as wide as the picture; held tells which.
struct GateScratch {
    GateScratch(Carver &carver, const Model &model, Size size);
    RowSet c;
    RowSet sum;  // of conv_f c and the branches
    std::array<Ring, 3> up;
    std::array<std::array<int, 2>, 3> held;
};

struct EccaScratch {
    EccaScratch(Carver &carver, const Model &model, Size size);
    Ring y;
};

struct HeadScratch {
    HeadScratch(Carver &carver, Size size);
    Ring rgb;  // rgb - mean
};

struct TailScratch {
    TailScratch(Carver &carver, const Model &model, Size size);
    HeadScratch head;
    RowSet f0;
    Ring pw, c2;
    RowSet rows;  // upsampler's
};

// One of MDSA's three branches: maps of stride 6.
struct Branch {
    Branch() = default;
    Branch(Carver &carver, int channels, Size size);
    Size size;
    RowSet pooled, pw, mixed;
};

// Bilinear upsampling: fraction of the way from sample index to sample next.
struct Position {
    int index, next;
    float fraction;
};

// Where things lie for one size of frame.
struct Memory {
    Memory(Carver &carver, const Model &model, Size size, Plan plan, int threads, int strip);
    RowSet rgb, hr;
    std::array<RowSet, kMaps> maps;
    RowSet sum;  // gather's
    RowSet zero;
    RowSet t;  // MDSA's four stride-2 BSConvs
    std::array<Branch, 3> branches;
    double *row_mean, *row_m2;     // (H, C) of ECCA's y
    std::vector<float *> scratch;  // for each thread

    // What the small plan computes twice instead.
    const bool keeps;
    RowSet conv1;  // MDSA's c
    Ring y;        // ECCA's, all its rows
};

class CpuStages final : public HostStages {
public:
    CpuStages(const Model &model, const CpuOptions &options, WarnOnce warn);

    std::string description() const override;
    uint64_t memory_needed(Size size, Plan plan) const override;
    void prepare(Size size, Plan plan) override;
    void head() override;
    void distill(int block) override;
    void mdsa(int block) override;
    void ecca(int block) override;
    void gather(int block) override;
    void block(int block) override;
    void tail() override;

    Planes rgb() override;
    Planes hr() override;
    void read(Map map, float *chw) override;
    void write(Map map, const float *chw) override;

private:
    const RowSet &map(Map which) const { return memory_->maps[static_cast<int>(which)]; }

    // Runs rows(first, last, thread) for bands of rows that make up [0, height).
    template <typename Rows>
    void for_bands(int height, int least, const Rows &rows);

    Memory carve(Carver &carver, Size size, Plan plan) const;
    void shift_row(int y, const Ring &shifted);
    void f0_row(int y, const Ring &shifted, float *out, ptrdiff_t pitch);
    void distill_map(int block, bool with_c);
    void distill_strip(int block, bool with_c, int x0, int x1, int y0, int y1,
                       DistillScratch &scratch, Stopwatch &own);
    void c_row(int block, const float *fused, int columns, float *out, ptrdiff_t pitch);
    const float **c_pointers(int block, int y, const RowSet &scratch, const float **pointers);
    void disperse(int block);
    void stride(int block);
    void pool(int branch, int channel);
    void mix(int block, int branch);
    std::array<std::vector<Position>, 3> positions() const;
    void upsample(int branch, int row, const std::vector<Position> &columns, float *out,
                  ptrdiff_t pitch);
    void gate_row(int block, int y, const std::array<std::vector<Position>, 3> &columns,
                  GateScratch &scratch);
    Ring rows_of_y(Carver &carver) const;
    void y_row(int block, int row, const Ring &y);
    void measure(int row, const Ring &y);
    std::vector<float> attention(const Ecca &weights);
    void weigh(int block, bool with_gather);
    void gather_row(int block, int y);

    const Model &model_;
    const Kernels &kernels_;
    const Kernels
        &exact_;  // where bf16 is too coarse: for pixels, and for x, the sum of all blocks
    const std::string arithmetic_;  // "(AVX2), fp32"
    int strip_;
    Threads threads_;
    std::vector<Stopwatch> watches_;  // of each thread, in block()
    std::array<PackedBlock, kBlocks> blocks_;
    PackedBSConv c2_;
    Packed fea_conv_, upsampler_;

    Size size_;
    std::unique_ptr<float, void (*)(float *)> arena_;
    std::unique_ptr<Memory> memory_;
};

template <typename Rows>
void CpuStages::for_bands(int height, int least, const Rows &rows) {
    const int bands = std::max(1, std::min(height / least, threads_.count() * 4));
    threads_.run(bands, [&](int band, int thread) {
        rows(static_cast<int>(int64_t{height} * band / bands),
             static_cast<int>(int64_t{height} * (band + 1) / bands), thread);
    });
}

}  // namespace mdrn::cpu
