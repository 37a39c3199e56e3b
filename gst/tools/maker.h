// Makes clips, one after the other, with one element that keeps its model.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <string>
#include <vector>

#include "container.h"
#include "preview/preview.h"
#include "progress.h"
#include "property.h"
#include "words.h"

namespace ovii2v::tools {

/// One clip to be made.
struct Order {
  std::vector<Setting> settings;  // beside those that the element has
  std::string output;             // file, device or "-"
  std::string place;              // "2 of 5" for the eye; may be empty
  Container container = Container::kMp4;
  bool force = false;
};

struct Outcome {
  Status status = kFailed;
  std::string problem, way_out;  // when it failed; the second may be empty
  gint64 seed = -1;
  double seconds = 0;  // it took
  /// "5.0 s, 992x512, seed 7, made in 12 s": of a clip that was made.
  std::string text;
};

/// A signal that asks to end (SIGINT, SIGTERM, SIGHUP) cancels the clip that is made and all that
/// follow; what it wrote is gone. A second one ends the program at once.
class Maker {
 public:
  /// `source` is an ovii2vsrc; the maker owns it. Its settings are those of every clip.
  Maker(GstElement* source, bool quiet, const PreviewOptions& preview = {});
  ~Maker();
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;

  GstElement* source() const { return source_; }
  Outcome make(const Order& order);
  bool cancelled() const { return cancelled_; }

 private:
  bool wait_a_little();
  void look(GstMessage* message, Outcome& outcome);
  static gboolean on_message(GstBus* bus, GstMessage* message, gpointer self);
  static gboolean on_signal(gpointer self);

  GstElement *pipeline_, *source_;
  GstBus* bus_;
  GMainLoop* loop_;
  std::vector<guint> signals_;
  Progress progress_;
  Preview preview_;
  Warnings warnings_;
  bool cancelled_ = false, ended_ = false;
  std::string part_;  // that a second signal would leave
  Outcome* outcome_ = nullptr;
};

}  // namespace ovii2v::tools
