// The ranks that make one clip together, as one of them sees them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace ovi::parallel {

/// Every function but the first three is a collective: all ranks of the group call the same ones
/// in the same order, with tensors of the same dtype, contiguous and on the rank's own device.
/// Each throws Error(kFailed) that names the rank to blame where another one failed, is gone or
/// did not come in time, and Error(kCancelled) where one was cancelled; the group is of no use
/// after that.
class Group {
 public:
  virtual ~Group() = default;

  virtual int64_t rank() const = 0;  // 0 .. size - 1
  virtual int64_t size() const = 0;
  /// Handed to other ranks so far; what a rank keeps for itself does not count.
  virtual int64_t bytes_sent() const = 0;

  /// Rows (dimension 0) of `sent` go to rank 0, 1, ... by turns, `sent_rows[i]` of them to rank i;
  /// `received` takes `received_rows[i]` from each. Rows of both have one size.
  virtual void all_to_all(at::Tensor& received, const at::Tensor& sent,
                          const std::vector<int64_t>& received_rows,
                          const std::vector<int64_t>& sent_rows) = 0;
  /// `all` [size, ...] takes `own` [...] of each rank.
  virtual void all_gather(at::Tensor& all, const at::Tensor& own) = 0;
  /// `tensor` of rank `from` to all the others.
  virtual void broadcast(at::Tensor& tensor, int64_t from) = 0;
  /// A group of these ranks of this one, ascending; null on a rank that is not among them. Each
  /// rank calls it, for each part.
  virtual std::shared_ptr<Group> part(const std::vector<int64_t>& ranks) = 0;
};

}  // namespace ovi::parallel
