// Events: flushes, the end, what is passed on. The rest of Source.
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
  const guint32 event_seqnum = gst_event_get_seqnum(event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEEK:
      return seek(event);
    case GST_EVENT_RECONFIGURE: {
      gst_event_unref(event);
      std::lock_guard guard(lock);
      stream.reconfigure();
      return true;
    }
    case GST_EVENT_FLUSH_START:
      gst_event_unref(event);
      stream.flush_start(event_seqnum);
      return true;
    case GST_EVENT_FLUSH_STOP: {
      gboolean reset_time = TRUE;
      gst_event_parse_flush_stop(event, &reset_time);
      gst_event_unref(event);
      stream.flush_stop(event_seqnum, reset_time);
      return true;
    }
    case GST_EVENT_QOS:      // a clip in memory gains nothing by dropping
    case GST_EVENT_LATENCY:  // for sinks
      gst_event_unref(event);
      return true;
    default:
      // Nothing is before a source, and who asks is to know that nobody took it.
      gst_event_unref(event);
      return false;
  }
}

/// Serialised ones leave between two buffers, also while none is there: the others at once.
bool Source::queue_for_both(GstEvent* event) {
  if (!(gst_event_type_get_flags(GST_EVENT_TYPE(event)) & GST_EVENT_TYPE_DOWNSTREAM)) {
    // From an application: RECONFIGURE, LATENCY and the like, for both pads.
    const bool taken = pad_event(video, gst_event_ref(event));
    return pad_event(audio, event) || taken;
  }
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CUSTOM_DOWNSTREAM_OOB:
    case GST_EVENT_CUSTOM_BOTH_OOB: {
      const bool taken = video.push_event(gst_event_ref(event));
      return audio.push_event(event) || taken;
    }
    case GST_EVENT_TAG:
    case GST_EVENT_TOC:
    case GST_EVENT_PROTECTION:
    case GST_EVENT_SINK_MESSAGE:
    case GST_EVENT_CUSTOM_DOWNSTREAM:
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
    case GST_EVENT_CUSTOM_BOTH: {
      std::lock_guard guard(lock);
      if (!running || stopping || (video.over() && audio.over())) break;
      video.queue_event(gst_event_ref(event));
      audio.queue_event(event);
      interrupt();
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
  if (next) post_segment_start(*next, event_seqnum);
  {
    std::lock_guard guard(lock);
    ended = false;
    cut.reset();
    if (next) told_of_clip.reset();
    if (next)
      set_segment(*next, event_seqnum);
    else
      go_on_after_flush(event_seqnum, reset_time);
    if (last_clip && reel.timed()) end_with_last_clip();
    flushing = stopping || !running;
    video.set_flushing(flushing);
    video.start_task();
    audio.start_task();
  }
  GST_PAD_STREAM_UNLOCK(audio.pad());
  GST_PAD_STREAM_UNLOCK(video.pad());
}

/// A flush without a seek: both pads go on with what did not arrive. Lock held.
void Source::go_on_after_flush(guint32 event_seqnum, bool reset_time) {
  if (reset_time && !run.is_live) {
    // Running time is 0 again, where the pad is that was behind.
    GstSegment here = segment;
    const GstClockTime nearest = nearest_position();
    here.position = GST_CLOCK_TIME_IS_VALID(nearest) ? nearest : furthest_position();
    here.start = here.time = here.position;
    here.base = here.offset = 0;
    set_segment(here, event_seqnum);
    return;
  }
  // Running time is kept, and so is what each frame and sample has of it. (Live timestamps
  // are the clock's, whatever it was set to.)
  if (reset_time) segment.base = 0;
  seqnum = event_seqnum;
  ++segment_id;
  segment_done_posted_ = false;
  video.go_on();
  audio.go_on();
}

/// An application flushes one pad alone: what it sent has to come with a segment again. The
/// running time of both stays what it is.
void Stream::flush_start(guint32 event_seqnum) {
  {
    Lock lock(source_.lock);
    flushing_ = true;
    set_flushing(true);
    source_.interrupt();
  }
  GstEvent* event = gst_event_new_flush_start();
  gst_event_set_seqnum(event, event_seqnum);
  push_event(event);
}

/// With the pad's stream lock held, as always when a FLUSH_STOP is handed to a pad.
void Stream::flush_stop(guint32 event_seqnum, bool reset_time) {
  GstEvent* event = gst_event_new_flush_stop(reset_time);
  gst_event_set_seqnum(event, event_seqnum);
  push_event(event);
  Lock lock(source_.lock);
  flushing_ = false;
  set_flushing(source_.flushing);
  go_on();
  start_task();
}

void Stream::go_on() {
  if (away_) join();  // live: the other pad went on
  need_segment_ = discont_ = true;
  finished_ = over_ = away_ = false;
}

}  // namespace ovii2v
