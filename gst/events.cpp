// Events: seeks, flushes, the end, what is passed on. The rest of Source.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "source.h"

namespace ovii2v {

bool Source::send_event(GstEvent* event) {
  const guint32 event_seqnum = gst_event_get_seqnum(event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_EOS:
      return end_stream(event);
    case GST_EVENT_SEEK:
      return seek(event);
    case GST_EVENT_FLUSH_START: {
      gst_event_unref(event);
      std::lock_guard serial(flush_lock_);
      flush_start(event_seqnum);
      return true;
    }
    case GST_EVENT_FLUSH_STOP: {
      gboolean reset_time = TRUE;
      gst_event_parse_flush_stop(event, &reset_time);
      gst_event_unref(event);
      std::lock_guard serial(flush_lock_);
      flush_stop(event_seqnum, reset_time, nullptr);
      return true;
    }
    default:
      return queue_for_both(event);
  }
}

bool Source::pad_event(Stream& stream, GstEvent* event) {
  GST_DEBUG_OBJECT(stream.pad(), "got %" GST_PTR_FORMAT, event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEEK:
      return seek(event);
    case GST_EVENT_RECONFIGURE: {
      gst_event_unref(event);
      std::lock_guard guard(lock);
      stream.reconfigure();
      return true;
    }
    case GST_EVENT_QOS:      // a clip in memory gains nothing by dropping
    case GST_EVENT_LATENCY:  // for sinks
    case GST_EVENT_NAVIGATION:
      gst_event_unref(event);
      return true;
    default:
      return gst_pad_event_default(stream.pad(), GST_OBJECT(element), event);
  }
}

/// Cancels the generation and ends both pads at once. Never blocks: the state
/// lock is held.
bool Source::end_stream(GstEvent* event) {
  const guint32 event_seqnum = gst_event_get_seqnum(event);
  gst_event_unref(event);
  std::lock_guard guard(lock);
  if (!running) return false;
  ended = true;
  end_seqnum = event_seqnum;
  worker_.cancel();
  if (segment.flags & GST_SEGMENT_FLAG_SEGMENT) {
    // SEGMENT_DONE was no end.
    video.restart();
    audio.restart();
  }
  video.start_task();
  audio.start_task();
  interrupt();
  return true;
}

bool Source::queue_for_both(GstEvent* event) {
  const int kind = gst_event_type_get_flags(GST_EVENT_TYPE(event));
  if (!(kind & GST_EVENT_TYPE_DOWNSTREAM)) {
    // From an application: RECONFIGURE, LATENCY and the like, for both pads.
    const bool taken = pad_event(video, gst_event_ref(event));
    return pad_event(audio, event) || taken;
  }
  if (!(kind & GST_EVENT_TYPE_SERIALIZED)) {
    const bool taken = video.push_event(gst_event_ref(event));
    return audio.push_event(event) || taken;
  }
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_TAG:
    case GST_EVENT_TOC:
    case GST_EVENT_CUSTOM_DOWNSTREAM:
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
    case GST_EVENT_CUSTOM_BOTH: {
      std::lock_guard guard(lock);
      if (!running) break;
      video.queue_event(gst_event_ref(event));
      audio.queue_event(event);
      return true;
    }
    default:  // the order of the others is ours to keep
      break;
  }
  gst_event_unref(event);
  return false;
}

GstClockTime Source::furthest_position() {
  GstClockTime furthest = 0;
  for (Stream* stream : {&video, &audio})
    if (stream->link() != Stream::Link::kUnlinked)
      furthest = std::max(furthest, stream->position());
  if (reel.planned() && !holds()) furthest = std::min(furthest, reel.duration());
  return furthest;
}

bool Source::seek(GstEvent* event) {
  gdouble rate;
  GstFormat format;
  GstSeekFlags flags;
  GstSeekType start_type, stop_type;
  gint64 start, stop;
  gst_event_parse_seek(event, &rate, &format, &flags, &start_type, &start, &stop_type, &stop);
  const guint32 event_seqnum = gst_event_get_seqnum(event);
  g_autoptr(GstEvent) owned = event;
  auto refuse = [this](const char* reason) {
    GST_INFO_OBJECT(element, "seek refused: %s", reason);
    return false;
  };
  if (format != GST_FORMAT_TIME) return refuse("only times can be sought");
  if (rate <= 0) return refuse("nothing is played backwards");
  if (flags & GST_SEEK_FLAG_INSTANT_RATE_CHANGE) return refuse("the rate needs a new segment");

  std::lock_guard serial(flush_lock_);
  GstSegment next;
  {
    std::lock_guard guard(lock);
    if (!(running ? run : settings).seekable())
      return refuse("what was played is gone when live or with several clips");
    if (!running) {
      gst_event_replace(&pending_seek_, event);
      GST_INFO_OBJECT(element, "seek kept for the begin: %" GST_PTR_FORMAT, event);
      return true;
    }
    // A pipeline seek arrives once from each sink.
    if (event_seqnum == last_seek_) return true;
    next = segment;
    next.position = furthest_position();
    const bool from_end = start_type == GST_SEEK_TYPE_END || stop_type == GST_SEEK_TYPE_END;
    if (from_end && !reel.planned()) return refuse("the end is not known yet");
    if (!gst_segment_do_seek(&next, rate, format, flags, start_type, start, stop_type, stop,
                             nullptr))
      return refuse("there is no such segment");
    last_seek_ = event_seqnum;
    GST_INFO_OBJECT(element, "seek accepted: %" GST_SEGMENT_FORMAT, &next);
  }
  if (flags & GST_SEEK_FLAG_FLUSH) {
    flush_start(event_seqnum);
    flush_stop(event_seqnum, true, &next);
  } else {
    // The pads take it up with their next buffer; nobody waits for a blocked sink.
    std::lock_guard guard(lock);
    set_segment(next, event_seqnum);
    video.start_task();
    audio.start_task();
    interrupt();
  }
  if (flags & GST_SEEK_FLAG_SEGMENT) {
    GstMessage* message =
        gst_message_new_segment_start(GST_OBJECT(element), GST_FORMAT_TIME, next.position);
    gst_message_set_seqnum(message, event_seqnum);
    gst_element_post_message(element, message);
  }
  return true;
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

void Source::flush_start(guint32 event_seqnum) {
  {
    std::lock_guard guard(lock);
    flushing = true;
    video.set_flushing(true);
    interrupt();
  }
  for (Stream* stream : {&video, &audio}) {
    GstEvent* event = gst_event_new_flush_start();
    gst_event_set_seqnum(event, event_seqnum);
    stream->push_event(event);
  }
}

void Source::flush_stop(guint32 event_seqnum, bool reset_time, const GstSegment* next) {
  // With both stream locks no task is inside its loop.
  GST_PAD_STREAM_LOCK(video.pad());
  GST_PAD_STREAM_LOCK(audio.pad());
  for (Stream* stream : {&video, &audio}) {
    GstEvent* event = gst_event_new_flush_stop(reset_time);
    gst_event_set_seqnum(event, event_seqnum);
    stream->push_event(event);
  }
  {
    std::lock_guard guard(lock);
    if (next) {
      set_segment(*next, event_seqnum);
    } else {
      // A flush without a seek: go on from where it stopped.
      GstSegment here = segment;
      here.position = furthest_position();
      // Live timestamps go on where the clock is.
      if (!run.is_live) here.start = here.time = here.position;
      if (reset_time) here.base = 0;
      set_segment(here, event_seqnum);
    }
    ended = false;
    flushing = stopping || !running;
    video.set_flushing(flushing);
    video.start_task();
    audio.start_task();
  }
  GST_PAD_STREAM_UNLOCK(audio.pad());
  GST_PAD_STREAM_UNLOCK(video.pad());
}

void Source::segment_done(std::unique_lock<std::mutex>& held) {
  if (!(segment.flags & GST_SEGMENT_FLAG_SEGMENT) || segment_done_posted_) return;
  for (Stream* stream : {&video, &audio})
    if (stream->plays()) return;
  segment_done_posted_ = true;
  const GstClockTime stop = GST_CLOCK_TIME_IS_VALID(segment.stop) ? segment.stop : reel.duration();
  GstMessage* message = gst_message_new_segment_done(GST_OBJECT(element), GST_FORMAT_TIME, stop);
  gst_message_set_seqnum(message, seqnum);
  held.unlock();
  gst_element_post_message(element, message);
  held.lock();
}

}  // namespace ovii2v
