// The clips in memory, on one timeline.
// SPDX-License-Identifier: Apache-2.0
#include "clip/reel.h"

#include <algorithm>
#include <iterator>

namespace ovii2v {

Reel::Clips Reel::clear() {
  Clips gone(std::make_move_iterator(clips_.begin()), std::make_move_iterator(clips_.end()));
  clips_.clear();
  timeline_.reset();
  pixel_format_.reset();
  sample_format_.reset();
  first_ = done_ = 0;
  closed_ = false;
  return gone;
}

Reel::Clips Reel::drop_before(uint64_t clip) {
  Clips gone;
  for (; clips_.size() > 1 && first_ < clip; ++first_) {
    gone.push_back(std::move(clips_.front()));
    clips_.pop_front();
  }
  return gone;
}

std::unique_ptr<Clip> Reel::drop_newest() {
  auto gone = std::move(clips_.back());
  clips_.pop_back();
  return gone;
}

const Clip* Reel::clip(uint64_t index) const {
  return index >= first_ && index - first_ < clips_.size() ? clips_[index - first_].get() : nullptr;
}

const Clip& Reel::nearest(Kind kind, uint64_t unit) const {
  return nearest(timeline_->clip_of(kind, unit));
}

const Clip& Reel::nearest(uint64_t clip) const {
  return *clips_[std::clamp<uint64_t>(clip, first_, first_ + clips_.size() - 1) - first_];
}

bool Reel::complete(uint64_t clip) const {
  const Clip* there = this->clip(clip);
  return there && there->complete();
}

void Reel::set_formats(ovi_pixel_format pixels, ovi_sample_format samples) {
  pixel_format_ = pixels;
  sample_format_ = samples;
}

GstClockTime Reel::time_of(Kind kind, uint64_t unit) const {
  if (unit == Timeline::kEndless) return GST_CLOCK_TIME_NONE;
  return gst_util_uint64_scale(unit, GST_SECOND, timeline_->rate(kind));
}

GstClockTime Reel::duration() const {
  return std::max(duration(Kind::kVideo), duration(Kind::kAudio));
}

uint64_t Reel::unit_at(Kind kind, GstClockTime time) const {
  // The last unit whose rounded-down timestamp is not after `time`.
  return gst_util_uint64_scale_ceil(time + 1, timeline_->rate(kind), GST_SECOND) - 1;
}

uint64_t Reel::unit_from(Kind kind, GstClockTime time) const {
  return gst_util_uint64_scale_ceil(time, timeline_->rate(kind), GST_SECOND);
}

uint64_t Reel::complete() const {
  uint64_t count = first_;
  for (const auto& clip : clips_) count += clip->complete();
  return count;
}

uint64_t Reel::made(Kind kind) const {
  const uint64_t index = first_ + clips_.size() - 1;
  const Clip& clip = *clips_.back();
  if (clip.complete()) return timeline_->end(kind, index);
  const uint64_t own = kind == Kind::kVideo ? clip.frame_count()
                       : clip.has_audio()   ? timeline_->samples
                                            : 0;
  return std::max(timeline_->first(kind, index), timeline_->origin(kind, index) + own);
}

bool Reel::available(Kind kind, uint64_t unit, bool whole) const {
  if (unit >= timeline_->units(kind)) return false;  // of a clip that was made in vain
  const uint64_t index = timeline_->clip_of(kind, unit);
  const Clip* from = clip(index);
  if (!from || (whole && !from->complete())) return false;
  const uint64_t own = unit - timeline_->origin(kind, index);
  if (kind == Kind::kVideo || own < timeline_->samples) return from->available(kind, own);
  const Clip* next = clip(index + 1);
  return next && (whole ? next->complete() : next->has_audio());
}

GstBuffer* Reel::last_frame_before(uint64_t unit) const {
  for (uint64_t index = timeline_->clip_of(Kind::kVideo, unit) + 1; index-- > first_;)
    if (const Clip* from = clip(index); from && from->last_frame()) return from->last_frame();
  return nullptr;
}

GstBuffer* Reel::take(Kind kind, uint64_t unit, uint64_t end, uint64_t& count) const {
  const uint64_t index = timeline_->clip_of(kind, unit);
  const uint64_t origin = timeline_->origin(kind, index);
  const uint64_t stop = std::min(end, timeline_->end(kind, index));
  return clip(index)->take(kind, unit - origin, stop - origin, count);
}

}  // namespace ovii2v
