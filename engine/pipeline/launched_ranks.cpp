// SPDX-License-Identifier: Apache-2.0
#include "pipeline/launched_ranks.h"

#include <c10/util/Logging.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/threads.h"

namespace ovi {
namespace {

using parallel::Place;

constexpr std::chrono::milliseconds kPoll(20);

// Those that have come, for all engines of this process.
std::mutex keeping;
std::shared_ptr<LaunchedRanks> kept;

const char* environment(const char* name) { return secure_getenv(name); }

c10::Device device_of_rank(const std::string& wish, const Place& place) {
  constexpr const char* kWithout = "device=cpu for rank 0 and --device=cpu for the others";
  if (!wish.empty() && wish != "auto") return find_device(wish, kWithout);
  const c10::Device any = find_device("auto");
  return any.is_cpu() ? any : find_device("cuda:" + std::to_string(place.local_rank), kWithout);
}

// With a network that it can talk through.
c10::Device usable_device(const std::string& wish, const Place& place) {
  const c10::Device device = device_of_rank(wish, place);
  if (device.is_cpu()) parallel::check_network(environment);
  return device;
}

Place place_of_this_process() {
  const auto place = parallel::place_in(environment);
  if (place) return *place;
  throw Error(ErrorKind::kSettings,
              "No launcher has started this process as a rank: RANK and WORLD_SIZE (torchrun), "
              "OMPI_COMM_WORLD_RANK (mpirun) or SLURM_PROCID (srun) are not set. Start all ranks "
              "with one of them, or name devices of this machine: devices=cuda:0,cuda:1.");
}

RankPlace rank_place(const Place& place, const c10::Device& device, const std::string& path) {
  RankPlace made;
  made.device = device;
  made.address = parallel::own_address(place);
  made.model_path = path;
  return made;
}

std::shared_ptr<parallel::Agreement> meet(const Place& place, const c10::Device& device,
                                          const std::string& release, const Cancel* cancel) {
  return parallel::meet(place, {release, device.str()}, parallel::patience_in(environment), cancel);
}

// Devices and launched ranks alike: what the clip can be split among.
void check_size(const Place& place) {
  if (can_split(place.size)) return;
  throw Error(ErrorKind::kSettings,
              place.launcher + " has started " + std::to_string(place.size) +
                  " ranks. A clip is made by 1, 2, 3, 4, 6 or 8 of them: start so many.");
}

}  // namespace

std::shared_ptr<LaunchedRanks> LaunchedRanks::awaited(const std::string& device,
                                                      const std::string& release) {
  static std::mutex mutex;
  static std::weak_ptr<LaunchedRanks> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const Place place = place_of_this_process();
  if (place.rank != 0) {
    throw Error(ErrorKind::kSettings,
                "This process is rank " + std::to_string(place.rank) + " of " +
                    std::to_string(place.size) +
                    ". Rank 0 runs the element, the others ovii2v-worker --join.");
  }
  check_size(place);
  const c10::Device wished = usable_device(device, place);
  std::shared_ptr<LaunchedRanks> ranks = known.lock();
  if (!ranks || ranks->failed()) {
    ranks.reset(new LaunchedRanks(place, wished, release));
    known = ranks;
  }
  if (wished != ranks->device_) {
    throw Error(ErrorKind::kSettings, "Rank 0 works on " + ranks->device_.str() +
                                          " until its process ends. Set device=" +
                                          ranks->device_.str() + ", or start all ranks again.");
  }
  return ranks;
}

LaunchedRanks::LaunchedRanks(const Place& place, const c10::Device& device,
                             const std::string& release)
    : device_(device) {
  try {
    waiting_ = std::thread([this, place, release] {
      leave_signals_to_the_application();
      wait(place, release);
    });
  } catch (...) {
    throw_no_threads(std::current_exception());
  }
}

LaunchedRanks::~LaunchedRanks() {
  over_.trigger();
  waiting_.join();
}

void LaunchedRanks::wait(const Place& place, const std::string& release) {
  std::shared_ptr<Ranks> ranks;
  std::exception_ptr failure;
  try {
    ranks =
        std::make_shared<Ranks>(meet(place, device_, release, &over_), rank_place(place, device_, ""));
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  ranks_ = std::move(ranks);
  failure_ = failure;
  changed_.notify_all();
}

bool LaunchedRanks::failed() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return failure_ != nullptr;
}

std::shared_ptr<LoadedModel> LaunchedRanks::own_model(const EngineConfig& config) const {
  return open_model(config, device_, part_of(RankPlace().world, 0));
}

std::shared_ptr<Ranks> LaunchedRanks::come(const Cancel* cancel) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!ranks_ && !failure_) {
    if (cancel) cancel->check();
    changed_.wait_for(lock, kPoll);
  }
  if (failure_) std::rethrow_exception(failure_);
  lock.unlock();
  const std::lock_guard<std::mutex> held(keeping);
  kept = shared_from_this();
  return ranks_;
}

void join_launched(const std::string& model_path, const std::string& device,
                   const std::string& release, const Cancel* leave) {
  const Place place = place_of_this_process();
  if (place.rank == 0) {
    throw Error(ErrorKind::kSettings,
                "This process is rank 0 of " + std::to_string(place.size) +
                    ", which runs the element with devices=ranks. The others join it.");
  }
  check_size(place);
  // Most ranks end when rank 0 does. LibTorch warns of that, with its stack; what else it warns of
  // rank 0 sees on its own device.
  constexpr int kErrors = 2;
  FLAGS_caffe2_log_level = std::max(FLAGS_caffe2_log_level, kErrors);
  const c10::Device own = [&] {
    try {
      return usable_device(device, place);
    } catch (const Error& error) {
      parallel::excuse(place, error, parallel::patience_in(environment));
      throw;
    }
  }();
  RankService(meet(place, own, release, leave), rank_place(place, own, model_path)).serve(leave);
}

}  // namespace ovi
