// SPDX-License-Identifier: Apache-2.0
#include "pipeline/ranks.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "parallel/store.h"
#include "runtime/decimal.h"
#include "runtime/error.h"
#include "runtime/failure.h"
#include "runtime/threads.h"

namespace ovi {
namespace {

using parallel::Agreement;

constexpr std::chrono::milliseconds kPoll(5);
constexpr double kMiB = 1 << 20;

std::string world_of(const std::vector<c10::Device>& devices) {
  std::string world;
  for (const c10::Device& device : devices) world.append(world.empty() ? "" : ",").append(device.str());
  return world;
}

// The ranks of one process: its threads.
class ThreadRanks final : public Ranks {
 public:
  ThreadRanks(const std::vector<c10::Device>& devices, std::shared_ptr<parallel::Store> store)
      : Ranks(agreement_of(devices, store, 0), place_of(devices, 0)) {
    try {
      for (int64_t rank = 1; rank < static_cast<int64_t>(devices.size()); ++rank) {
        const auto service = std::make_shared<RankService>(agreement_of(devices, store, rank),
                                                           place_of(devices, rank));
        threads_.emplace_back([service] {
          leave_signals_to_the_application();
          try {
            service->serve(nullptr);
          } catch (...) {
            // What it failed with is agreed, and rank 0 tells.
          }
        });
      }
    } catch (...) {
      const std::exception_ptr refused = std::current_exception();
      leave();
      throw_no_threads(refused);
    }
  }
  ~ThreadRanks() override { leave(); }

 private:
  static std::shared_ptr<Agreement> agreement_of(const std::vector<c10::Device>& devices,
                                                 const std::shared_ptr<parallel::Store>& store,
                                                 int64_t rank) {
    parallel::Patience patience;
    patience.silence = std::chrono::hours(24 * 365);  // a thread is not lost alone
    auto agreement =
        std::make_shared<Agreement>(store, rank, static_cast<int64_t>(devices.size()), patience);
    std::vector<std::string> names;
    for (const c10::Device& device : devices)
      names.push_back("Rank " + std::to_string(names.size()) + " (" + device.str() + ")");
    agreement->all_came(std::move(names));
    return agreement;
  }

  static RankPlace place_of(const std::vector<c10::Device>& devices, int64_t rank) {
    RankPlace place;
    place.device = devices[rank];
    place.world = world_of(devices);
    return place;
  }

  void leave() {
    try {
      tell_to_leave();
    } catch (...) {
      // They are gone already.
    }
    for (std::thread& thread : threads_) thread.join();
  }

  std::vector<std::thread> threads_;
};

std::string mib(int64_t bytes) { return decimal(static_cast<double>(bytes) / kMiB, 1); }

}  // namespace

// What a model that is open on all ranks hangs on.
class Ranks::Open {
 public:
  Open(std::shared_ptr<Ranks> ranks, std::shared_ptr<LoadedModel> model, int64_t number)
      : ranks_(std::move(ranks)), model_(std::move(model)), number_(number) {}
  ~Open() {
    try {
      RankOrder order;
      order.what = RankOrder::Do::kClose;
      order.model = number_;
      const Turn::Holder turn(ranks_->turn_, nullptr);
      ranks_->open_.erase(model_.get());
      ranks_->give(order);
    } catch (...) {
      // Ranks that are gone have no model either.
    }
  }

 private:
  const std::shared_ptr<Ranks> ranks_;
  const std::shared_ptr<LoadedModel> model_;
  const int64_t number_;
};

Ranks::Ranks(std::shared_ptr<Agreement> agreement, RankPlace place)
    : service_(std::move(agreement), std::move(place)) {}

void Ranks::wait_for_others(int64_t round, std::vector<int64_t>& sent) {
  Agreement& agreement = service_.agreement();
  for (int64_t rank = 1; rank < agreement.size(); ++rank) {
    while (!agreement.over()) {
      try {
        if (const auto done = agreement.store()->look(done_key(round, rank))) {
          sent[rank] = std::strtoll(done->c_str(), nullptr, 10);
          // Said before it was done, but looked for less often.
          while (done->ends_with(kFailed) && !agreement.failed() && !agreement.over())
            std::this_thread::sleep_for(kPoll);
          break;
        }
      } catch (const Error&) {
        // The agreement finds out the same, and says who is gone.
      }
      std::this_thread::sleep_for(kPoll);
    }
  }
}

std::vector<int64_t> Ranks::give(const RankOrder& order, const Cancel* cancel, ClipSink* sink,
                                 GenerationStats* stats) {
  Agreement& agreement = service_.agreement();
  if (agreement.over()) agreement.check();
  std::vector<int64_t> sent(static_cast<size_t>(agreement.size()));
  const int64_t round = ++round_, sent_before = service_.bytes_sent();
  agreement.begin_round(round, cancel);
  std::optional<Error> failed;
  try {
    agreement.store()->set(order_key(round), written(order));
    service_.obey(order, sink, stats);
  } catch (...) {
    failed = agreement.fail(error_in_flight());
  }
  sent[0] = service_.bytes_sent() - sent_before;
  wait_for_others(round, sent);
  try {
    agreement.check();
    agreement.store()->erase(order_key(round));
    for (int64_t rank = 1; rank < agreement.size(); ++rank)
      agreement.store()->erase(done_key(round, rank));
  } catch (const Error& error) {
    if (!failed) failed = error;
  }
  agreement.end_round();
  if (!failed) return sent;
  service_.drop_group();
  throw *failed;
}

std::shared_ptr<LoadedModel> Ranks::open(const EngineConfig& config, bool compare,
                                         const Cancel* cancel) {
  const Turn::Holder turn(turn_, cancel);
  RankOrder order;
  order.what = RankOrder::Do::kOpen;
  order.model = ++models_;
  order.config = config;
  if (compare) order.identity = identity_of(find_model(config.model_path, config.variant));
  try {
    give(order, cancel);
  } catch (...) {
    // Some have it, and are to let go of it.
    RankOrder close;
    close.what = RankOrder::Do::kClose;
    close.model = order.model;
    if (!service_.agreement().over()) give(close);
    throw;
  }
  const std::shared_ptr<LoadedModel> own = service_.model(order.model);
  open_[own.get()] = order.model;
  return {std::make_shared<Open>(shared_from_this(), own, order.model), own.get()};
}

GenerationStats Ranks::generate(const std::shared_ptr<LoadedModel>& model, const Request& request,
                                ClipSink& sink, const Cancel* cancel) {
  const Turn::Holder turn(turn_, cancel);
  RankOrder order;
  order.what = RankOrder::Do::kMake;
  order.model = open_.at(model.get());
  // All let go of a group together, and find each other anew under another number.
  if (!service_.connected()) ++groups_;
  order.group = groups_;
  order.request = request;
  GenerationStats stats;
  const std::vector<int64_t> sent = give(order, cancel, &sink, &stats);
  std::string note = "Sent to other ranks:";
  for (size_t rank = 0; rank < sent.size(); ++rank)
    note.append(rank ? ", " : " ").append(mib(sent[rank])).append(" MiB by rank ").append(
        std::to_string(rank));
  sink.note(note + ".");
  return stats;
}

void Ranks::tell_to_leave() { give(RankOrder{}); }

RankedModel open_on_devices(const EngineConfig& config, const std::vector<c10::Device>& devices) {
  static std::mutex mutex;
  static std::map<const LoadedModel*, std::pair<std::weak_ptr<Ranks>, std::weak_ptr<LoadedModel>>>
      all;
  const std::lock_guard<std::mutex> lock(mutex);
  std::erase_if(all, [](const auto& entry) { return entry.second.second.expired(); });
  // Rank 0's, which is the same object as long as somebody has it.
  const auto first = open_model(config, devices[0], part_of(world_of(devices), 0));
  auto& known = all[first.get()];
  if (auto model = known.second.lock()) return {known.first.lock(), model};
  const auto ranks = std::make_shared<ThreadRanks>(devices, parallel::process_store());
  RankedModel opened{ranks, ranks->open(config, /*compare=*/false, nullptr)};
  known = {opened.ranks, opened.model};
  return opened;
}

}  // namespace ovi
