// When a live clip is due: the gate, the offset that both pads share, the waiting.
// SPDX-License-Identifier: Apache-2.0
#include "live_clock.h"

#include <algorithm>

namespace ovii2v {

void LiveClock::reset() {
  open_ = reopened_ = false;
  offset_.reset();
  gaps_end_ = 0;
  resumed_ = 0;
}

void LiveClock::open() { open_ = reopened_ = true; }

void LiveClock::close() {
  open_ = false;
  interrupt();
}

std::optional<GstClockTime> LiveClock::now() const {
  g_autoptr(GstClock) clock = gst_element_get_clock(element_);
  if (!clock) return std::nullopt;
  const GstClockTime time = gst_clock_get_time(clock);
  const GstClockTime base = gst_element_get_base_time(element_);
  return time > base ? time - base : 0;
}

void LiveClock::resume(uint64_t clips, GstClockTime position, GstClockTime tolerance) {
  // The other pad was here first, and may be far ahead by now.
  const bool lost = offset_ && is_lost(position + *offset_);
  if (offset_ && !reopened_ && clips <= resumed_ && !lost) return;
  reopened_ = false;
  resumed_ = clips;
  if (lost || is_lost(gaps_end_)) gaps_end_ = 0;
  const GstClockTime earliest = std::max(now().value_or(0), gaps_end_);
  if (lost) {
    offset_ = GST_CLOCK_DIFF(position, earliest);
    return;
  }
  if (offset_ && earliest <= position + *offset_ + tolerance && gaps_end_ <= position + *offset_)
    return;
  offset_ = std::max(offset_.value_or(0),
                     std::max<GstClockTimeDiff>(GST_CLOCK_DIFF(position, earliest), 0));
}

bool LiveClock::is_lost(GstClockTime due) const {
  constexpr GstClockTime kFarthest = GST_SECOND;  // a frame, a block of sound
  const auto time = now();
  return time && due > *time + kFarthest;
}

bool LiveClock::anchor(GstClockTime position, GstClockTime tolerance) {
  const GstClockTime time = now().value_or(0);
  const GstClockTime due = position + offset();
  const bool late = reopened_ && time > due + tolerance;
  const bool again = offset_ && (late || is_lost(due));
  reopened_ = false;
  if (offset_ && !again) return false;
  offset_ = GST_CLOCK_DIFF(position, time);
  return again;
}

void LiveClock::add_gap(GstClockTime end) { gaps_end_ = std::max(gaps_end_, end); }

bool LiveClock::wait(std::unique_lock<std::mutex>& held, Kind kind, GstClockTime running_time) {
  g_autoptr(GstClock) clock = gst_element_get_clock(element_);
  if (!clock) return true;
  GstClockID& mine = waiting_[kind == Kind::kAudio];
  const GstClockID id =
      gst_clock_new_single_shot_id(clock, gst_element_get_base_time(element_) + running_time);
  mine = id;
  held.unlock();
  const GstClockReturn result = gst_clock_id_wait(id, nullptr);
  held.lock();
  mine = nullptr;
  gst_clock_id_unref(id);
  return result != GST_CLOCK_UNSCHEDULED;
}

void LiveClock::interrupt() {
  for (GstClockID id : waiting_)
    if (id) gst_clock_id_unschedule(id);
}

}  // namespace ovii2v
