// SPDX-License-Identifier: Apache-2.0
#include "parallel/agreement.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "runtime/decimal.h"
#include "runtime/threads.h"

namespace ovi::parallel {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kTick(20);              // a cancel is seen so soon,
constexpr Milliseconds kLook(60);              // another rank's failure so soon,
constexpr Milliseconds kFarewell(10 * kLook);  // and so long rank 0 stays for that
constexpr Milliseconds kBeat(500);             // so often is each heard of
constexpr Milliseconds kReason(5000);          // in which whoever broke a connection is heard of
constexpr const char* kLost = "lost";

std::string round_key(int64_t round) { return "round/" + std::to_string(round) + "/failed"; }
std::string beat_key(int64_t rank) { return "beat/" + std::to_string(rank); }

// Kind, rank that is gone, message and detail with zeros between them.
template <typename Failure>
std::string written(const Failure& failure) {
  std::string bytes = std::to_string(static_cast<int>(failure.kind));
  for (const std::string& text : {std::to_string(failure.gone), failure.message, failure.detail})
    bytes.append(1, '\0') += text;
  return bytes;
}

template <typename Failure>
Failure read(const std::string& bytes) {
  Failure failure;
  const size_t first = bytes.find('\0'), second = bytes.find('\0', first + 1),
               third = second == std::string::npos ? second : bytes.find('\0', second + 1);
  int kind = -1;
  if (third != std::string::npos) std::from_chars(bytes.data(), bytes.data() + first, kind);
  if (kind < 0 || kind > static_cast<int>(ErrorKind::kRankGone)) {
    failure.message =
        "A rank has failed, and what it says of that makes no sense. Install the "
        "same release for all ranks.";
    return failure;
  }
  failure.kind = static_cast<ErrorKind>(kind);
  failure.gone = std::strtoll(bytes.c_str() + first + 1, nullptr, 10);
  failure.message = bytes.substr(second + 1, third - second - 1);
  failure.detail = bytes.substr(third + 1);
  return failure;
}

template <typename Failure>
Error error_of(const Failure& failure) {
  return Error(failure.kind, failure.message, failure.detail);
}

}  // namespace

Agreement::Agreement(std::shared_ptr<Store> store, int64_t rank, int64_t size, Patience patience)
    : store_(std::move(store)), rank_(rank), size_(size), patience_(patience) {
  try {
    watching_ = std::thread([this] { watch(); });
  } catch (...) {
    throw_no_threads(std::current_exception());
  }
}

Agreement::~Agreement() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    // The store most often goes with rank 0's process, and the others are to read in it first
    // what all rounds have ended with.
    if (rank_ == 0 && size_ > 1 && lost_) changed_.wait_for(lock, kFarewell, [] { return false; });
    over_ = true;
    changed_.notify_all();
  }
  watching_.join();
}

std::string Agreement::name(int64_t rank) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return rank < static_cast<int64_t>(names_.size()) ? names_[rank] : "Rank " + std::to_string(rank);
}

void Agreement::all_came(std::vector<std::string> names) {
  const std::lock_guard<std::mutex> lock(mutex_);
  names_ = std::move(names);
}

void Agreement::begin_round(int64_t number, const Cancel* wished) {
  const std::lock_guard<std::mutex> lock(mutex_);
  round_ = number;
  in_round_ = true;
  wished_ = wished;
  failure_.reset();
  if (!lost_) cancel_.reset();
}

void Agreement::end_round() {
  const std::lock_guard<std::mutex> lock(mutex_);
  in_round_ = false;
  wished_ = nullptr;
  failure_.reset();
}

void Agreement::check() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const Failure* failure = known()) throw error_of(*failure);
}

bool Agreement::failed() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return known() != nullptr;
}

bool Agreement::over() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return lost_.has_value();
}

Error Agreement::leaving() const {
  return Error(ErrorKind::kRankGone,
               name(rank_) + " was told to end, and left the others. Start all ranks again.");
}

int64_t Agreement::gone() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return lost_ ? lost_->gone : -1;
}

void Agreement::give_up(const Error& own) {
  const Failure failure{own.kind(), own.what(), own.detail()};
  try {
    decide_for_ever(read<Failure>(store_->settle(kLost, written(failure))));
  } catch (const Error& error) {
    store_is_gone(error);
  }
}

void Agreement::wait(Milliseconds time) const {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, time, [this] { return known() != nullptr; });
}

Error Agreement::fail(const Error& own) {
  if (own.kind() == ErrorKind::kCancelled) return settle({own.kind(), own.what(), own.detail()});
  return settle({own.kind(), name(rank_) + ": " + own.what(), own.detail()});
}

Error Agreement::broken(const std::string& why) {
  wait(std::min(patience_.silence, kReason) + 4 * kBeat);
  return settle({ErrorKind::kFailed,
                 name(rank_) + " cannot talk to the other ranks any more. See to the network "
                               "between them, and start all ranks again.",
                 why});
}

// Whoever says it first is right.
Error Agreement::settle(const Failure& own) {
  int64_t round = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const Failure* failure = known()) return error_of(*failure);
    round = round_;
  }
  try {
    decide_round(round, read<Failure>(store_->settle(round_key(round), written(own))));
  } catch (const Error& error) {
    store_is_gone(error);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  const Failure* failure = known();
  return error_of(failure ? *failure : own);
}

void Agreement::decide_round(int64_t round, const Failure& failure) {
  const std::lock_guard<std::mutex> calling(calling_);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!in_round_ || round != round_ || failure_) return;
    failure_ = failure;
    cancel_.trigger();
    changed_.notify_all();
  }
  for (const auto& call : std::exchange(calls_, {})) call.second();
}

void Agreement::decide_for_ever(const Failure& failure) {
  const std::lock_guard<std::mutex> calling(calling_);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (lost_) return;
    lost_ = failure;
    cancel_.trigger();
    changed_.notify_all();
  }
  for (const auto& call : std::exchange(calls_, {})) call.second();
}

void Agreement::store_is_gone(const Error& error) {
  decide_for_ever({ErrorKind::kRankGone,
                   name(0) + " is gone, or its machine or the network is: the ranks' store, which "
                             "it serves, does not answer. Start all ranks again.",
                   std::string(error.what()) + " " + error.detail(),
                   /*gone=*/0});
}

Agreement::Ticket Agreement::on_failure(std::function<void()> call) {
  const std::lock_guard<std::mutex> calling(calling_);
  if (failed()) {
    call();
    return nullptr;
  }
  const int64_t key = next_call_++;
  calls_.emplace(key, std::move(call));
  return Ticket(this, [this, key](void*) {
    const std::lock_guard<std::mutex> lock(calling_);
    calls_.erase(key);
  });
}

void Agreement::watch() {
  leave_signals_to_the_application();
  Clock::time_point last_look, last_beat;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!over_) {
    changed_.wait_for(lock, kTick, [this] { return over_; });
    const bool cancelled = in_round_ && !known() && wished_ && wished_->triggered();
    const bool silent = lost_.has_value(), met = !names_.empty();
    lock.unlock();
    const Clock::time_point now = Clock::now();
    try {
      if (cancelled && rank_ > 0) give_up(leaving());
      if (cancelled && rank_ == 0) settle({ErrorKind::kCancelled, "Cancelled.", {}});
      if (!silent && now - last_look >= kLook) {
        last_look = now;
        look();
      }
      if (!silent && now - last_beat >= (met ? kBeat : kLook)) {
        // A process that was stopped itself has not heard of the others for as long.
        const auto passed = std::chrono::duration_cast<Milliseconds>(now - last_beat);
        last_beat = now;
        listen(std::min(passed, 3 * kBeat));
      }
    } catch (const Error& error) {
      store_is_gone(error);
    } catch (const std::exception&) {
      // Memory that ended: it is tried again.
    }
    lock.lock();
  }
}

void Agreement::look() {
  int64_t round = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (in_round_ && !failure_) round = round_;
  }
  if (round > 0) {
    if (const auto failure = store_->look(round_key(round)))
      decide_round(round, read<Failure>(*failure));
  }
}

void Agreement::listen(Milliseconds passed) {
  if (const auto lost = store_->look(kLost)) return decide_for_ever(read<Failure>(*lost));
  store_->set(beat_key(rank_), std::to_string(++beats_));
  size_t come = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    come = names_.size();
  }
  heard_.resize(come);
  for (size_t other = 0; other < come; ++other) {
    if (static_cast<int64_t>(other) == rank_) continue;
    Heard& heard = heard_[other];
    const std::string beat = store_->look(beat_key(static_cast<int64_t>(other))).value_or("");
    heard.silent = beat == heard.beat ? heard.silent + passed : Milliseconds(0);
    heard.beat = beat;
    if (heard.silent < patience_.silence) continue;
    const Failure lost{ErrorKind::kRankGone,
                       name(static_cast<int64_t>(other)) + " has said nothing for " +
                           whole_seconds(patience_.silence) +
                           ": it was killed or stopped, or its machine or network is gone. Start "
                           "all ranks again.",
                       {},
                       static_cast<int64_t>(other)};
    return decide_for_ever(read<Failure>(store_->settle(kLost, written(lost))));
  }
}

}  // namespace ovi::parallel
