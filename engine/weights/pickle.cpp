// From the machine's dictionaries to one list of named tensors.
// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle.h"

#include <utility>

#include "runtime/error.h"
#include "weights/pickle_machine.h"

namespace ovi::pickle {

namespace {

constexpr size_t kMaxTensors = 50'000;
constexpr size_t kMaxVisits = 200'000;
constexpr size_t kMaxNameBytes = 256;
constexpr int kMaxDepth = 32;

/// A dictionary may hold itself, or another many times: depth and visits end that.
class Flattener {
 public:
  explicit Flattener(const std::string& path) : path_(path) {}

  void visit(const Value& dict, const std::string& prefix = {}, int depth = 0) {
    if (depth > kMaxDepth) refuse("dictionaries nested too deeply or in a circle");
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      if (++visits_ > kMaxVisits) refuse("too many entries");
      const Value& key = *dict.items[i];
      const Value& value = *dict.items[i + 1];
      if (value.kind != Kind::kDict && value.kind != Kind::kTensor) continue;
      if (key.kind != Kind::kText && key.kind != Kind::kInteger) continue;
      std::string name = prefix;
      if (key.kind == Kind::kText) {
        name += key.text;
      } else {
        name += std::to_string(key.integer);
      }
      if (name.size() > kMaxNameBytes) refuse("a tensor's name longer than 256 bytes");
      if (value.kind == Kind::kDict) {
        visit(value, name + ".", depth + 1);
      } else {
        add(std::move(name), value);
      }
    }
  }

  std::vector<Tensor> take() { return std::move(tensors_); }

 private:
  void add(std::string name, const Value& value) {
    if (tensors_.size() >= kMaxTensors) refuse("too many tensors");
    tensors_.push_back({std::move(name), value.dtype, std::string(value.text), value.bytes,
                        static_cast<uint64_t>(value.integer), value.shape, value.strides});
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorKind::kFormat, "'" + path_ + "' holds " + what + ", as no state dict does.");
  }

  const std::string& path_;
  size_t visits_ = 0;
  std::vector<Tensor> tensors_;
};

}  // namespace

std::vector<Tensor> read_state_dict(std::string_view bytes, const std::string& path) {
  Machine machine(bytes, path);
  const Value& top = machine.run();
  if (top.kind != Kind::kDict) {
    throw Error(ErrorKind::kFormat, "'" + path +
                                        "' holds no dictionary of tensors. Save it again " +
                                        "as torch.save(model.state_dict(), ...).");
  }
  Flattener flattener(path);
  flattener.visit(top);
  return flattener.take();
}

}  // namespace ovi::pickle
