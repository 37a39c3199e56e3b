// Several threads read a part's tensors ahead of its constructor, on to an accelerator.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "weights/placer.h"

namespace ovi {

/// How much is read at once. The staging memory is chunks * chunk_bytes, page-locked.
struct ReadSettings {
  size_t threads = 4;
  size_t chunks = 8;
  int64_t chunk_bytes = int64_t{16} << 20;  // a power of two: LibTorch rounds up to one
};

/// file -> staging -> device, in the order that a Rehearsal heard. Threads read chunks of
/// tensors into staging memory; whoever places the tensors copies each chunk to the device
/// without waiting for it, on its current stream. What grows on its way to the final dtype
/// grows on the device, what shrinks shrinks while it is read.
class ReadAhead : public Placer {
 public:
  /// Begins to read. `on_bytes` (may be empty) is called by place() with the bytes of the
  /// file that are through, and may throw to stop.
  ReadAhead(std::shared_ptr<const TensorSource> source, std::vector<Rehearsed> order,
            const c10::Device& device, std::function<void(int64_t bytes)> on_bytes,
            const ReadSettings& settings = {});
  /// Waits for the copies that are under way.
  ~ReadAhead() override;

  at::Tensor place(const TensorSource& source, const std::string& name,
                   at::ScalarType dtype) override;
  at::Tensor lend(const TensorSource& source, const std::string& name,
                  at::ScalarType dtype) override;
  std::vector<at::Tensor> derive(const std::vector<std::string>& names,
                                 const MakeTensors& make) override;

 private:
  struct Chunk {
    size_t tensor;         // in order_
    int64_t first, count;  // elements
  };
  enum class State { kFree, kFull };
  struct Slot {
    at::Tensor bytes;
    State state = State::kFree;
    std::optional<c10::Event> copied;  // its last copy to the device
  };

  at::ScalarType staged_dtype(const Rehearsed& tensor) const;
  void read();
  const at::Tensor& wait_for(size_t chunk);
  void stop();

  std::shared_ptr<const TensorSource> source_;
  std::vector<Rehearsed> order_;
  c10::Device device_;
  std::function<void(int64_t)> on_bytes_;
  std::vector<Chunk> chunks_;
  std::vector<Slot> slots_;
  size_t next_tensor_ = 0, next_chunk_ = 0;  // of place()

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t next_read_ = 0;  // chunk
  bool stopped_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> readers_;
};

}  // namespace ovi
