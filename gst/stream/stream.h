// One source pad and its task: events in the right order, then buffers by index.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <mutex>
#include <optional>

#include "channel/schedule.h"
#include "clip/clip.h"
#include "messages.h"
#include "ovi/engine.h"
#include "stream/allocation.h"
#include "stream/timeline.h"

namespace ovii2v {

class Source;

/// Lives as long as the element. Everything but the constants is guarded by
/// Source::lock, which is never held while the pad pushes or asks its peer.
class Stream {
 public:
  /// How the pad stands to what is behind it; the generation waits while any is pending.
  enum class Link { kPending, kNegotiated, kUnlinked };

  /// One frame's time, also the length of a GAP event.
  static constexpr GstClockTime kFrame = GST_SECOND / 24;

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
  /// EOS was sent.
  bool over() const { return over_; }
  /// How far it came since the segment began, in whole frames.
  uint64_t frames_sent() const;
  /// What ended may go on.
  void reopen();
  /// After a flush: the segment is sent again, and what did not arrive.
  void go_on();
  /// What was agreed on; null when nothing was.
  const GstCaps* caps() const { return caps_; }
  GstClockTime position() const;
  /// Something takes, or will take, what the pad sends.
  bool plays() const { return active_ && !finished_ && !away_ && link_ != Link::kUnlinked; }
  void set_flushing(bool flushing) { allocation_.set_flushing(flushing); }
  uint64_t next_unit() const { return next_; }
  /// The first one that may be asked for: what is on its way comes again when a flush stops it.
  uint64_t needed_unit() const { return sending_.value_or(next_); }
  /// The clip that the next unit is of, or the nearest in memory; once one is planned.
  const Clip& coming() const;
  /// With a hold: the clip that was begun last, and the frame that `unit` lies in.
  std::optional<uint64_t> showing() const { return showing_; }
  uint64_t slot_of(uint64_t unit) const;
  void mark_discont() { discont_ = true; }
  /// The clip that comes has others.
  void forget_tags(uint64_t clip) {
    if (tagged_ == clip) tagged_.reset();
  }
  /// Something downstream changed; a pad that nothing took from tries again.
  void reconfigure();

  GstStream* gst_stream() const { return gst_stream_; }
  void make_gst_stream();
  /// Its caps, or what it will have when it is linked, and the clip's tags. Lock held.
  void tell_stream(const ovi_plan& plan);
  /// What is linked does not take frames of that size: says so. Lock not held.
  std::optional<Failure> size_refused(const ovi_plan& plan);
  /// Sends the event now, and takes it; Source::lock not held.
  bool push_event(GstEvent* event);
  /// Takes the event, which goes out once its kind may: sticky ones after the SEGMENT, others
  /// after the STREAM_START, all in their order.
  void queue_event(GstEvent* event);
  /// An application flushes this pad alone; Source::lock not held.
  void flush_start(guint32 seqnum);
  void flush_stop(guint32 seqnum, bool reset_time);
  void clear();

 private:
  using Lock = std::unique_lock<std::mutex>;

  static gboolean activate_mode(GstPad* pad, GstObject* parent, GstPadMode mode, gboolean active);
  static void loop_function(gpointer pad);

  void loop();
  bool interrupted() const;
  bool at_end() const;
  bool has_event() const;
  void pause();
  void join();
  void push_stream_start(Lock& lock);
  void negotiate(Lock& lock);
  std::optional<Failure> refused_behind(Lock& lock, GstCaps* caps);
  void push_segment(Lock& lock);
  /// True when it pushed what a new clip begins with.
  bool push_new_clip(Lock& lock);
  void wait_for_units(Lock& lock);
  void set_link(Link link);
  void push_gap(Lock& lock);
  void push_next(Lock& lock);
  void push_empty_end(Lock& lock);
  bool push_new_clip_of(Lock& lock, uint64_t index);
  void fail_for_memory(Lock& lock);
  void stamp(GstBuffer* buffer, uint64_t count) const;
  void send(Lock& lock, GstBuffer* buffer, uint64_t count);

  // ending.cpp
  uint64_t end() const;
  bool goes_on_to_cut() const;
  bool needs_filling() const;
  bool is_in_gap() const;
  GstEvent* gap_to_common_end();
  GstBuffer* filling(uint64_t end, uint64_t& count) const;
  void finish(Lock& lock);

  // channel/clip_begin.cpp
  uint64_t begin_of(uint64_t clip) const;
  bool tell_of_clip(Lock& lock, uint64_t clip, std::optional<uint64_t> begin = {});

  // channel/on_air.cpp
  void go_on_air(Lock& lock);
  bool clip_is_to_come() const;
  uint64_t slot_unit(uint64_t frame) const;
  GstBuffer* picture_of(uint64_t frame, const Schedule::Shown& shown);
  GstBuffer* sound_of(const Schedule::Shown& shown, uint64_t& count);
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
  bool discont_ = true;
  bool flushing_ = false;  // this pad alone
  bool sent_ = false;      // something since the segment began
  bool finished_ = false;
  bool over_ = false;
  bool away_ = false;                // what is behind the pad was stopped, not by us
  bool positioned_ = false;          // next_ was set from the segment
  uint64_t next_ = 0;                // unit of the next buffer
  std::optional<uint64_t> sending_;  // and of the one that is being pushed
  std::optional<uint64_t> tagged_;   // clip whose tags were sent
  uint32_t width_ = 0, height_ = 0;  // of the video caps
  bool starved_ = true;              // live: nothing was there
  GstClockTime gaps_end_ = 0;        // live, running time
  std::optional<uint64_t> showing_;  // hold: the clip that was begun last
  GstBuffer* held_ = nullptr;        // and its last frame
  Allocation allocation_;
};

}  // namespace ovii2v
