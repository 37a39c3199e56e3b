// A rank's life: what each rank does in a round, and that of those which are not rank 0.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "parallel/agreement.h"
#include "parallel/group.h"
#include "pipeline/generator.h"
#include "pipeline/rank_messages.h"

namespace ovi {

/// What a rank brings along.
struct RankPlace {
  c10::Device device = c10::kCPU;
  std::string address = "127.0.0.1";  // where the other ranks can reach it
  std::string model_path;             // its own; empty: where rank 0 has it
  std::string world = "launched";     // with which devices, for models that they do not share
};

/// Rank 0 works with it too, and hands out the orders.
class RankService {
 public:
  RankService(std::shared_ptr<parallel::Agreement> agreement, RankPlace place)
      : agreement_(std::move(agreement)), place_(std::move(place)) {}

  /// As one of the others: obeys until it is told to leave, or rank 0 ends. Throws Error where a
  /// rank is gone while there is work, kCancelled soon after `leave` (may be null) is triggered.
  void serve(const Cancel* leave);

  /// This rank's part in an order, within a round; throws whatever goes wrong. `sink` and `stats`
  /// may be null.
  void obey(const RankOrder& order, ClipSink* sink, GenerationStats* stats);
  /// After a round that failed: the connections are of no use any more.
  void drop_group() { group_.reset(); }
  bool connected() const { return group_ != nullptr; }

  const std::shared_ptr<LoadedModel>& model(int64_t number) const { return models_.at(number); }
  int64_t bytes_sent() const { return group_ ? group_->bytes_sent() : 0; }
  parallel::Agreement& agreement() const { return *agreement_; }

 private:
  void open(const RankOrder& order);
  void make(const RankOrder& order, ClipSink* sink, GenerationStats* stats);

  const std::shared_ptr<parallel::Agreement> agreement_;
  const RankPlace place_;
  std::map<int64_t, std::shared_ptr<LoadedModel>> models_;
  std::shared_ptr<parallel::Group> group_;
  int64_t group_number_ = 0;
};

/// As which a rank of such a world has its model.
std::string part_of(const std::string& world, int64_t rank);

/// The keys of a round in the ranks' store.
std::string order_key(int64_t round);
std::string done_key(int64_t round, int64_t rank);
/// How the value of done_key(), bytes sent, ends where the round has failed.
inline constexpr const char* kFailed = " failed";

}  // namespace ovi
