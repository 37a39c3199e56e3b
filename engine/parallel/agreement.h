// What ranks that work together agree on: whether one of them has failed, was cancelled or is gone,
// and which one that was.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "parallel/store.h"
#include "runtime/cancel.h"
#include "runtime/error.h"

namespace ovi::parallel {

/// How long a rank waits for the others.
struct Patience {
  std::chrono::milliseconds join{8000};     // for all of them to come
  std::chrono::milliseconds silence{5000};  // of one that has come; then it is gone
};

/// One rank's part in it. Work is done in rounds, the same ones by all ranks; the first failure in
/// a round is that round's, for all of them, and ends it. A rank that says nothing any more ends
/// all rounds. A thread of its own looks for that, several times a second.
class Agreement {
 public:
  Agreement(std::shared_ptr<Store> store, int64_t rank, int64_t size, Patience patience = {});
  ~Agreement();
  Agreement(const Agreement&) = delete;
  Agreement& operator=(const Agreement&) = delete;

  int64_t rank() const { return rank_; }
  int64_t size() const { return size_; }
  const std::shared_ptr<Store>& store() const { return store_; }
  const Patience& patience() const { return patience_; }

  /// When all have come: what each is called ("Rank 1 (cuda:1 of node3)"). From then on each is to
  /// be heard of.
  void all_came(std::vector<std::string> names);

  /// As all_came() has it.
  std::string name(int64_t rank) const;

  /// Begins round `number` (from 1, ascending). `wished`, which may be null and is looked at until
  /// end_round(), cancels it for all as rank 0; another rank leaves for ever.
  void begin_round(int64_t number, const Cancel* wished);
  /// What it has failed with is forgotten, but for what ends all rounds.
  void end_round();
  /// Of the round: triggered once it has failed, whoever did it.
  const Cancel& cancel() const { return cancel_; }

  /// Throws what the round has failed with, or all rounds.
  void check() const;
  bool failed() const;
  /// Tells the others of this rank's failure; what the round has failed with, which may be
  /// another's.
  Error fail(const Error& own);
  /// The same for a connection that broke, most likely since another one has failed or is gone,
  /// which is waited for.
  Error broken(const std::string& why);
  /// Ends all rounds of all ranks.
  void give_up(const Error& own);
  /// With what a rank leaves that was told to end.
  Error leaving() const;
  /// Whether that has happened, or a rank is gone.
  bool over() const;
  /// Which one is gone; -1: none.
  int64_t gone() const;
  /// Returns after `time`, or when the round has failed.
  void wait(std::chrono::milliseconds time) const;

  /// Calls it once, when the round fails, on any thread; until it is dropped.
  using Ticket = std::shared_ptr<void>;
  Ticket on_failure(std::function<void()> call);

 private:
  struct Failure {
    ErrorKind kind = ErrorKind::kFailed;
    std::string message, detail;  // the first names the rank
    int64_t gone = -1;            // a rank that is not there any more
  };
  struct Heard {
    std::string beat;
    std::chrono::milliseconds silent{0};
  };

  /// Of the round or for ever, if any; `mutex_` is held.
  const Failure* known() const { return lost_ ? &*lost_ : failure_ ? &*failure_ : nullptr; }
  Error settle(const Failure& own);
  void decide_round(int64_t round, const Failure& failure);
  void decide_for_ever(const Failure& failure);
  void store_is_gone(const Error& error);
  void watch();
  void look();
  void listen(std::chrono::milliseconds passed);

  const std::shared_ptr<Store> store_;
  const int64_t rank_, size_;
  const Patience patience_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool over_ = false;
  int64_t round_ = 0;
  bool in_round_ = false;
  const Cancel* wished_ = nullptr;
  std::optional<Failure> failure_, lost_;  // of the round; of all that come
  std::vector<std::string> names_;
  Cancel cancel_;
  std::mutex calling_;  // held while calls are made, and by who drops one; before mutex_
  std::map<int64_t, std::function<void()>> calls_;
  int64_t next_call_ = 0;

  // The watching thread's own.
  std::vector<Heard> heard_;
  int64_t beats_ = 0;
  std::thread watching_;
};

}  // namespace ovi::parallel
