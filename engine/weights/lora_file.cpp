// SPDX-License-Identifier: Apache-2.0
#include "weights/lora_file.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>
#include <c10/util/accumulate.h>

#include <cmath>
#include <utility>

#include "runtime/decimal.h"
#include "runtime/error.h"
#include "weights/json_file.h"
#include "weights/lora_keys.h"

namespace ovi {
namespace {

constexpr double kStrongest = 10;
/// Published ones have 256 at most; the time of merging grows with it.
constexpr int64_t kHighestRank = 2048;
constexpr size_t kNamesTold = 20, kLongestList = 700;  // of a warning

int64_t count_of(const TensorInfo& tensor) { return c10::multiply_integers(tensor.shape); }

std::string shape_text(const TensorInfo& tensor) {
  std::string text = "[";
  for (const int64_t extent : tensor.shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(extent);
  }
  text += ']';
  return text;
}

/// What the file has for one tensor of the model.
struct Found {
  const TensorInfo* target = nullptr;
  const TensorInfo *down = nullptr, *up = nullptr, *alpha = nullptr;
  const TensorInfo *up_bias = nullptr, *diff = nullptr;

  const TensorInfo*& of(LoraPart part) {
    switch (part) {
      case LoraPart::kDown:
        return down;
      case LoraPart::kUp:
        return up;
      case LoraPart::kAlpha:
        return alpha;
      case LoraPart::kUpBias:
        return up_bias;
      case LoraPart::kDiff:
      case LoraPart::kBiasDiff:
      case LoraPart::kModulationDiff:
        break;
    }
    return diff;
  }
};

class Reader {
 public:
  Reader(const Lora& lora, const TensorSource& model)
      : lora_(lora), targets_(model), name_("The LoRA '" + lora.path + "'") {}

  LoraFile read() {
    check_strength();
    open();
    for (const TensorInfo& tensor : source_->tensors()) sort(tensor);
    for (auto& [target, found] : found_) add(target, found);
    if (file_.deltas.empty()) refuse_whole();
    if (left_out_ > 0) {
      file_.warning = name_ + " has " + std::to_string(left_out_) + " of " +
                      std::to_string(source_->tensors().size()) +
                      " tensors that fit nothing in the model and are left out: " + names_ +
                      (told_ < left_out_ ? " and " + std::to_string(left_out_ - told_) + " more."
                                         : std::string("."));
    }
    return std::move(file_);
  }

 private:
  [[noreturn]] void refuse(const std::string& why, const std::string& detail = {}) const {
    throw Error(ErrorKind::kFormat, name_ + " " + why, detail);
  }

  void check_strength() const {
    if (std::abs(lora_.strength) <= kStrongest) return;  // false for NaN
    throw Error(ErrorKind::kSettings, "The strength of the LoRA '" + lora_.path + "' is " +
                                          decimal(lora_.strength) +
                                          "; it must be -10 to 10 (1 is usual).");
  }

  void open() {
    try {
      source_ = open_tensors(lora_.path);
    } catch (const Error& error) {
      throw Error(error.kind(), std::string("A LoRA cannot be read: ") + error.what(),
                  error.detail());
    }
  }

  /// It fits nothing: for the warning, and the first reason for the error.
  void leave_out(const TensorInfo& tensor, const std::string& why) {
    ++left_out_;
    std::string name = "'";
    name.append(brief_name(tensor.name)).append("'");
    if (reason_.empty()) reason_ = name + " " + why;
    if (told_ == kNamesTold || names_.size() + name.size() > kLongestList) return;
    names_ += (told_++ > 0 ? ", " : "") + name;
  }

  void sort(const TensorInfo& tensor) {
    const auto key = read_lora_key(tensor.name);
    if (const char* kind = key ? nullptr : other_adapter(tensor.name)) {
      refuse(std::string("is a ") + kind + " (tensor '" + brief_name(tensor.name) +
             "'), which is not read here: take a plain LoRA.");
    }
    if (!key) return leave_out(tensor, "is no tensor of a LoRA");
    const TensorInfo* target = targets_.find(*key);
    if (!target) return leave_out(tensor, "has no layer of that name in the model");
    // A bias beside `up` is scaled as the product is: it belongs to that one's weight.
    const TensorInfo* owner =
        key->part == LoraPart::kUpBias ? targets_.find({key->layer, LoraPart::kUp}) : target;
    if (!owner) return leave_out(tensor, "has no layer of that name in the model");
    Found& found = found_[owner->name];
    found.target = owner;
    const TensorInfo*& place = found.of(key->part);
    if (place) {
      refuse("has both '" + brief_name(place->name) + "' and '" + brief_name(tensor.name) +
             "' for one matrix of the model: it is damaged.");
    }
    if (key->part != LoraPart::kAlpha && !c10::isFloatingType(tensor.dtype)) {
      refuse("has integers in '" + brief_name(tensor.name) +
             "', where bf16, f16 or f32 are needed: take another file.");
    }
    if (key->part == LoraPart::kUpBias) biases_[owner->name] = target;
    place = &tensor;
  }

  void add(const std::string& target, Found& found) {
    if (found.down || found.up) {
      add_product(target, found);
    } else {
      for (const TensorInfo* alone : {found.alpha, found.up_bias}) {
        if (alone) leave_out(*alone, "stands alone");
      }
    }
    if (found.diff) add_values(*found.target, *found.diff, lora_.strength);
  }

  void add_values(const TensorInfo& target, const TensorInfo& values, double factor) {
    if (count_of(values) != count_of(target)) {
      return leave_out(values, "has the shape " + shape_text(values) + ", and " +
                                   shape_text(target) + " is needed");
    }
    LoraDelta delta;
    delta.file = source_;
    delta.values = values.name;
    delta.factor = static_cast<float>(factor);
    file_.deltas[target.name].push_back(std::move(delta));
  }

  void add_product(const std::string& target, const Found& found) {
    if (!found.down || !found.up) {
      const TensorInfo& half = found.down ? *found.down : *found.up;
      refuse("has '" + brief_name(half.name) + "' without its other half (lora_" +
             (found.down ? "B, lora_up" : "A, lora_down") + "): it is damaged.");
    }
    const TensorInfo &down = *found.down, &up = *found.up;
    if (down.shape.size() < 2 || up.shape.size() < 2) {
      refuse("has '" + brief_name((down.shape.size() < 2 ? down : up).name) +
             "', which is no matrix: it is damaged.");
    }
    const int64_t rank = down.shape[0], out = found.target->shape.empty()
                                                  ? 1
                                                  : found.target->shape[0];
    if (rank < 1 || rank > kHighestRank) {
      refuse("has a rank of " + std::to_string(rank) + " ('" + brief_name(down.name) +
             "'); 1 to " + std::to_string(kHighestRank) + " is possible: it is damaged.");
    }
    const bool fits = out > 0 && count_of(down) == rank * (count_of(*found.target) / out) &&
                      up.shape[0] == out;
    if (!fits) {
      const std::string why = "is " + shape_text(down) + " beside " + shape_text(up) +
                              ", for a matrix of " + shape_text(*found.target);
      for (const TensorInfo* part : {found.down, found.up, found.alpha, found.up_bias}) {
        if (part) leave_out(*part, why);
      }
      return;
    }
    if (count_of(up) != out * rank) {
      refuse("has halves of two ranks: '" + brief_name(down.name) + "' is " + shape_text(down) +
             ", '" + brief_name(up.name) + "' is " + shape_text(up) + ". It is damaged.");
    }
    const double scale =
        lora_.strength * (found.alpha ? number(*found.alpha) / static_cast<double>(rank) : 1.0);
    LoraDelta delta;
    delta.file = source_;
    delta.down = down.name;
    delta.up = up.name;
    delta.rank = rank;
    delta.factor = static_cast<float>(scale);
    file_.deltas[target].push_back(std::move(delta));
    if (found.up_bias) add_values(*biases_.at(target), *found.up_bias, scale);
  }

  double number(const TensorInfo& alpha) const {
    if (count_of(alpha) != 1) {
      refuse("has an alpha of " + std::to_string(count_of(alpha)) + " numbers ('" +
             brief_name(alpha.name) + "'): it is damaged.");
    }
    at::Tensor value = at::empty({1}, at::TensorOptions().dtype(at::kFloat));
    source_->read(alpha.name, 0, value);
    const double read = value.const_data_ptr<float>()[0];
    if (!std::isfinite(read)) {
      refuse("has an alpha that is no number ('" + brief_name(alpha.name) +
             "'): download it again.");
    }
    return read;
  }

  [[noreturn]] void refuse_whole() const {
    if (source_->tensors().empty()) refuse("holds no tensor: download it again.");
    refuse("does not fit the model anywhere: " + reason_ +
           ". One for Ovi, or for Wan 2.2 TI2V 5B, is needed.");
  }

  const Lora& lora_;
  LoraTargets targets_;
  std::string name_;
  std::shared_ptr<const TensorSource> source_;
  std::map<std::string, Found> found_;                // by the model's weight
  std::map<std::string, const TensorInfo*> biases_;  // of the model, by its weight
  LoraFile file_;
  size_t left_out_ = 0, told_ = 0;
  std::string names_, reason_;
};

}  // namespace

LoraFile read_lora(const Lora& lora, const TensorSource& model) {
  return Reader(lora, model).read();
}

}  // namespace ovi
