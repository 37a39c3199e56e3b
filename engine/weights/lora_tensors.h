// A model's tensors with LoRAs merged into them, as they are read.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "weights/lora_file.h"
#include "weights/tensor_source.h"

namespace ovi {

/// A tensor that a LoRA touches is base + strength * (alpha / rank) * up @ down, summed in float32
/// in the order of the files and rounded once, to what is asked for. Its dtype is therefore
/// float32 whatever its file has: a reader that stages it in the stored dtype would round it
/// twice, and to 8 bits where the file has those. It takes memory of its own, see is_mapped().
/// A read computes the rows that it asks for alone; what they are does not depend on how the
/// tensor is cut, so that every memory plan makes the same model. All else is the base's.
class LoraTensors final : public TensorSource {
 public:
  /// Deltas of a factor of 0 are dropped. They fit the base, as read_lora() gives them.
  LoraTensors(std::shared_ptr<const TensorSource> base, const std::vector<LoraFile>& files);

  const std::string& path() const override { return base_->path(); }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const TensorInfo* find(const std::string& name) const override;
  /// Throws Error(kFormat) that names LoRA and tensor for NaN, Inf, and values that become too
  /// large.
  at::Tensor view(const std::string& name) const override;
  void read(const std::string& name, int64_t first, at::Tensor to) const override;
  bool is_mapped(const std::string& name) const override {
    return !touches(name) && base_->is_mapped(name);
  }
  std::optional<QuantizedTensor> quantized(const std::string& name) const override {
    return touches(name) ? std::nullopt : base_->quantized(name);
  }
  void check() const override;
  void require_numbers(const std::string& name, const at::Tensor& values) const override {
    base_->require_numbers(name, values);
  }

  bool touches(const std::string& name) const { return deltas_.contains(name); }

 private:
  struct Rows {
    int64_t first, count, columns;
  };

  Rows rows_of(const std::string& name, int64_t first, int64_t count) const;
  /// The rows' values, flat, with `threads` on LibTorch's threads.
  at::Tensor merged(const std::string& name, const Rows& rows, bool threads) const;
  void add(const LoraDelta& delta, const Rows& rows, bool threads, const at::Tensor& to) const;

  std::shared_ptr<const TensorSource> base_;
  std::vector<TensorInfo> infos_;
  std::unordered_map<std::string, size_t> index_;  // of touched ones in infos_
  std::unordered_map<std::string, std::vector<LoraDelta>> deltas_;
  std::vector<std::shared_ptr<const TensorSource>> files_;
};

/// The model with these LoRAs: itself where there is none. `warnings` (may be null) gets a sentence
/// for each file of which a part fits nothing. Throws as read_lora().
std::shared_ptr<const TensorSource> with_loras(std::shared_ptr<const TensorSource> model,
                                               const std::vector<Lora>& loras,
                                               std::vector<std::string>* warnings = nullptr);

}  // namespace ovi
