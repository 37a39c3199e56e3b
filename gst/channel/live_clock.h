// When a live clip is due: the gate, the offset that both pads share, the waiting.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <memory>
#include <mutex>
#include <optional>

#include "stream/timeline.h"

namespace ovii2v {

/// A live source may not hand out what is already past. What is at `position` of the
/// timeline is due at running time `position + offset()`. The offset only grows: when
/// a clip comes after nothing was there, and after the element (not its pipeline) was
/// paused. Guarded by Source::lock.
class LiveClock {
 public:
  explicit LiveClock(GstElement* element) : element_(element) {}

  void reset();
  /// PLAYING and no longer PLAYING: nothing is due while the gate is closed.
  void open();
  void close();
  bool is_open() const { return open_; }

  /// Running time; none without a clock.
  std::optional<GstClockTime> now() const;
  /// Valid after resume().
  GstClockTimeDiff offset() const { return offset_.value_or(0); }
  bool has_offset() const { return offset_.has_value(); }
  /// After open(): resume() is due even if nothing was missed.
  bool reopened() const { return reopened_; }
  /// Of the clips that were made `clips` in all, what is at `position` is the next to be
  /// sent. Sets the offset so that it is due now (and after every gap), unless it is late
  /// by less than `tolerance`; once for both pads. True: the
  /// clock jumped, and the timestamps with it.
  bool resume(uint64_t clips, GstClockTime position, GstClockTime tolerance);
  /// The same for a stream that has no gaps: sets the offset for the first time, after the
  /// element was paused, and when the clock was set back. True: it is another one than before.
  bool anchor(GstClockTime position, GstClockTime tolerance);
  /// What is due at this running time is so far ahead that the clock or the base time was set
  /// back, or another clock came; nothing is otherwise.
  bool is_lost(GstClockTime due) const;
  GstClockTime gaps_end() const { return gaps_end_; }
  /// What was due then is so long past that nobody waits for it any more.
  bool is_past(GstClockTime due) const;
  /// A GAP event reaches to this running time.
  void add_gap(GstClockTime end);

  /// Waits for a running time, without the lock. False: interrupt() came first, or the clock was
  /// set back or stands still, and everything is to be looked at again.
  bool wait(std::unique_lock<std::mutex>& held, Kind kind, GstClockTime running_time);
  /// Ends both pads' waiting.
  void interrupt();

 private:
  GstElement* const element_;
  bool open_ = false, reopened_ = false;
  std::optional<GstClockTimeDiff> offset_;
  GstClockTime gaps_end_ = 0;
  uint64_t resumed_ = 0;  // clips
  struct Alarm;
  std::shared_ptr<Alarm> waiting_[2];
};

}  // namespace ovii2v
