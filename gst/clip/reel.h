// The clips in memory, on one timeline.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "clip/clip.h"
#include "stream/timeline.h"

namespace ovii2v {

/// A whole clip is kept, also for a pad that is not linked, so that a seek or a
/// late link needs no second generation; of several clips those that are still to
/// be played. Guarded by Source::lock. Units are those of the timeline.
class Reel {
 public:
  using Clips = std::vector<std::unique_ptr<Clip>>;

  /// What was in memory; for the caller to let go of without the lock.
  [[nodiscard]] Clips clear();
  /// Clips before `clip`, which nobody will ask for any more; never the newest one, which says
  /// what is planned until the next one is.
  [[nodiscard]] Clips drop_before(uint64_t clip);

  /// There is one before it.
  [[nodiscard]] std::unique_ptr<Clip> drop_newest();

  void begin(const Timeline& timeline) { timeline_ = timeline; }
  /// No clip after that one is played, whether or not it is made.
  void end_with(uint64_t clip) { timeline_->clips = clip + 1; }
  /// The lengths of the clips are known.
  bool timed() const { return timeline_.has_value(); }
  /// Another number of them; 0 for no end.
  void set_clips(uint64_t clips) { timeline_->clips = clips; }
  void add(std::unique_ptr<Clip> clip) { clips_.push_back(std::move(clip)); }
  bool planned() const { return !clips_.empty(); }
  const Timeline& timeline() const { return *timeline_; }

  /// The clip that is made now, or was last; planned().
  Clip& newest() { return *clips_.back(); }
  /// Null when it is not in memory.
  const Clip* clip(uint64_t index) const;
  /// The clip that `unit` is from; the nearest one in memory.
  const Clip& nearest(Kind kind, uint64_t unit) const;
  const Clip& nearest(uint64_t clip) const;
  bool complete(uint64_t clip) const;

  /// Fixed when the first generation begins.
  void set_formats(ovi_pixel_format pixels, ovi_sample_format samples);
  std::optional<ovi_pixel_format> pixel_format() const { return pixel_format_; }
  std::optional<ovi_sample_format> sample_format() const { return sample_format_; }

  /// Nothing more will come, whether or not all is there.
  void close() { closed_ = true; }
  bool closed() const { return closed_; }
  /// So many clips, from the first one, are made and told of.
  void set_done(uint64_t clips) { done_ = clips; }
  /// Nothing more will come unless more clips are wanted.
  bool over() const {
    return closed_ || (timeline_ && timeline_->clips && done_ >= timeline_->clips);
  }

  GstClockTime time_of(Kind kind, uint64_t unit) const;
  /// GST_CLOCK_TIME_NONE without end. That of both is the longer one of the two.
  GstClockTime duration(Kind kind) const { return time_of(kind, timeline_->units(kind)); }
  GstClockTime duration() const;
  /// The unit that is seen or heard at `time`; the first one not before it.
  uint64_t unit_at(Kind kind, GstClockTime time) const;
  uint64_t unit_from(Kind kind, GstClockTime time) const;
  /// How many clips were made as a whole, from the first one.
  uint64_t complete() const;
  /// Units that are there, from the first one.
  uint64_t made(Kind kind) const;
  /// The oldest unit in memory.
  uint64_t oldest(Kind kind) const { return timeline_->first(kind, first_); }

  /// `whole`: only when all of its clip is there. Silence between two clips is there
  /// once the sound after it is, so that it never comes last.
  bool available(Kind kind, uint64_t unit, bool whole) const;
  /// The newest frame before `unit` that is there; borrowed, or null.
  GstBuffer* last_frame_before(uint64_t unit) const;
  /// The buffer that begins with `unit` and ends before `end`, without timestamps.
  /// `count` says how many units it has.
  GstBuffer* take(Kind kind, uint64_t unit, uint64_t end, uint64_t& count) const;

 private:
  std::optional<Timeline> timeline_;
  std::optional<ovi_pixel_format> pixel_format_;
  std::optional<ovi_sample_format> sample_format_;
  std::deque<std::unique_ptr<Clip>> clips_;
  uint64_t first_ = 0;  // index of clips_[0]
  uint64_t done_ = 0;   // clips
  bool closed_ = false;
};

}  // namespace ovii2v
