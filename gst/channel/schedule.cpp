// What a live channel shows when: clip, or the hold between two. No clocks.
// SPDX-License-Identifier: Apache-2.0
#include "schedule.h"

#include <algorithm>

namespace ovii2v {

void Schedule::reset() {
  begun_ = last_begin_ = decided_ = 0;
  runs_.clear();
}

void Schedule::set_clip(uint64_t frames, uint64_t period) {
  frames_ = frames;
  period_ = period;
}

Schedule::Shown Schedule::at(uint64_t frame, bool ready) {
  while (decided_ <= frame) {
    const bool in_clip = begun_ && decided_ < last_begin_ + period_;
    const bool in_tail = begun_ && decided_ < last_begin_ + frames_;
    if (in_clip) {
      decided_ = last_begin_ + period_;
    } else if (ready && decided_ == frame) {
      runs_.push_back({decided_, begun_++});
      last_begin_ = decided_;
    } else {
      if (!in_tail && (runs_.empty() || runs_.back().clip)) runs_.push_back({decided_, {}});
      ++decided_;
    }
  }
  auto after = std::find_if(runs_.begin(), runs_.end(),
                            [frame](const Run& run) { return run.begin > frame; });
  const uint64_t end = after == runs_.end() ? decided_ : after->begin;
  if (after == runs_.begin()) return {{}, frame, end};  // forgotten
  const Run& run = *(after - 1);
  return {run.clip, run.begin, end};
}

void Schedule::forget_before(uint64_t frame) {
  while (runs_.size() > 1 && runs_[1].begin <= frame) runs_.pop_front();
}

}  // namespace ovii2v
