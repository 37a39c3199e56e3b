// What became of a pad's pushes, and how its stream ends. The rest of Stream.
// SPDX-License-Identifier: Apache-2.0
#include "source.h"

namespace ovii2v {

void Stream::handle_flow(Lock& lock, GstFlowReturn flow) {
  if (flow != GST_FLOW_OK) GST_DEBUG_OBJECT(pad_, "flow: %s", gst_flow_get_name(flow));
  if (flow == GST_FLOW_FLUSHING) {
    // A flush of ours restarts the task when it is over. When somebody else stopped what is
    // behind the pad, nothing waits for it until a link or a seek.
    if (active_ && !source_.flushing) {
      away_ = true;
      source_.changed.notify_all();
      source_.segment_done(lock);
      if (!away_) return;  // it came back in the meantime
    }
    pause();
    return;
  }
  if (flow == GST_FLOW_NOT_NEGOTIATED && gst_pad_needs_reconfigure(pad_)) return;
  if (flow == GST_FLOW_OK) return;
  if (flow == GST_FLOW_EOS) return finish(lock);
  if (flow == GST_FLOW_NOT_LINKED && gst_pad_needs_reconfigure(pad_)) {
    need_caps_ = true;  // linked in the meantime
    return;
  }
  if (flow == GST_FLOW_NOT_LINKED && source_.other(*this).link_ != Link::kUnlinked) {
    set_link(Link::kUnlinked);
    source_.changed.notify_all();
    source_.segment_done(lock);
    if (link_ == Link::kUnlinked) pause();
    return;
  }
  lock.unlock();
  if (flow == GST_FLOW_NOT_LINKED) {
    source_.fail({GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
                  "Neither pad is linked: link \"video\", \"audio\" or both.",
                  "streaming stopped, reason not-linked (-1)"},
                 flow);
    return;
  }
  source_.fail({GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "Internal data stream error.",
                std::string("streaming of ") + name() + " stopped, reason " +
                    gst_flow_get_name(flow) + " (" + std::to_string(flow) + ")"},
               flow);
}

/// Ends the stream: SEGMENT_DONE when a segment seek came to its stop, else EOS.
void Stream::finish(Lock& lock) {
  finished_ = true;
  source_.changed.notify_all();
  const bool broken_off = source_.ended || source_.failed || !source_.reel.planned();
  GstEvent* event = nullptr;
  const bool segment = !broken_off && (source_.segment.flags & GST_SEGMENT_FLAG_SEGMENT);
  if (segment) {
    const GstClockTime stop = source_.segment.stop;
    event = gst_event_new_segment_done(
        GST_FORMAT_TIME, GST_CLOCK_TIME_IS_VALID(stop) ? stop : source_.reel.duration());
  } else {
    event = gst_event_new_eos();
  }
  GST_INFO_OBJECT(pad_, "ends: %s",
                  segment          ? "the segment is played"
                  : source_.failed ? "an error"
                  : source_.ended  ? "EOS was asked for"
                  : broken_off     ? "nothing was planned"
                                   : "everything is played");
  gst_event_set_seqnum(event, source_.ended ? source_.end_seqnum : source_.seqnum);
  const uint64_t id = source_.segment_id;
  lock.unlock();
  push_event(event);
  lock.lock();
  if (segment && id == source_.segment_id) source_.segment_done(lock);
  // A seek may have come while the event was on its way.
  if (finished_) pause();
}

}  // namespace ovii2v
