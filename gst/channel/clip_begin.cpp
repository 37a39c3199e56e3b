// The message that a clip begins. The rest of Source and Stream.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "clip/clip_tags.h"
#include "source.h"

namespace ovii2v {

/// Where the pad sends the first of the clip, or goes on in it: a seek may lead into its midst.
uint64_t Stream::begin_of(uint64_t clip) const {
  const uint64_t first = source_.reel.timeline().first(kind_, clip);
  return std::max(first,
                  positioned_ ? next_ : source_.reel.unit_at(kind_, source_.segment.position));
}

/// The next buffer is of clip `clip`, which with a hold begins at frame `begin`: tells it once,
/// for both pads and before either sends anything of it. Lets go of the lock meanwhile; false: that
/// buffer is not the next one any more.
bool Stream::tell_of_clip(Lock& lock, uint64_t clip, std::optional<uint64_t> begin) {
  Source& source = source_;
  auto stopped = [this] { return !active_ || source_.flushing || flushing_ || source_.failed; };
  auto is_next = [&, id = source.segment_id, offset = source.live.offset()] {
    return !stopped() && id == source.segment_id && offset == source.live.offset() &&
           (!source.run.is_live || source.live.is_open() || source.ended) &&
           (source.holds() || !at_end());
  };
  if (source.telling_of_clip) {
    source.changed.wait(lock, [&] { return stopped() || !source.telling_of_clip; });
    if (!is_next()) return false;
  }
  if (source.told_of_clip && *source.told_of_clip >= clip) return true;
  const bool repeat = clip < source.told_clips;
  source.told_of_clip = clip;
  source.told_clips = std::max(source.told_clips, clip + 1);
  source.telling_of_clip = true;

  const Reel& reel = source.reel;
  const Timeline& timeline = reel.timeline();
  // Of the sound alone when nothing takes the video.
  const Stream& leading = source.video.plays() ? source.video : *this;
  const Kind kind = begin ? Kind::kVideo : leading.kind();
  const uint64_t first = begin ? *begin : leading.begin_of(clip);
  const uint64_t end = timeline.end(Kind::kVideo, clip);
  ClipTimes times{};
  times.timestamp = reel.time_of(kind, first) + source.live.offset();
  // A frame that a seek cuts begins before the segment does.
  const GstClockTime seen = std::max<GstClockTime>(times.timestamp, source.segment.start);
  times.running_time = gst_segment_to_running_time(&source.segment, GST_FORMAT_TIME, seen);
  times.stream_time = gst_segment_to_stream_time(&source.segment, GST_FORMAT_TIME, seen);
  times.duration = begin ? reel.time_of(Kind::kVideo, timeline.frames)
                         : reel.time_of(Kind::kVideo, end) -
                               reel.time_of(Kind::kVideo, timeline.first(Kind::kVideo, clip));
  GstMessage* message = gst_message_new_element(
      GST_OBJECT(source.element), clip_message(reel.clip(clip)->record(), times, repeat));
  gst_message_set_seqnum(message, source.seqnum);
  lock.unlock();
  gst_element_post_message(source.element, message);
  lock.lock();
  source.telling_of_clip = false;
  source.changed.notify_all();
  return is_next();
}

}  // namespace ovii2v
