// The device's side of streamed weights: two blocks at a time, copied ahead of their use.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <array>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weights/host_blocks.h"

namespace ovi {

/// Gives a model tensors that lie in one of two slots on the device, block i in slot i % 2,
/// and fills them as the model enters block after block: while one computes, the next is
/// copied on a stream of its own. Blocks are expected in order, over and over; any other
/// order costs a wait. Tensors outside of blocks are there always.
class StreamingLoader : public WeightLoader,
                        public BlockHooks,
                        public std::enable_shared_from_this<StreamingLoader> {
 public:
  /// `blocks` has to be filled before before() of the first block. `on_bytes` (may be empty)
  /// is called while the model is made, with bytes of the file that are through, and may
  /// throw to stop. Belongs to one thread.
  StreamingLoader(std::shared_ptr<HostBlocks> blocks, const c10::Device& device,
                  std::function<void(int64_t bytes)> on_bytes = {});
  /// Waits for copies that are under way.
  ~StreamingLoader() override;

  at::Tensor load(const TensorSource& source, const std::string& name,
                  at::ScalarType dtype) override;
  at::Tensor load_temporary(const TensorSource& source, const std::string& name,
                            at::ScalarType dtype) override;
  std::vector<at::Tensor> derive(const std::vector<std::string>& names,
                                 const MakeTensors& make) override;
  std::shared_ptr<BlockHooks> block_hooks() override { return shared_from_this(); }

  void before(int64_t block) override;
  void after(int64_t block) noexcept override;

 private:
  struct Slot {
    at::Tensor bytes;
    int64_t block = -1;  // whose weights it holds or is about to
    c10::Event copied, computed;
    explicit Slot(c10::DeviceType type) : copied(type), computed(type) {}
  };

  Slot& slot_of(int64_t block) { return slots_[block % 2]; }
  at::Tensor view_of(const HostBlocks::Tensor& tensor);
  void copy(int64_t block);
  c10::Stream current_stream() const;

  std::shared_ptr<HostBlocks> blocks_;
  c10::Device device_;
  std::function<void(int64_t)> on_bytes_;
  c10::Stream copy_stream_;
  std::array<Slot, 2> slots_;
  std::exception_ptr failure_;  // of a copy ahead
};

}  // namespace ovi
