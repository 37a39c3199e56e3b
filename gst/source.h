// The state of one element: its two streams, the worker that feeds them, the segment.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "channel/live_clock.h"
#include "channel/schedule.h"
#include "clip/reel.h"
#include "engine/gstovii2vloader.h"
#include "engine/worker.h"
#include "isolation/isolated_engine.h"
#include "settings.h"
#include "stream/stream.h"

GST_DEBUG_CATEGORY_EXTERN(gst_ovii2v_src_debug);
#define GST_CAT_DEFAULT gst_ovii2v_src_debug

namespace ovii2v {

/// Behind GstOvii2vSrc. Threads: the application's (properties, states, events,
/// queries), one task a pad, and the worker from READY->PAUSED to PAUSED->READY.
/// `lock` guards the state; it is released before anything is pushed, posted,
/// asked of a peer or of the engine.
class Source {
 public:
  explicit Source(GstElement* element);
  ~Source();

  // States.
  bool open();         // NULL->READY
  bool start();        // READY->PAUSED, before the pads are activated
  void started();      // and when that went well
  void play(bool on);  // PAUSED->PLAYING and back
  void begin_stop();   // PAUSED->READY, before the pads are deactivated
  void finish_stop();  // and after
  void close();        // READY->NULL

  // Events and queries.
  bool send_event(GstEvent* event);                 // to the element; takes it
  bool pad_event(Stream& stream, GstEvent* event);  // from downstream; takes it
  bool query(Stream& stream, GstQuery* query);
  bool element_query(GstQuery* query, bool& answered);

  Stream& stream_of(GstPad* pad) { return pad == video.pad() ? video : audio; }
  Stream& other(Stream& stream) { return &stream == &video ? audio : video; }

  /// Posts the error, once for all threads of a run, ends both pads and the worker.
  /// `flow` is GST_FLOW_OK when no pad's flow return is the cause. Lock not held.
  void fail(const Failure& failure, GstFlowReturn flow = GST_FLOW_OK);
  /// Makes the clip that plays the last one. Lock not held.
  void finish_after_clip();
  /// Posts SEGMENT_DONE once all linked pads came to the stop of a segment seek.
  /// Lets go of the lock while it posts.
  void segment_done(std::unique_lock<std::mutex>& held);
  /// The plan of the next clip is known: takes `record`. With the first one, what is to
  /// come is known, and a seek that came early is applied. Lock not held.
  void planned(const ovi_plan& plan, GstStructure* record);
  /// The clip that is played: the earlier one of the two pads; none when no pad plays.
  /// Lock held.
  std::optional<uint64_t> playing() const;
  /// Paused, and a pad has sent all that is made: its sink may wait for a buffer before it can
  /// play, while the other one keeps its pad from going on. Lock held.
  bool starves() const;
  /// A pad that plays has sent something of the clip. Lock held.
  bool has_begun(uint64_t clip) const;
  /// Clips of which something was sent. Lock held, as for the next one.
  uint64_t begun() const;
  /// Another number of clips for this run, at once (0: without end), though never fewer than have
  /// begun. True: the duration is another one, which is to be posted.
  /// Lets go of the lock while it posts BUFFERING.
  bool set_num_clips(std::unique_lock<std::mutex>& held, uint32_t clips);
  /// Where the pads go on, the earlier one. Lock held.
  GstClockTime nearest_position() const;
  /// Live, and something is sent all the time. Lock held, as for the next two.
  bool holds() const { return run.is_live && run.hold != Hold::kNone; }
  /// The earlier pad's frame.
  uint64_t nearest_slot() const;
  /// Both pads' timestamps jump.
  void mark_discont();
  /// What is shown while the newest clip is not there; takes the frame. Lock not held.
  void set_still(GstBuffer* still, bool picture);
  /// Wakes everything that waits, to look again. Lock held.
  void interrupt();
  /// Posts the collection of streams, once their caps are known and when they change; lets go of
  /// the lock while it does.
  void tell_streams(std::unique_lock<std::mutex>& held, const ovi_plan& plan);
  /// Posts BUFFERING when it is due; lets go of the lock while it does.
  void watch_level(std::unique_lock<std::mutex>& held);
  /// Warns of a first buffer that comes too late. The same.
  void check_start(std::unique_lock<std::mutex>& held, GstPad* pad, GstClockTime position);
  void set_stats(GstStructure* structure);  // takes it; lock not held

  GstElement* const element;

  std::mutex lock;
  std::condition_variable changed;

  Settings settings;
  Settings run;  // as they were when the run began; num_clips as it is
  GstStructure* stats = nullptr;

  Stream video{*this, Kind::kVideo};
  Stream audio{*this, Kind::kAudio};
  Reel reel;
  LiveClock live{element};
  Schedule schedule;  // when it holds()

  bool plays = false;                 // PLAYING
  bool running = false;               // between start() and finish_stop()
  bool entered = false;               // after started(): the worker may begin
  bool stopping = false;              // on the way to READY
  bool flushing = false;              // pads are to be still
  bool ended = false;                 // an EOS event was sent to the element
  std::optional<uint64_t> cut;        // both pads end there, before all is sent; frames
  std::optional<uint64_t> last_clip;  // after finish_after_clip()
  uint64_t making = 0;                // clip that the worker is at
  bool failed = false;                // an error was posted
  GstSegment segment;
  uint64_t segment_id = 0;               // changes with each seek
  std::optional<uint64_t> told_of_clip;  // the newest one since the last seek
  uint64_t told_clips = 0;               // of the run
  bool telling_of_clip = false;          // it is being posted
  guint32 seqnum = 0;                    // of the segment
  guint32 end_seqnum = 0;                // of the EOS event
  bool failing = false;                  // an error is being posted
  guint group_id = 0;
  GstStreamCollection* collection = nullptr;
  bool streams_told = false;  // with their caps
  std::string uri;

 private:
  bool seek(GstEvent* event);  // takes it
  void flush_start(guint32 seqnum);
  /// Sets `next` as the segment (when given) while both pads are still, and goes on.
  void flush_stop(guint32 seqnum, bool reset_time, const GstSegment* next);
  void set_segment(const GstSegment& next, guint32 next_seqnum);  // lock held
  void go_on_after_flush(guint32 event_seqnum, bool reset_time);
  const char* apply_seek(GstEvent* event, GstSegment& from) const;
  void snap(GstEvent* event, GstSegment& next) const;
  void post_segment_start(const GstSegment& next, guint32 next_seqnum);
  void forget_pending_seek(const char* reason);
  void begin_with_pending_seek(GstClockTime duration);
  uint64_t frames_sent() const;  // lock held
  uint64_t begun_clip() const;
  void end_with_last_clip();
  GstClockTime running_time_of(GstClockTime position) const;
  GstClockTime furthest_position();  // lock held
  bool end_stream(GstEvent* event);
  bool queue_for_both(GstEvent* event);

  std::mutex flush_lock_;  // one flush or seek at a time
  GstEvent* pending_seek_ = nullptr;
  guint32 last_seek_ = GST_SEQNUM_INVALID;
  bool segment_done_posted_ = false;
  std::optional<std::thread::id> done_poster_;  // posts SEGMENT_DONE just now
  std::optional<int> new_level();               // lock held
  void check_lateness(std::unique_lock<std::mutex>& held);
  bool watching_level_ = false, look_at_level_again_ = false;
  int buffering_ = -1;               // percent that were told; -1: the application need not wait
  bool began_ = false;               // the run's first buffer was sent
  std::optional<gint64> first_due_;  // its running time, while nobody has looked whether it is late

  std::chrono::steady_clock::time_point entered_at_;  // of started()
  bool open_engine_for(Isolation isolation);
  std::unique_ptr<IsolatedEngine> isolated_;  // where `isolation` says so
  const Engine* engine_ = nullptr;
  Worker worker_;
};

}  // namespace ovii2v
