// A live stream without holes: clips, and between them the hold. The rest of Stream.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "source.h"

namespace ovii2v {

uint64_t Stream::slot_unit(uint64_t frame) const {
  const Timeline& timeline = source_.reel.timeline();
  if (kind_ == Kind::kVideo) return frame;
  return gst_util_uint64_scale_round(frame, timeline.sample_rate, timeline.frame_rate);
}

uint64_t Stream::slot_of(uint64_t unit) const {
  if (kind_ == Kind::kVideo) return unit;
  const Timeline& timeline = source_.reel.timeline();
  uint64_t frame = gst_util_uint64_scale(unit, timeline.frame_rate, timeline.sample_rate);
  // Off by one at most: frames begin at rounded samples.
  if (slot_unit(frame) > unit) --frame;
  return slot_unit(frame + 1) <= unit ? frame + 1 : frame;
}

const Clip& Stream::coming() const {
  if (source_.holds()) return source_.reel.nearest(showing_.value_or(0));
  return source_.reel.nearest(kind_, next_);
}

/// Clips without number follow, or the one after those that have begun.
bool Stream::clip_is_to_come() const {
  const uint64_t clips = source_.reel.timeline().clips, next = source_.schedule.begun();
  return (!clips || next < clips) && (!source_.reel.closed() || source_.reel.complete(next));
}

/// One buffer, when it is due.
void Stream::go_on_air(Lock& lock) {
  LiveClock& live = source_.live;
  Schedule& schedule = source_.schedule;
  const uint64_t frame = slot_of(next_);
  const bool timed = live.now().has_value();
  const uint64_t end = source_.cut         ? *source_.cut
                       : clip_is_to_come() ? Timeline::kEndless
                                           : schedule.end_of_last();
  if (end != Timeline::kEndless && next_ >= slot_unit(end)) return finish(lock);
  auto ready = [&] { return clip_is_to_come() && source_.reel.complete(schedule.begun()); };
  const bool can_send = kind_ == Kind::kVideo ? coming().still() != nullptr
                                              : source_.reel.sample_format().has_value();
  if (source_.ended && !can_send) return finish(lock);
  if (!can_send || (!timed && !source_.ended && !schedule.decided(frame) && !ready())) {
    // Without a clock nothing says how long a hold is.
    source_.changed.wait(lock, [&] {
      return interrupted() || need_segment_ || need_caps_ || !live.is_open() || has_event() ||
             source_.cut || source_.reel.closed() ||
             (!clip_is_to_come() && next_ >= slot_unit(schedule.end_of_last())) ||
             (can_send                ? ready() || live.now().has_value()
              : kind_ == Kind::kVideo ? coming().still() != nullptr
                                      : source_.reel.sample_format().has_value());
    });
    return;
  }
  // After an EOS event there is less than a frame to go.
  if (!source_.ended) {
    if (live.anchor(source_.nearest_position(), kFrame)) source_.mark_discont();
    const GstClockTime due = position() + live.offset();
    if (!live.wait(lock, kind_, due) || interrupted() || has_event() || need_segment_ ||
        !live.is_open() || due != position() + live.offset() ||
        (source_.cut && next_ >= slot_unit(*source_.cut)))
      return;  // look again
  }

  const Schedule::Shown shown = schedule.at(frame, !source_.ended && ready());
  if (shown.clip && showing_ != *shown.clip) {
    showing_ = *shown.clip;
    source_.changed.notify_all();  // the worker may have waited for this clip to be begun
  }
  schedule.forget_before(source_.nearest_slot());
  if (shown.clip && tagged_ != *shown.clip) {
    push_new_clip_of(lock, *shown.clip);
    return;
  }
  if (shown.clip && !tell_of_clip(lock, *shown.clip, shown.begin)) return;
  uint64_t count = 1;
  GstBuffer* buffer = nullptr;
  try {
    buffer = kind_ == Kind::kVideo ? picture_of(frame, shown) : sound_of(shown, count);
  } catch (const std::bad_alloc&) {
    return fail_for_memory(lock);
  }
  stamp(buffer, count);
  send(lock, buffer, count);
}

GstBuffer* Stream::picture_of(uint64_t frame, const Schedule::Shown& shown) {
  const Clip& clip = coming();
  GstBuffer* picture = nullptr;
  if (shown.clip) {
    const uint64_t own = frame - shown.begin;
    // Of clips that begin with the last frame before them, that one is shown.
    const bool again = own == 0 && *shown.clip && source_.reel.timeline().repeats && held_ &&
                       gst_buffer_get_size(held_) == gst_buffer_get_size(clip.frame(0));
    picture = again ? held_ : clip.frame(own);
    if (!again) gst_buffer_replace(&held_, clip.last_frame());
  } else {
    const bool still = !showing_ || (source_.run.hold == Hold::kPicture && clip.has_picture());
    if (!held_ && clip.complete()) gst_buffer_replace(&held_, clip.last_frame());  // joined late
    picture = still || !held_ ? clip.still() : held_;
  }
  return gst_buffer_copy(picture);  // shares the memory
}

GstBuffer* Stream::sound_of(const Schedule::Shown& shown, uint64_t& count) {
  uint64_t end = slot_unit(shown.end);
  if (source_.cut) end = std::min(end, slot_unit(*source_.cut));
  if (shown.clip) {
    const uint64_t begin = slot_unit(shown.begin);
    return source_.reel.clip(*shown.clip)->take(kind_, next_ - begin, end - begin, count);
  }
  count = std::min(end, slot_unit(slot_of(next_) + 1)) - next_;
  return silence(count * sample_bytes(*source_.reel.sample_format()));
}

}  // namespace ovii2v
