// Several threads read a model's tensors while it is built, on to an accelerator.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "weights/manifest.h"

namespace ovi {

/// How much is read at once. The staging memory is chunks * chunk_bytes, page-locked.
struct ReadSettings {
  size_t threads = 4;
  size_t chunks = 8;
  int64_t chunk_bytes = int64_t{16} << 20;  // a power of two: LibTorch rounds up to one
};

/// file -> staging -> device, in the order of a manifest. Threads read chunks of tensors into
/// staging memory; whoever loads the tensors copies each chunk to the device without waiting for
/// it, on its current stream. A tensor that is asked for out of the order is right too: those
/// before it come first, and wait on the device. What grows on its way to the final dtype
/// grows on the device, what shrinks shrinks while it is read.
class PrefetchLoader : public WeightLoader {
 public:
  /// Begins to read. `on_bytes` (may be empty) is called by load() with the bytes of the
  /// file that are through, and may throw to stop.
  PrefetchLoader(std::shared_ptr<const TensorSource> source, Manifest manifest,
                 const c10::Device& device, std::function<void(int64_t bytes)> on_bytes,
                 const ReadSettings& settings = {});
  /// Waits for the copies that are under way.
  ~PrefetchLoader() override;

  at::Tensor load(const TensorSource& source, const std::string& name,
                  at::ScalarType dtype) override;
  at::Tensor load_temporary(const TensorSource& source, const std::string& name,
                            at::ScalarType dtype) override;
  std::vector<at::Tensor> derive(const std::vector<std::string>& names,
                                 const MakeTensors& make) override;

 private:
  struct Chunk {
    size_t tensor;         // in manifest_
    int64_t first, count;  // elements
  };
  enum class State { kFree, kFull };
  struct Slot {
    at::Tensor bytes;
    State state = State::kFree;
    std::optional<c10::Event> copied;  // its last copy to the device
  };

  at::ScalarType staged_dtype(const WeightSpec& tensor) const;
  void read();
  /// The next tensor of the manifest, on the device.
  at::Tensor bring_next();
  const at::Tensor& wait_for(size_t chunk);
  void stop();

  std::shared_ptr<const TensorSource> source_;
  Manifest manifest_;
  c10::Device device_;
  std::function<void(int64_t)> on_bytes_;
  std::vector<Chunk> chunks_;
  std::vector<Slot> slots_;
  size_t next_tensor_ = 0, next_chunk_ = 0;  // of load()
  /// What came before it was asked for.
  std::multimap<std::pair<std::string, at::ScalarType>, at::Tensor> waiting_;

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t next_read_ = 0;  // chunk
  bool stopped_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> readers_;
};

}  // namespace ovi
