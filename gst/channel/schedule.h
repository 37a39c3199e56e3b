// What a live channel shows when: clip, or the hold between two. No clocks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace ovii2v {

/// Frames are counted from the first one that was shown, without a hole; both pads share
/// them, so that a clip begins on the same frame for both. What a frame shows is decided
/// once, by the pad that comes to it first, when it is due. Guarded by Source::lock.
class Schedule {
 public:
  struct Shown {
    std::optional<uint64_t> clip;  // none: the hold
    uint64_t begin = 0;            // of the clip's frame 0, or of the hold
    uint64_t end = 0;              // what is before this frame shows the same for sure
  };

  void reset();
  /// A clip has `frames`; the next one may begin `period` after it at the earliest.
  void set_clip(uint64_t frames, uint64_t period);

  /// What `frame` shows. Where nobody decided yet the next clip begins, if it is `ready` and
  /// the one before is over; frames that nobody asked for are the hold.
  Shown at(uint64_t frame, bool ready);
  bool decided(uint64_t frame) const { return frame < decided_; }
  /// Clips that have begun; the index of the next one.
  uint64_t begun() const { return begun_; }
  /// Where the last one that has begun ends when none follows.
  uint64_t end_of_last() const { return begun_ ? last_begin_ + frames_ : 0; }
  /// Nobody will ask for what is before `frame`.
  void forget_before(uint64_t frame);

 private:
  struct Run {
    uint64_t begin;
    std::optional<uint64_t> clip;
  };

  uint64_t frames_ = 1, period_ = 1;
  uint64_t begun_ = 0, last_begin_ = 0;
  uint64_t decided_ = 0;  // frames
  std::deque<Run> runs_;
};

}  // namespace ovii2v
