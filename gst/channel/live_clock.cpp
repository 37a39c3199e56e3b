// When a live clip is due: the gate, the offset that both pads share, the waiting.
// SPDX-License-Identifier: Apache-2.0
#include "channel/live_clock.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>

namespace ovii2v {
namespace {

/// No frame or block of sound is due so far ahead: the contract of a hold is 0.2 s without one.
constexpr GstClockTime kFarthest = GST_SECOND / 5;
/// Of a time that is past by more nothing is made up for.
constexpr GstClockTime kLatest = 10 * GST_SECOND;
/// How often a waiting pad looks whether the clock is still what it was.
constexpr std::chrono::milliseconds kLook{100};

}  // namespace

/// Shared with the clock's own thread, which may be late with its call.
struct LiveClock::Alarm {
  std::mutex lock;
  std::condition_variable rings;
  bool due = false, interrupted = false;
  GstClockID id = nullptr;  // while it is waited for

  void ring(bool time_came) {
    std::lock_guard guard(lock);
    (time_came ? due : interrupted) = true;
    rings.notify_all();
  }
};

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

bool LiveClock::resume(uint64_t clips, GstClockTime position, GstClockTime tolerance) {
  // The other pad was here first, and may be far ahead by now.
  const bool lost = offset_ && (is_lost(position + *offset_) || is_past(position + *offset_));
  if (offset_ && !reopened_ && clips <= resumed_ && !lost) return false;
  reopened_ = false;
  resumed_ = clips;
  if (lost || is_lost(gaps_end_)) gaps_end_ = 0;
  const GstClockTime earliest = std::max(now().value_or(0), gaps_end_);
  if (lost) {
    offset_ = GST_CLOCK_DIFF(position, earliest);
    return true;
  }
  if (offset_ && earliest <= position + *offset_ + tolerance && gaps_end_ <= position + *offset_)
    return false;
  offset_ = std::max(offset_.value_or(0),
                     std::max<GstClockTimeDiff>(GST_CLOCK_DIFF(position, earliest), 0));
  return false;
}

bool LiveClock::is_lost(GstClockTime due) const {
  const auto time = now();
  return time && due > *time + kFarthest;
}

bool LiveClock::is_past(GstClockTime due) const {
  const auto time = now();
  return time && *time > due + kLatest;
}

bool LiveClock::anchor(GstClockTime position, GstClockTime tolerance) {
  const GstClockTime time = now().value_or(0);
  const GstClockTime due = position + offset();
  const bool late = reopened_ && time > due + tolerance;
  const bool again = offset_ && (late || is_lost(due) || is_past(due));
  reopened_ = false;
  if (offset_ && !again) return false;
  offset_ = GST_CLOCK_DIFF(position, time);
  return again;
}

void LiveClock::add_gap(GstClockTime end) { gaps_end_ = std::max(gaps_end_, end); }

bool LiveClock::wait(std::unique_lock<std::mutex>& held, Kind kind, GstClockTime running_time) {
  g_autoptr(GstClock) clock = gst_element_get_clock(element_);
  if (!clock) return true;
  const auto alarm = std::make_shared<Alarm>();
  waiting_[kind == Kind::kAudio] = alarm;
  const GstClockTime base = gst_element_get_base_time(element_);
  const GstClockID id = gst_clock_new_single_shot_id(clock, base + running_time);
  alarm->id = id;
  held.unlock();
  // Not gst_clock_id_wait(): a clock that is set back, or that nobody drives any more, would
  // hold the pad as long.
  auto* shared = new std::shared_ptr<Alarm>(alarm);
  const GstClockReturn begun = gst_clock_id_wait_async(
      id,
      [](GstClock*, GstClockTime, GstClockID, gpointer data) -> gboolean {
        (*static_cast<std::shared_ptr<Alarm>*>(data))->ring(true);
        return TRUE;
      },
      shared, [](gpointer data) { delete static_cast<std::shared_ptr<Alarm>*>(data); });
  bool due = begun == GST_CLOCK_EARLY;
  if (begun == GST_CLOCK_OK) {
    std::unique_lock waiting(alarm->lock);
    while (!alarm->due && !alarm->interrupted) {
      if (alarm->rings.wait_for(waiting, kLook) == std::cv_status::no_timeout) continue;
      waiting.unlock();
      g_autoptr(GstClock) current = gst_element_get_clock(element_);
      const bool other = current != clock || gst_element_get_base_time(element_) != base;
      if (other || is_lost(running_time)) alarm->ring(false);
      waiting.lock();
    }
    due = alarm->due && !alarm->interrupted;
  }
  if (!due) gst_clock_id_unschedule(id);
  held.lock();
  gst_clock_id_unref(id);
  waiting_[kind == Kind::kAudio].reset();
  return due;
}

void LiveClock::interrupt() {
  for (const auto& alarm : waiting_)
    if (alarm) {
      gst_clock_id_unschedule(alarm->id);
      alarm->ring(false);
    }
}

}  // namespace ovii2v
