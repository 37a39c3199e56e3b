// One source pad and its task: events in the right order, then buffers by index.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <mutex>

#include "clip.h"

namespace ovii2v {

class Source;

/// Lives as long as the element. Everything but the constants is guarded by
/// Source::lock, which is never held while the pad pushes or asks its peer.
class Stream {
 public:
  /// How the pad stands to what is behind it; the generation waits while any is pending.
  enum class Link { kPending, kNegotiated, kUnlinked };

  Stream(Source& source, Kind kind) : source_(source), kind_(kind) {}

  /// Makes the pad and adds it to the element.
  void add_pad(GstElement* element, GstPadTemplate* pad_template);

  GstPad* pad() const { return pad_; }
  Kind kind() const { return kind_; }
  const char* name() const { return kind_ == Kind::kVideo ? "video" : "audio"; }

  // All of these with Source::lock held.

  /// A new run begins: every event is due again.
  void reset();
  /// The segment changed: send it, and go on from where it begins.
  void restart();
  /// (Re)starts the pad's task, when the pad is active.
  void start_task();
  Link link() const { return link_; }
  bool finished() const { return finished_; }
  /// What was agreed on; null when nothing was.
  const GstCaps* caps() const { return caps_; }
  GstClockTime position() const;
  uint64_t next_unit() const { return next_; }
  /// Something downstream changed; an unlinked pad tries again.
  void reconfigure();

  GstStream* gst_stream() const { return gst_stream_; }
  void make_gst_stream();
  /// Takes the event; it goes out before the next buffer.
  void queue_event(GstEvent* event);
  void clear();

 private:
  using Lock = std::unique_lock<std::mutex>;

  static gboolean activate_mode(GstPad* pad, GstObject* parent, GstPadMode mode, gboolean active);
  static void loop_function(gpointer pad);

  void loop();
  bool interrupted() const;
  bool at_end() const;
  void pause();
  void push_stream_start(Lock& lock);
  void negotiate(Lock& lock);
  void push_segment(Lock& lock);
  void push_next(Lock& lock);
  void finish(Lock& lock);
  void handle_flow(Lock& lock, GstFlowReturn flow);

  Source& source_;
  const Kind kind_;
  GstPad* pad_ = nullptr;
  GstStream* gst_stream_ = nullptr;
  GstCaps* caps_ = nullptr;
  GQueue events_ = G_QUEUE_INIT;

  Link link_ = Link::kPending;
  bool active_ = false;
  bool need_stream_start_ = true;
  bool need_caps_ = true;
  bool need_segment_ = true;
  bool need_tags_ = true;
  bool discont_ = true;
  bool finished_ = false;
  bool positioned_ = false;  // next_ was set from the segment
  uint64_t next_ = 0;        // unit of the next buffer
};

}  // namespace ovii2v
