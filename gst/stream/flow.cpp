// What became of a pad's pushes. The rest of Stream.
// SPDX-License-Identifier: Apache-2.0
#include "source.h"

namespace ovii2v {

void Stream::handle_flow(Lock& lock, GstFlowReturn flow) {
  if (flow > GST_FLOW_OK) flow = GST_FLOW_OK;  // successes of the application's own
  if (flow != GST_FLOW_OK) GST_DEBUG_OBJECT(pad_, "flow: %s", gst_flow_get_name(flow));
  if (flow == GST_FLOW_FLUSHING) {
    // A flush of ours restarts the task when it is over. When somebody else stopped what is
    // behind the pad, nothing waits for it until a link or a seek.
    if (active_ && !source_.flushing && !flushing_) {
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
  const bool custom = flow <= GST_FLOW_CUSTOM_ERROR;
  source_.fail({GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
                custom ? std::string("Internal data stream error: what is linked to the ") +
                             name() + " pad returned one of its own (" + std::to_string(flow) +
                             "). Look at what it posted or logged."
                       : "Internal data stream error.",
                std::string("streaming of ") + name() + " stopped, reason " +
                    gst_flow_get_name(flow) + " (" + std::to_string(flow) + ")"},
               flow);
}

}  // namespace ovii2v
