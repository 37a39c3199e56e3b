// The ranks that torchrun, mpirun or srun started, of which this process is one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "parallel/rendezvous.h"
#include "pipeline/ranks.h"
#include "runtime/cancel.h"

namespace ovi {

/// As rank 0 has them. Others may take minutes to come: a thread of its own waits for them.
class LaunchedRanks : public std::enable_shared_from_this<LaunchedRanks> {
 public:
  /// Begins to wait, unless this process does already, or all have come: then they stay together
  /// until it ends. `device`: as find_device() takes it, auto is the GPU of the local rank. Throws
  /// Error at once where the environment or the device makes no sense.
  static std::shared_ptr<LaunchedRanks> awaited(const std::string& device,
                                                const std::string& release);
  ~LaunchedRanks();  // waits no more
  LaunchedRanks(const LaunchedRanks&) = delete;
  LaunchedRanks& operator=(const LaunchedRanks&) = delete;

  const c10::Device& device() const { return device_; }
  /// Rank 0's part of a model, which the others need not be there for.
  std::shared_ptr<LoadedModel> own_model(const EngineConfig& config) const;
  /// When all have come. Throws Error that names who has not, the same to each caller; kCancelled
  /// once `cancel` (may be null) is triggered.
  std::shared_ptr<Ranks> come(const Cancel* cancel);

 private:
  LaunchedRanks(const parallel::Place& place, const c10::Device& device, const std::string& release);
  void wait(const parallel::Place& place, const std::string& release);
  bool failed() const;

  const c10::Device device_;
  Cancel over_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Ranks> ranks_;
  std::exception_ptr failure_;
  std::thread waiting_;
};

/// This process as one of the others, until rank 0 ends or `leave` is triggered: then it throws
/// kCancelled. `model_path` may be empty: where rank 0 has it. Rank 0 is told of what it throws.
void join_launched(const std::string& model_path, const std::string& device,
                   const std::string& release, const Cancel* leave);

}  // namespace ovi
