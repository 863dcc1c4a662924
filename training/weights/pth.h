// SPDX-License-Identifier: BSD-2-Clause
// PyTorch's checkpoints (.pth, .pt), as torch.save() of PyTorch 1.6 or later writes them: a zip
// archive with a pickle and a file for each storage. Nothing in them is executed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "weights/safetensors.h"

namespace mdrn::training {

struct Checkpoint {
    Weights weights;
    std::string key;  // of the outermost dictionary's entry that has the tensors, "" for itself
};

// A state dict: float, half, bfloat16 or double, with names that lose a common "module." (that of
// DataParallel). It is the entry `key` of the outermost dictionary; without one, the first that
// there is of params_ema, params and state_dict, else the dictionary itself. Strings in the entry
// "metadata", where write_pth() puts them, are the metadata. Throws mdrn::Error.
Checkpoint read_pth(const std::filesystem::path &path, const std::string &key = "");

// The same of a file's bytes; origin: its name in messages.
Checkpoint parse_pth(std::span<const std::byte> bytes, const std::string &origin,
                     const std::string &key = "");

// {key: the tensors, "metadata": the metadata}, or the tensors alone where key is "" (the metadata
// are lost then). torch.load(..., weights_only=True) reads it. The same weights give the same
// bytes. Throws std::runtime_error.
void write_pth(const std::filesystem::path &path, const Weights &weights,
               const std::string &key = "params");

}  // namespace mdrn::training
