// A 23 GB checkpoint out of a few MB: tensors are windows on one block of noise.
// SPDX-License-Identifier: Apache-2.0
#include "weights/synthetic.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "runtime/error.h"
#include "weights/synthetic_layout.h"

namespace ovi {

namespace {

constexpr int64_t kBlock = int64_t{1} << 20;  // elements
constexpr uint64_t kSeed = 20250925;
constexpr double kSmall = 0.01;    // of biases
constexpr int64_t kMaxShift = 61;  // prime: rows do not fall onto one another

bool is_kept_wide(const std::string& name) {
  return name.find("norm") != std::string::npos || name.find("bias") != std::string::npos;
}

/// What a tensor is filled with; the deviation counts for noise only.
struct Fill {
  bool constant;
  double value;  // the constant, or the standard deviation
};

Fill fill_of(const NamedShape& tensor) {
  const std::string& name = tensor.name;
  const auto ends = [&](const char* with) { return name.ends_with(with); };
  const bool is_norm = name.find("norm") != std::string::npos;
  if (ends(".bias")) return {false, kSmall};
  if (ends(".gamma") || ends(".original0") || (is_norm && ends(".weight"))) return {true, 1.0};
  if (ends("data_std")) return {true, 1.0};
  // Zero is the neutral value of a mean, of a gain stored less 1, and of a logarithm.
  if (ends("data_mean") || ends("learnable_gain") || ends(".alpha") || ends(".beta")) {
    return {true, 0.0};
  }
  if (ends(".filter")) return {true, 1.0 / static_cast<double>(tensor.shape.back())};
  if (name == "token_embedding.weight") return {false, 1.0};
  int64_t fan_in = 1;
  for (size_t i = 1; i < tensor.shape.size(); ++i) fan_in *= tensor.shape[i];
  if (ends("modulation")) fan_in = tensor.shape.back();
  return {false, 1.0 / std::sqrt(static_cast<double>(fan_in))};
}

class SyntheticTensors : public TensorSource {
 public:
  SyntheticTensors(std::string name, std::vector<NamedShape> layout, at::ScalarType dtype)
      : path_("synthetic " + name) {
    int64_t longest = kBlock;
    for (NamedShape& tensor : layout) {
      for (const int64_t extent : tensor.shape) {
        if (extent < 1) {
          throw Error(ErrorKind::kSettings, "The size of the " + path_ + " is too small: '" +
                                                tensor.name + "' would be empty.");
        }
      }
      longest = std::max(longest, rows(tensor.shape) + row_elements(tensor.shape));
      const bool wide = dtype == at::kFloat8_e4m3fn && is_kept_wide(tensor.name);
      fills_.push_back(fill_of(tensor));
      index_.emplace(tensor.name, infos_.size());
      infos_.push_back(
          {std::move(tensor.name), wide ? at::kBFloat16 : dtype, std::move(tensor.shape)});
    }
    noise_ = at::randn({longest}, at::make_generator<at::CPUGeneratorImpl>(kSeed), at::kFloat);
  }

  const std::string& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const TensorInfo* find(const std::string& name) const override {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &infos_[found->second];
  }

  at::Tensor view(const std::string& name) const override {
    const auto found = index_.find(name);
    if (found == index_.end()) {
      throw Error(ErrorKind::kFormat, "The " + path_ + " has no tensor '" + name + "'.");
    }
    const TensorInfo& info = infos_[found->second];
    const Fill& fill = fills_[found->second];
    if (fill.constant) {
      return at::full({}, fill.value, at::TensorOptions().dtype(info.dtype)).expand(info.shape);
    }
    const at::Tensor block = scaled(fill.value, info.dtype);
    const int64_t row = row_elements(info.shape);
    const int64_t shift =
        std::clamp<int64_t>((block.numel() - row) / rows(info.shape), 1, kMaxShift);
    std::vector<int64_t> strides(info.shape.size());
    int64_t step = 1;
    for (size_t i = strides.size(); i-- > 1;) {
      strides[i] = step;
      step *= info.shape[i];
    }
    if (!strides.empty()) strides[0] = shift;
    if (strides.size() == 1) strides[0] = 1;
    const int64_t last = strides.empty() ? 0 : (rows(info.shape) - 1) * strides[0] + row - 1;
    const int64_t room = block.numel() - last;
    const int64_t start = static_cast<int64_t>(std::hash<std::string>{}(name) %
                                               static_cast<size_t>(std::max<int64_t>(room, 1)));
    return block.as_strided(info.shape, strides, start);
  }

 private:
  static int64_t rows(const std::vector<int64_t>& shape) { return shape.empty() ? 1 : shape[0]; }
  static int64_t row_elements(const std::vector<int64_t>& shape) {
    int64_t count = 1;
    for (size_t i = 1; i < shape.size(); ++i) count *= shape[i];
    return count;
  }

  /// The block times `deviation`, made once for each.
  at::Tensor scaled(double deviation, at::ScalarType dtype) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    at::Tensor& block = blocks_[{deviation, dtype}];
    if (!block.defined()) block = noise_.mul(deviation).to(dtype);
    return block;
  }

  std::string path_;
  std::vector<TensorInfo> infos_;
  std::vector<Fill> fills_;
  std::unordered_map<std::string, size_t> index_;
  at::Tensor noise_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<double, at::ScalarType>, at::Tensor> blocks_;
};

}  // namespace

std::shared_ptr<TensorSource> synthetic_fusion(const SyntheticSize& size) {
  return std::make_shared<SyntheticTensors>("fusion model", fusion_layout(size.fusion), size.dtype);
}

std::shared_ptr<TensorSource> synthetic_text_encoder(const SyntheticSize& size) {
  return std::make_shared<SyntheticTensors>("text encoder", text_encoder_layout(size.text),
                                            size.dtype);
}

std::shared_ptr<TensorSource> synthetic_video_vae(const SyntheticSize& size) {
  return std::make_shared<SyntheticTensors>("video VAE", video_vae_layout(size.video_vae),
                                            size.dtype);
}

std::shared_ptr<TensorSource> synthetic_audio_vae(const SyntheticSize& size) {
  return std::make_shared<SyntheticTensors>("audio VAE", audio_vae_layout(size.audio_vae),
                                            size.dtype);
}

std::shared_ptr<TensorSource> synthetic_vocoder(const SyntheticSize& size) {
  return std::make_shared<SyntheticTensors>("vocoder", vocoder_layout(size.vocoder), size.dtype);
}

}  // namespace ovi
