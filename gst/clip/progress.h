// The PROGRESS messages of one run.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <string>

#include "clip/clip_time.h"
#include "ovi/engine.h"

namespace ovii2v {

/// Holds at most one stage open, so that each START is ended exactly once and an application with
/// one flag (gst-launch-1.0) is never left waiting. Each message says in its text and in its
/// structure which clip it is of, how far that is (`percent`, of all its stages) and what time is
/// left for it. Used by one thread at a time; posts, so no lock is held.
class Progress {
 public:
  explicit Progress(GstElement* element) : element_(element) {}

  /// From here on it is of clip `clip` (counted from 0) of `clips` (0: without end), which begins.
  void set_clip(uint64_t clip, uint64_t clips);
  void set_clips(uint64_t clips) { clips_ = clips; }
  /// Before the engine is asked: settings and picture are looked at.
  void begin();
  /// The engine is asked for the clip; as ClipTime::begin().
  void expect(const std::string& like, uint32_t steps, bool loads);
  void update(const ovi_progress& progress);
  /// The clip is whole.
  void complete();
  /// Ends what is open, if anything: COMPLETE, CANCELED or ERROR.
  void end(GstProgressType type);

 private:
  void begin(ovi_stage stage);
  void post(GstProgressType type, const std::string& what, int stage_percent);

  GstElement* element_;
  ClipTime time_;
  uint64_t clip_ = 0, clips_ = 1;
  ovi_stage stage_ = OVI_STAGE_LOAD;
  bool open_ = false;
  bool reads_ = false;  // weights, and it was said
  guint32 seqnum_ = 0;  // of the stage's messages
  int stage_percent_ = 0;
  gint64 last_post_ = 0;  // monotonic, us
};

}  // namespace ovii2v
