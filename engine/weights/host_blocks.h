// The host's side of streamed weights: each block of a model as one run of bytes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "weights/manifest.h"

namespace ovi {

/// Page-locked bytes in pieces of powers of two, which is what LibTorch's allocator rounds
/// up to: a block of 745 MB would else take 1 GiB.
class HostSlab {
 public:
  struct Piece {
    int64_t begin;  // in the slab
    at::Tensor bytes;
  };

  /// Undefined (no pieces) where the system does not lock that much; with `pageable` it
  /// takes ordinary memory then.
  static HostSlab allocate(int64_t bytes, const c10::Device& device, bool pageable);

  bool defined() const { return !pieces_.empty(); }
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  std::vector<Piece> pieces_;
};

/// Device bytes of a model whose blocks are streamed: two of the largest block, and what is
/// in no block.
int64_t streamed_bytes(const Manifest& manifest);

/// Which bytes of its block each tensor has, and where the block's bytes are.
class HostBlocks {
 public:
  struct Tensor {
    std::string name;
    at::ScalarType dtype;
    std::vector<int64_t> shape;
    int64_t block, offset, count;  // bytes from the block's start; elements
    bool derived;
  };

  /// `manifest`: what the model needs; tensors that streamed_with() leaves outside of blocks are
  /// left out. With `keep` the blocks are read once, by fill(), and stay; where the system
  /// does not lock that much memory, and without `keep`, each is read whenever it is used.
  HostBlocks(std::shared_ptr<const TensorSource> source, const Manifest& manifest,
             const c10::Device& device, bool keep);
  /// Kept blocks are most of the host's memory: the system gets it back at once.
  ~HostBlocks();
  HostBlocks(const HostBlocks&) = delete;
  HostBlocks& operator=(const HostBlocks&) = delete;

  int64_t count() const { return static_cast<int64_t>(by_block_.size()); }
  int64_t slab_bytes() const { return slab_bytes_; }  // of the largest block
  bool keeps() const { return !kept_.empty(); }
  bool filled() const { return filled_; }

  /// nullptr for one that is in no block.
  const Tensor* find(const std::string& name) const;

  /// Hands over the values of a derived tensor.
  void set_derived(const Tensor& tensor, const at::Tensor& made);

  /// Reads what is to be kept, with several threads. `on_bytes` (may be empty) is called
  /// here with the bytes read, and may throw to stop; the next call begins again.
  void fill(const std::function<void(int64_t bytes)>& on_bytes);

  /// The bytes of a block. Reads them where they are not kept: into the memory of block
  /// `block - 2`, which nobody may need any more.
  const HostSlab& slab(int64_t block);

 private:
  void read(const Tensor& tensor, const HostSlab& slab);
  void write(const Tensor& tensor, const HostSlab& slab, const at::Tensor& values);
  /// The pieces of a slab that hold the tensor: its elements from `first` on, flat.
  void each_part(const Tensor& tensor, const HostSlab& slab,
                 const std::function<void(int64_t first, at::Tensor to)>& visit) const;

  std::shared_ptr<const TensorSource> source_;
  c10::Device device_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string, size_t> index_;
  std::vector<std::vector<size_t>> by_block_;
  std::unordered_map<std::string, at::Tensor> derived_;  // without kept blocks
  int64_t slab_bytes_ = 0;
  std::vector<HostSlab> kept_;       // one a block, or none
  std::array<HostSlab, 2> passing_;  // without kept ones: of block i in i % 2
  bool filled_ = false;
};

}  // namespace ovi
