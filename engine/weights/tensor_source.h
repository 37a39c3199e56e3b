// One weight file, whatever its format: names, shapes and read-only tensors.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ovi {

struct TensorInfo {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
};

/// A tensor as a file stores it in 8 bits: value * scale is what it stands for.
struct QuantizedTensor {
  at::Tensor values;  ///< e4m3, e5m2 or int8, of the tensor's shape; mapped
  at::Tensor scales;  ///< float32: one, or [rows]; numbers, neither NaN nor Inf
  /// Under which find(), view() and read() of the same source give the values alone.
  std::string values_name;
};

/// The tensors of one file. Reading one never copies the file's bytes: `view`
/// maps them, and the mapping lives as long as any tensor made from it.
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  /// The file as the user named it, for error messages.
  virtual const std::string& path() const = 0;

  /// All tensors, in the file's order.
  virtual const std::vector<TensorInfo>& tensors() const = 0;

  /// nullptr when there is no such tensor.
  virtual const TensorInfo* find(const std::string& name) const = 0;

  /// CPU tensor over the mapped file, in the stored dtype and shape. Must not be
  /// written to. Throws Error(kFormat) for a name that is not there.
  virtual at::Tensor view(const std::string& name) const = 0;

  /// Copies elements, from number `first` on in row-major order, into `to`: flat, on the
  /// host, of any dtype. Threads may call it at once. Unlike `view` it notices a file that
  /// became shorter or cannot be read: Error(kRead).
  virtual void read(const std::string& name, int64_t first, at::Tensor to) const;

  /// Whether `view` shows the file's own memory: else what it gives takes memory of its own,
  /// also where the dtype fits.
  virtual bool is_mapped(const std::string& /*name*/) const { return true; }
  /// How the tensor is stored, where it is values and scales; `view` and `read` then give their
  /// product. Nothing for any other tensor.
  virtual std::optional<QuantizedTensor> quantized(const std::string& /*name*/) const {
    return std::nullopt;
  }

  /// Throws Error(kRead) when what `view` showed may not be what the file had: it was truncated
  /// meanwhile, or its disk failed. Results are believed only after it.
  virtual void check() const {}

  /// Throws Error(kFormat) that names the tensor and who needs it when `values`, made of it, hold
  /// NaN or Inf. Does nothing where nobody is known to need it (see PartTensors).
  virtual void require_numbers(const std::string& /*name*/, const at::Tensor& /*values*/) const {}
};

/// Opens a weight file by its content: safetensors (F32, F16, BF16, F8_E4M3,
/// F8_E5M2, F64, integers, BOOL) or torch zip (.pth, .pt: a state dict, possibly
/// nested; nested names are joined with '.'). Code in a pickle is never run.
/// Throws Error kNotFound, kNotAuthorized, kOpenRead, kRead (truncated, damaged)
/// or kFormat (another format), each naming the file.
std::shared_ptr<TensorSource> open_tensors(const std::string& path);

}  // namespace ovi
