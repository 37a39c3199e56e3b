// A live element when its clock is set back or on, or is another one, and when its base time moves.
// SPDX-License-Identifier: Apache-2.0
#include "channel/live_fixture.h"

using namespace fixture;

namespace {

struct OnClock : Live {
  explicit OnClock(const char* hold) : Live(0) {
    fake().clip_size(240, 160000);
    gst_util_set_object_arg(G_OBJECT(pads.source), "hold", hold);
    gst_element_set_state(pads.source, GST_STATE_PAUSED);
    wait_made();
    pads.play();
    run(clock, 10);
    wait_both();
    take();
  }
  ~OnClock() {
    if (other) gst_object_unref(other);
  }
  /// Until so many frames more came.
  void run(GstTestClock* by, guint frames) {
    const guint wanted = gst_harness_buffers_received(pads.video) + frames;
    while (gst_harness_buffers_received(pads.video) < wanted) {
      gst_test_clock_wait_for_multiple_pending_ids(by, 2, nullptr);
      gst_test_clock_crank(by);
    }
  }
  void take() {
    for (GstHarness* harness : {pads.video, pads.audio})
      while (GstBuffer* buffer = gst_harness_try_pull(harness)) gst_buffer_unref(buffer);
  }
  /// From here on both pads are at `now`, or a frame and a block from it, without a hole; they
  /// are a DISCONT, and together.
  void check_from(GstTestClock* by, GstClockTime now, bool discont) {
    run(by, 12);
    GstClockTimeDiff offsets[2];
    int pad = 0;
    for (GstHarness* harness : {pads.video, pads.audio}) {
      GstClockTime next = GST_CLOCK_TIME_NONE;
      const guint64 rate = pad ? 16000 : 24;
      bool jumped = false;
      while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
        // What was on its way when it happened.
        const bool begins = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
        if (discont && !jumped && !begins) {
          gst_buffer_unref(buffer);
          continue;
        }
        if (!GST_CLOCK_TIME_IS_VALID(next))
          fail_unless(std::abs(GST_CLOCK_DIFF(GST_BUFFER_PTS(buffer), now)) <= GST_SECOND / 5,
                      "%" GST_TIME_FORMAT, GST_TIME_ARGS(GST_BUFFER_PTS(buffer)));
        else
          fail_unless(std::abs(GST_CLOCK_DIFF(GST_BUFFER_PTS(buffer), next)) <= 1);
        fail_unless_equals_int(begins, discont && !jumped);
        jumped = true;
        next = GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
        offsets[pad] =
            GST_CLOCK_DIFF(gst_util_uint64_scale(GST_BUFFER_OFFSET(buffer), GST_SECOND, rate),
                           GST_BUFFER_PTS(buffer));
        gst_buffer_unref(buffer);
      }
      fail_unless(jumped, "%s stands still", pad ? "audio" : "video");
      ++pad;
    }
    fail_unless(offsets[0] == offsets[1]);
  }
  GstTestClock* other = nullptr;
};

constexpr const char* kHolds[] = {"none", "picture", "last-frame"};

}  // namespace

/// As when a pipeline's running time begins anew, or its clock is set back.
GST_START_TEST(running_time_goes_back) {
  for (const char* hold : kHolds)
    for (const GstClockTime back : {GST_SECOND / 2, 3 * GST_SECOND, 9 * GST_SECOND}) {
      fake().reset();
      OnClock on(hold);
      gst_element_set_base_time(on.pads.source, back);
      on.check_from(on.clock, on.now() - back, true);
    }
}
GST_END_TEST

/// A little: nothing needs to jump for that.
GST_START_TEST(running_time_goes_on_a_little) {
  for (const char* hold : kHolds)
    for (const GstClockTime on_by : {GST_SECOND / 10, 5 * GST_SECOND}) {
      fake().reset();
      OnClock on(hold);
      const GstClockTime before = on.now();
      gst_test_clock_advance_time(on.clock, static_cast<GstClockTimeDiff>(on_by));
      on.check_from(on.clock, before, false);
    }
}
GST_END_TEST

/// An hour of frames is not made up for.
GST_START_TEST(running_time_goes_on_by_an_hour) {
  for (const char* hold : kHolds) {
    fake().reset();
    OnClock on(hold);
    gst_test_clock_advance_time(on.clock, 3600 * GST_SECOND);
    on.check_from(on.clock, on.now(), true);
  }
}
GST_END_TEST

/// The old clock stands still, and nobody will ever set it on.
GST_START_TEST(another_clock_comes) {
  for (const char* hold : kHolds)
    for (const GstClockTime time : {2 * GST_SECOND, 100 * GST_SECOND}) {
      fake().reset();
      OnClock on(hold);
      on.other = GST_TEST_CLOCK(gst_test_clock_new_with_start_time(time));
      gst_element_set_clock(on.pads.source, GST_CLOCK(on.other));
      on.check_from(on.other, time, true);
    }
}
GST_END_TEST

OVI_TEST_MAIN(clock, OVI_TEST(running_time_goes_back) OVI_TEST(running_time_goes_on_a_little)
                         OVI_TEST(running_time_goes_on_by_an_hour) OVI_TEST(another_clock_comes))
