// Seeks: which are possible, the segment they make, its begin and its end. The rest of Source.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "source.h"

namespace ovii2v {
namespace {

struct Sought {
  gdouble rate;
  GstFormat format;
  GstSeekFlags flags;
  GstSeekType start_type, stop_type;
  gint64 start, stop;

  explicit Sought(GstEvent* event) {
    gst_event_parse_seek(event, &rate, &format, &flags, &start_type, &start, &stop_type, &stop);
  }
  bool from_end() const {
    return start_type == GST_SEEK_TYPE_END || stop_type == GST_SEEK_TYPE_END;
  }
};

/// Where an end of the seek is, before it is held against the clip's length.
GstClockTime place(GstSeekType type, gint64 value, GstClockTime now, GstClockTime duration) {
  if (type == GST_SEEK_TYPE_NONE) return now;
  if (type == GST_SEEK_TYPE_SET) return static_cast<GstClockTime>(value);  // -1: none
  return static_cast<GstClockTime>(std::max<gint64>(static_cast<gint64>(duration) + value, 0));
}

std::string time_text(GstClockTime time) {
  g_autofree char* text = g_strdup_printf("%" GST_TIME_FORMAT, GST_TIME_ARGS(time));
  return GST_CLOCK_TIME_IS_VALID(time) ? text : "the end";
}

}  // namespace

/// `from` becomes what the seek makes of it, or the reason why that is impossible is returned.
/// Lock held.
const char* Source::apply_seek(GstEvent* event, GstSegment& from) const {
  const Sought seek(event);
  if (seek.format != GST_FORMAT_TIME) return "only times can be sought";
  if (seek.rate <= 0) return "nothing is played backwards";
  if (seek.flags & GST_SEEK_FLAG_INSTANT_RATE_CHANGE) return "the rate needs a new segment";
  const GstClockTime duration = from.duration;  // GST_CLOCK_TIME_NONE: not known
  if (seek.from_end() && !GST_CLOCK_TIME_IS_VALID(duration)) return "the end is not known yet";
  GstClockTime start = place(seek.start_type, seek.start, from.start, duration);
  const GstClockTime stop = place(seek.stop_type, seek.stop, from.stop, duration);
  if (!GST_CLOCK_TIME_IS_VALID(start)) start = 0;
  // What is beyond the end is the end.
  if (GST_CLOCK_TIME_IS_VALID(stop) && std::min(start, duration) > std::min(stop, duration))
    return "it stops before it begins";
  if (!gst_segment_do_seek(&from, seek.rate, seek.format, seek.flags, seek.start_type, seek.start,
                           seek.stop_type, seek.stop, nullptr))
    return "there is no such segment";
  if (seek.flags & GST_SEEK_FLAG_KEY_UNIT && !(seek.flags & GST_SEEK_FLAG_ACCURATE) &&
      seek.start_type != GST_SEEK_TYPE_NONE)
    snap(event, from);
  return nullptr;
}

/// Every frame is a key unit: the segment begins with one.
void Source::snap(GstEvent* event, GstSegment& next) const {
  if (!reel.timed()) return;
  const GstSeekFlags flags = Sought(event).flags;
  const uint64_t before = reel.unit_at(Kind::kVideo, next.start);
  const uint64_t after = reel.unit_from(Kind::kVideo, next.start);
  const GstClockTime low = reel.time_of(Kind::kVideo, before);
  const GstClockTime high = reel.time_of(Kind::kVideo, after);
  const bool up = flags & GST_SEEK_FLAG_SNAP_AFTER &&
                  (!(flags & GST_SEEK_FLAG_SNAP_BEFORE) || high - next.start < next.start - low);
  const GstClockTime frame = up ? high : low;
  if (GST_CLOCK_TIME_IS_VALID(next.stop) && frame > next.stop) return;
  next.start = next.time = next.position = frame;
}

bool Source::seek(GstEvent* event) {
  const Sought sought(event);
  const guint32 event_seqnum = gst_event_get_seqnum(event);
  g_autoptr(GstEvent) owned = event;
  std::lock_guard serial(flush_lock_);
  GstSegment next;
  {
    std::unique_lock held(lock);
    const char* reason = nullptr;
    if (!(running ? run : settings).seekable())
      reason = "what was played is gone when live or with several clips";
    // A pipeline seek arrives once from each sink.
    if (!reason && running && event_seqnum == last_seek_) return true;
    next = segment;
    if (running) next.position = furthest_position();
    // The end of what is kept is known when it is applied.
    if (!reason && (running || !sought.from_end())) reason = apply_seek(event, next);
    if (reason) {
      GST_INFO_OBJECT(element, "seek refused: %s", reason);
      return false;
    }
    if (!running) {
      gst_event_replace(&pending_seek_, event);
      GST_INFO_OBJECT(element, "seek kept for the begin: %" GST_PTR_FORMAT, event);
      return true;
    }
    last_seek_ = event_seqnum;
    gst_clear_event(&pending_seek_);
    GST_INFO_OBJECT(element, "seek accepted: %" GST_SEGMENT_FORMAT, &next);
  }
  if (sought.flags & GST_SEEK_FLAG_FLUSH) {
    flush_start(event_seqnum);
    flush_stop(event_seqnum, true, &next);
    return true;
  }
  // The pads take it up with their next buffer; nobody waits for a blocked sink.
  std::unique_lock held(lock);
  // The end of the segment before is over, or never told: a bin counts begins and ends.
  changed.wait(held,
               [this] { return !done_poster_ || *done_poster_ == std::this_thread::get_id(); });
  segment_done_posted_ = true;
  held.unlock();
  post_segment_start(next, event_seqnum);
  held.lock();
  GstSegment now = segment;
  now.position = furthest_position();  // it went on meanwhile
  if (!apply_seek(event, now)) next = now;
  set_segment(next, event_seqnum);
  told_of_clip.reset();
  video.start_task();
  audio.start_task();
  interrupt();
  return true;
}

/// Before anything of the segment leaves.
void Source::post_segment_start(const GstSegment& next, guint32 next_seqnum) {
  if (!(next.flags & GST_SEGMENT_FLAG_SEGMENT)) return;
  GstMessage* message =
      gst_message_new_segment_start(GST_OBJECT(element), GST_FORMAT_TIME, next.position);
  gst_message_set_seqnum(message, next_seqnum);
  gst_element_post_message(element, message);
}

void Source::segment_done(std::unique_lock<std::mutex>& held) {
  if (!(segment.flags & GST_SEGMENT_FLAG_SEGMENT) || segment_done_posted_) return;
  for (Stream* stream : {&video, &audio})
    if (stream->plays()) return;
  segment_done_posted_ = true;
  const GstClockTime stop = GST_CLOCK_TIME_IS_VALID(segment.stop) ? segment.stop : reel.duration();
  GstMessage* message = gst_message_new_segment_done(GST_OBJECT(element), GST_FORMAT_TIME, stop);
  gst_message_set_seqnum(message, seqnum);
  done_poster_ = std::this_thread::get_id();
  held.unlock();
  gst_element_post_message(element, message);
  held.lock();
  done_poster_.reset();
  changed.notify_all();
}

void Source::set_segment(const GstSegment& next, guint32 next_seqnum) {
  segment = next;
  if (reel.planned() && !run.is_live) segment.duration = reel.duration();
  seqnum = next_seqnum;
  ++segment_id;
  segment_done_posted_ = false;
  video.restart();
  audio.restart();
}

/// A seek that came in READY cannot be in a run like this: says so, and forgets it. Lock not held.
void Source::forget_pending_seek(const char* reason) {
  g_autoptr(GstEvent) event = nullptr;
  {
    std::lock_guard guard(lock);
    std::swap(event, pending_seek_);
  }
  if (!event) return;
  const Sought seek(event);
  auto told = [](GstSeekType type, gint64 value) {
    if (type == GST_SEEK_TYPE_NONE) return std::string("where it is");
    if (type == GST_SEEK_TYPE_SET) return time_text(static_cast<GstClockTime>(value));
    return time_text(static_cast<GstClockTime>(std::abs(value))) +
           (value < 0 ? " before the end" : " after the end");
  };
  g_autofree char* debug = gst_event_get_structure(event)
                               ? gst_structure_to_string(gst_event_get_structure(event))
                               : nullptr;
  post_warning(element, {GST_CORE_ERROR, GST_CORE_ERROR_SEEK,
                         "The seek to " + told(seek.start_type, seek.start) +
                             " that was kept since before the start is impossible: " + reason +
                             ". Playback begins at the start.",
                         debug ? debug : ""});
}

/// With the first plan known, before anything of it can be seen: what a seek in READY asked
/// for, with `duration`. Lock not held.
void Source::begin_with_pending_seek(GstClockTime duration) {
  GstSegment next;
  const char* reason = nullptr;
  guint32 next_seqnum = 0;
  {
    std::lock_guard guard(lock);
    if (!run.is_live) segment.duration = duration;
    if (!pending_seek_) return;
    next = segment;
    reason = apply_seek(pending_seek_, next);
    const Sought seek(pending_seek_);
    const GstClockTime start = place(seek.start_type, seek.start, 0, duration);
    if (!reason && GST_CLOCK_TIME_IS_VALID(start) && start > duration)
      reason = "it is beyond the end of the clip";
    next_seqnum = gst_event_get_seqnum(pending_seek_);
  }
  if (reason) return forget_pending_seek(reason);
  post_segment_start(next, next_seqnum);
  std::lock_guard guard(lock);
  if (!pending_seek_ || gst_event_get_seqnum(pending_seek_) != next_seqnum) return;  // a newer one
  gst_clear_event(&pending_seek_);
  set_segment(next, next_seqnum);
}

}  // namespace ovii2v
