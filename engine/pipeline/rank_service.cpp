// SPDX-License-Identifier: Apache-2.0
#include "pipeline/rank_service.h"

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "parallel/c10d_group.h"
#include "runtime/error.h"
#include "runtime/failure.h"

namespace ovi {
namespace {

constexpr std::chrono::milliseconds kPoll(10);

// The clip is rank 0's to hand out.
class NoSink final : public ClipSink {
 public:
  void progress(Stage, int64_t, int64_t, double) override {}
  void audio(const at::Tensor&) override {}
  void video(int64_t, const at::Tensor&) override {}
};

}  // namespace

std::string part_of(const std::string& world, int64_t rank) {
  return "rank " + std::to_string(rank) + " of " + world;
}

std::string order_key(int64_t round) { return "round/" + std::to_string(round) + "/order"; }

std::string done_key(int64_t round, int64_t rank) {
  return "round/" + std::to_string(round) + "/done/" + std::to_string(rank);
}

void RankService::open(const RankOrder& order) {
  EngineConfig config = order.config;
  if (!place_.model_path.empty()) config.model_path = place_.model_path;
  const auto model =
      open_model(config, place_.device, part_of(place_.world, agreement_->rank()));
  if (!order.identity.empty() && agreement_->rank() > 0 &&
      identity_of(model->folder()) != order.identity) {
    throw Error(ErrorKind::kFormat, "Its model in '" + config.model_path +
                                        "' is another one than rank 0's: variant, or names, types "
                                        "or shapes of tensors. Give all ranks the same files.");
  }
  models_[order.model] = model;
}

void RankService::make(const RankOrder& order, ClipSink* sink, GenerationStats* stats) {
  if (!group_ || group_number_ != order.group) {
    group_.reset();
    group_ = parallel::join_group(agreement_, std::to_string(order.group), place_.device,
                                  place_.address);
    group_number_ = order.group;
  }
  NoSink nobody;
  const GenerationStats made =
      Generator(models_.at(order.model))
          .generate(order.request, sink ? *sink : nobody, &agreement_->cancel(), {}, group_);
  if (stats) *stats = made;
}

void RankService::obey(const RankOrder& order, ClipSink* sink, GenerationStats* stats) {
  switch (order.what) {
    case RankOrder::Do::kOpen:
      return open(order);
    case RankOrder::Do::kMake:
      return make(order, sink, stats);
    case RankOrder::Do::kClose:
      models_.erase(order.model);
      if (models_.empty()) group_.reset();
      return;
    case RankOrder::Do::kLeave:
      return;
  }
}

void RankService::serve(const Cancel* leave) {
  parallel::Store& store = *agreement_->store();
  std::optional<Error> own;  // what this rank has ended the last clip or model with
  for (int64_t round = 1;; ++round) {
    std::optional<std::string> bytes;
    while (!bytes) {
      if (leave && leave->triggered()) {
        agreement_->give_up(agreement_->leaving());
        leave->check();
      }
      // Rank 0's process has ended, and left nothing undone, or ended by what this rank says.
      if (agreement_->over() && (models_.empty() || agreement_->gone() == 0)) {
        if (own) throw *own;
        return;
      }
      if (agreement_->over()) agreement_->check();
      try {
        bytes = store.look(order_key(round));
      } catch (const Error&) {
        // The agreement finds out the same, and says who is gone.
      }
      if (!bytes) std::this_thread::sleep_for(kPoll);
    }
    agreement_->begin_round(round, leave);
    RankOrder order;
    order.what = RankOrder::Do::kClose;  // until it is known
    int64_t sent = bytes_sent();
    try {
      order = read_order(*bytes);
      obey(order, nullptr, nullptr);
      if (order.what != RankOrder::Do::kClose) own.reset();
    } catch (...) {
      const Error error = error_in_flight();
      if (!agreement_->failed()) own = error;  // else it is what another one has told of
      agreement_->fail(error);
    }
    sent = bytes_sent() - sent;
    const bool failed = agreement_->failed();
    if (failed) drop_group();
    try {
      store.set(done_key(round, agreement_->rank()),
                std::to_string(sent) + (failed ? kFailed : ""));
    } catch (const Error&) {
      // Likewise.
    }
    agreement_->end_round();
    if (agreement_->over()) agreement_->check();
    if (order.what == RankOrder::Do::kLeave) return;
  }
}

}  // namespace ovi
