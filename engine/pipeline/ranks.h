// The ranks that make an engine's clips together, as rank 0 has them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "parallel/agreement.h"
#include "parallel/rendezvous.h"
#include "pipeline/engine_config.h"
#include "pipeline/rank_service.h"
#include "runtime/turn.h"

namespace ovi {

/// Rank 0 of its world. Orders are given one after another, and each is over on all ranks before
/// the next one.
class Ranks : public std::enable_shared_from_this<Ranks> {
 public:
  Ranks(std::shared_ptr<parallel::Agreement> agreement, RankPlace place);
  virtual ~Ranks() = default;
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  /// A model on all ranks, of which this is rank 0's part. It is closed on all when nobody has it
  /// any more. `compare`: their files may be others than rank 0's. Throws Error that names the rank
  /// which has no such model. May wait for a clip that is made; `cancel` may be null.
  std::shared_ptr<LoadedModel> open(const EngineConfig& config, bool compare, const Cancel* cancel);
  /// As Generator::generate() does, with a model that open() gave, and the error of whichever rank
  /// fails.
  GenerationStats generate(const std::shared_ptr<LoadedModel>& model, const Request& request,
                           ClipSink& sink, const Cancel* cancel);

 protected:
  void tell_to_leave();

 private:
  class Open;
  /// Gives an order, does rank 0's part and waits for the others; bytes that each has sent.
  std::vector<int64_t> give(const RankOrder& order, const Cancel* cancel = nullptr,
                            ClipSink* sink = nullptr, GenerationStats* stats = nullptr);
  void wait_for_others(int64_t round, std::vector<int64_t>& sent);

  RankService service_;
  Turn turn_;
  int64_t round_ = 0, models_ = 0, groups_ = 0;
  std::map<const LoadedModel*, int64_t> open_;
};

/// An engine's model on several ranks, and who makes its clips.
struct RankedModel {
  std::shared_ptr<Ranks> ranks;
  std::shared_ptr<LoadedModel> model;  // rank 0's
};

/// Each device a rank, which is a thread of this process. Engines of equal configurations share
/// them.
RankedModel open_on_devices(const EngineConfig& config, const std::vector<c10::Device>& devices);

}  // namespace ovi
