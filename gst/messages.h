// What the element says on the bus: errors, warnings, progress, statistics, tags.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <string>

#include "ovi/engine.h"

namespace ovii2v {

/// A part of GStreamer that is not installed: `what` is a protocol.
struct Missing {
  enum class Kind { kNothing, kUriSource } kind = Kind::kNothing;
  std::string what = {};
};

/// Something a user is told: `message` is one sentence with the way out,
/// `detail` is for the log.
struct Failure {
  GQuark domain;
  gint code;
  std::string message;
  std::string detail;
  Missing missing = {};
};

Failure from_engine(const ovi_error& error);

/// With something missing, "missing-plugin" comes first, by which applications install it.
void post_error(GstElement* element, const Failure& failure);
/// An error that a pad's flow return tells in full ("flow-return" in the details).
void post_flow_error(GstElement* element, GstFlowReturn flow, const Failure& failure);
void post_warning(GstElement* element, const Failure& failure);
Failure from_warning(const ovi_warning& warning);

/// The PROGRESS messages of one run. Holds at most one open, so that each START
/// is ended exactly once and an application with one flag (gst-launch-1.0) is
/// never left waiting. Used by one thread at a time.
class Progress {
 public:
  explicit Progress(GstElement* element) : element_(element) {}

  /// Completes what is open when it is another stage.
  void begin(ovi_stage stage);
  void update(const ovi_progress& progress);
  /// Ends what is open, if anything: COMPLETE, CANCELED or ERROR.
  void end(GstProgressType type);

 private:
  void post(GstProgressType type, const std::string& text, int percent, double seconds_left);

  GstElement* element_;
  ovi_stage stage_ = OVI_STAGE_LOAD;
  bool open_ = false;
  gint64 last_post_ = 0;  // monotonic, us
};

/// "ovii2v-stats": what #GstOvii2vSrc:stats holds. The caller frees it.
GstStructure* stats_structure(const ovi_plan& plan, const ovi_stats& stats, uint64_t clip);

/// The tags of both pads. The caller unrefs them.
GstTagList* clip_tags(const std::string& prompt, const ovi_plan& plan, int64_t seed);

}  // namespace ovii2v
