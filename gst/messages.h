// What the element says on the bus: errors and warnings.
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
  bool lasting = false;  // the next clip would fail with the same
};

struct WorkerError;  // isolation/engine_process.h

Failure from_engine(const ovi_error& error);
Failure from_worker(const WorkerError& error);

/// With something missing, "missing-plugin" comes first, by which applications install it.
void post_error(GstElement* element, const Failure& failure);
/// An error that a pad's flow return tells in full ("flow-return" in the details).
void post_flow_error(GstElement* element, GstFlowReturn flow, const Failure& failure);
void post_warning(GstElement* element, const Failure& failure);
Failure from_warning(const ovi_warning& warning);

}  // namespace ovii2v
