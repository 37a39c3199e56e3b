// What the tests of the element share: an element, its bus, the fake engine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/check/gstcheck.h>
#include <gst/check/gstconsistencychecker.h>
#include <gst/check/gstharness.h>

#include <string>
#include <vector>

#include "fake_engine.h"

namespace fixture {

/// Steers the fake engine that the element opened, or will open, in whatever process.
const ovi_fake_api& fake();
/// The engine is in a process of its own: OVI_TEST_ISOLATION=process. Sources are made so then.
bool isolated();
void isolate();  // from now on

/// The element with prompt and model-path set, and a bus of its own.
GstElement* make_source();
GstElement* make_source_bare();
void drop(GstElement* source);  // to NULL, and away with it

struct Posted {
  GstMessageType type;
  // ERROR, WARNING
  GQuark domain = 0;
  int code = 0;
  std::string text, debug;
  // PROGRESS
  GstProgressType progress = GST_PROGRESS_TYPE_START;
  std::string stage;
  int percent = -1;
};

/// Takes what is on the bus of `element`.
std::vector<Posted> take_messages(GstElement* element);
/// Waits (at most 10 s) until an ERROR is on the bus; fails the test without.
Posted wait_error(GstElement* element, std::vector<Posted>* all = nullptr);
/// Each START of the list is ended once, none is ended without; returns the number.
int check_progress_balance(const std::vector<Posted>& messages);
void check_error(const Posted& error, GQuark domain, int code, const char* part);

/// Source with a fakesink behind each pad, in a pipeline that is returned.
GstElement* make_pipeline(GstElement** source, bool video = true, bool audio = true,
                          const char* sink_properties = "sync=false");
/// Plays until EOS or ERROR (at most 20 s).
GstMessageType play_to_end(GstElement* pipeline, Posted* error = nullptr);

/// What a pad gave, with its end.
struct Pulled {
  std::vector<GstBuffer*> buffers;
  std::vector<GstEvent*> events;
  Pulled() = default;
  Pulled(const Pulled&) = delete;
  ~Pulled();
  /// Those of one type, in their order; borrowed.
  std::vector<GstEvent*> of(GstEventType type) const;
  std::string bytes() const;
};

/// An element with a harness on each pad.
struct Harnesses {
  explicit Harnesses(GstElement* element, const char* video_caps = "video/x-raw",
                     const char* audio_caps = "audio/x-raw");
  ~Harnesses();
  void play() { gst_harness_play(video); }
  /// Everything up to and with EOS, which must come.
  void pull_all(Pulled& frames, Pulled& sound);

  GstElement* source;
  GstHarness *video, *audio;
};

/// Fails the test when a pad's events and buffers come in an impossible order.
struct Consistent {
  explicit Consistent(GstElement* source);
  ~Consistent();
  Consistent(const Consistent&) = delete;
  GstStreamConsistency* checkers[2];
};

/// Holds up a pad's buffers, until it is opened or gone.
struct Block {
  Block(GstElement* source, const char* pad);
  ~Block();
  Block(const Block&) = delete;
  void open();
  GstPad* pad;
  gulong probe;
};

std::string bytes_of(GstBuffer* buffer);
std::string data_file(const char* name);  // in the tests' data or examples folder
std::string scratch_file(const char* name, const void* data, size_t size);

}  // namespace fixture

// A test program: one suite with the given tests, each in a process of its own.
// clang-format off
#define OVI_TEST(test) tcase_add_test(cases, test);
#define OVI_TEST_MAIN(name, tests)            \
  static Suite* name##_suite(void) {          \
    Suite* suite = suite_create(#name);       \
    TCase* cases = tcase_create("all");       \
    suite_add_tcase(suite, cases);            \
    tests                                     \
    return suite;                             \
  }                                           \
  GST_CHECK_MAIN(name)
// clang-format on
