// What the tests of live mode share: an element on a clock that only the test moves.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/check/gsttestclock.h>

#include <atomic>
#include <thread>

#include "fixture.h"

namespace fixture {

constexpr GstClockTime kStart = 10 * GST_SECOND;
constexpr GstClockTime kFrame = GST_SECOND / 24;
constexpr GstClockTime frame_time(guint64 n) { return n * GST_SECOND / 24; }
constexpr GstClockTime sample_time(guint64 n) { return n * GST_SECOND / 16000; }

/// A live element. Clips of 3 frames (2000 samples' time) and 1900 samples.
struct Live {
  explicit Live(guint clips = 1) : pads(make_source()) {
    fake().clip_size(3, 1900);
    g_object_set(pads.source, "is-live", TRUE, "num-clips", clips, nullptr);
    gst_element_set_clock(pads.source, GST_CLOCK(clock));
    gst_element_set_base_time(pads.source, 0);
    made = g_async_queue_new();
    g_signal_connect(pads.source, "notify::stats",
                     G_CALLBACK(+[](GObject*, GParamSpec*, gpointer queue) {
                       g_async_queue_push(static_cast<GAsyncQueue*>(queue), queue);
                     }),
                     made);
  }
  ~Live() {
    gst_element_set_state(pads.source, GST_STATE_NULL);
    gst_object_unref(clock);
    g_async_queue_unref(made);
  }
  void wait_made() { fail_unless(g_async_queue_timeout_pop(made, 10 * G_USEC_PER_SEC) != nullptr); }
  /// Both pads stand at the clock.
  void wait_both() { gst_test_clock_wait_for_multiple_pending_ids(clock, 2, nullptr); }
  /// Time goes on to what is waited for next, once all pads that are not at their end wait.
  void crank(int times, guint waiting = 2) {
    while (times-- > 0) {
      gst_test_clock_wait_for_multiple_pending_ids(clock, waiting, nullptr);
      fail_unless(gst_test_clock_crank(clock));
    }
  }
  /// One pad at least.
  bool has_ended() const {
    return GST_PAD_IS_EOS(pads.video->sinkpad) || GST_PAD_IS_EOS(pads.audio->sinkpad);
  }
  GstClockTime now() const { return gst_clock_get_time(GST_CLOCK(clock)); }

  GstTestClock* clock = GST_TEST_CLOCK(gst_test_clock_new_with_start_time(kStart));
  GAsyncQueue* made;
  Harnesses pads;
};

/// One step of time after the other, for whoever waits; `together`: for both pads, as long as
/// neither is at its end.
struct Time {
  explicit Time(Live& live, bool together = false)
      : thread([this, &live, together] {
          while (!over) {
            const guint waiting = gst_test_clock_peek_id_count(live.clock);
            if (waiting >= (together && !live.has_ended() ? 2 : 1)) gst_test_clock_crank(live.clock);
            std::this_thread::yield();
          }
        }) {}
  ~Time() {
    over = true;
    thread.join();
  }
  std::atomic<bool> over{false};
  std::thread thread;
};

/// The end of the next GAP event.
inline GstClockTime gap_end(GstHarness* harness, GstClockTime* start = nullptr) {
  GstEvent* event = nullptr;
  while ((event = gst_harness_pull_event(harness)) && GST_EVENT_TYPE(event) != GST_EVENT_GAP)
    gst_event_unref(event);
  fail_unless(event != nullptr, "no GAP");
  GstClockTime begin, duration;
  gst_event_parse_gap(event, &begin, &duration);
  gst_event_unref(event);
  if (start) *start = begin;
  return begin + duration;
}

/// The timestamp of the next buffer.
inline GstClockTime pull(GstHarness* harness, bool discont = false) {
  GstBuffer* buffer = gst_harness_pull(harness);
  fail_unless(buffer != nullptr);
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  fail_unless_equals_int(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT), discont);
  gst_buffer_unref(buffer);
  return pts;
}

inline void wait_eos(GstHarness* harness) {
  GstEvent* event = nullptr;
  while ((event = gst_harness_pull_event(harness)) && GST_EVENT_TYPE(event) != GST_EVENT_EOS)
    gst_event_unref(event);
  fail_unless(event != nullptr, "no EOS");
  gst_event_unref(event);
}

}  // namespace fixture
