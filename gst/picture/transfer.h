// One source element that fills a memfd, in a thread that can be left behind.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace ovii2v {

/// What reads URIs of `scheme` and gives bytes up to an end; to be unref'd. Null without: `others`
/// names an element for that scheme that does not, if there is one.
GstElementFactory* find_source(const std::string& scheme, std::string& others);

/// Shared by its thread and who waits for it: whoever ends last frees it.
class Transfer {
 public:
  enum class End {
    kRunning,
    kWhole,       // all bytes are there
    kFailed,      // see domain, code, status
    kTooLong,     // more bytes than `most`
    kNoThread,    // the system gives none
    kUnsuitable,  // no element for it that gives bytes and ends; see `element`
  };
  struct Result {
    End end = End::kRunning;
    GQuark domain = 0;
    gint code = 0;
    guint status = 0;          // of HTTP; 0: none came
    std::string redirect;      // the Location that came with it
    std::string element = {};  // the factory's name
  };

  /// Starts the thread. Nothing of `uri` is written anywhere.
  static std::shared_ptr<Transfer> start(std::string uri, uint64_t most);
  ~Transfer();
  Transfer(const Transfer&) = delete;

  /// Until it ends, `time` at most. False: it goes on.
  bool wait(std::chrono::milliseconds time);
  /// Ends it; after this it may be forgotten. Waits a moment for its element to go.
  void abandon();
  Result result();
  /// The memfd, once kWhole; the caller closes it.
  int take_file();

 private:
  Transfer(std::string uri, uint64_t most) : uri_(std::move(uri)), most_(most) {}

  void run();
  GstElement* make_source();
  void read(GstElement* source);
  bool goes_on();
  void take_message(GstMessage* message);
  void end(End end);
  GstFlowReturn take(GstBuffer* buffer);

  static gpointer thread(gpointer self);
  static GstFlowReturn on_buffer(GstPad* pad, GstObject*, GstBuffer* buffer);
  static gboolean on_event(GstPad* pad, GstObject*, GstEvent* event);

  const std::string uri_;
  const uint64_t most_;  // bytes

  std::mutex lock_;
  std::condition_variable changed_;
  Result result_;
  int file_ = -1;
  uint64_t bytes_ = 0;
  bool ended_ = false;      // the source has said all it had to
  bool abandoned_ = false;  // nobody waits any more
  bool over_ = false;       // the thread is done
};

}  // namespace ovii2v
