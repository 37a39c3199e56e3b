// Which frame of a live channel shows what.
// SPDX-License-Identifier: Apache-2.0
#include "channel/schedule.h"

#include "fixture.h"

using ovii2v::Schedule;

namespace {

void check(Schedule& schedule, guint64 frame, bool ready, gint64 clip, guint64 begin, guint64 end) {
  const auto shown = schedule.at(frame, ready);
  fail_unless(clip < 0 ? !shown.clip : shown.clip && *shown.clip == static_cast<guint64>(clip),
              "frame %d", static_cast<int>(frame));
  fail_unless_equals_uint64(shown.begin, begin);
  fail_unless_equals_uint64(shown.end, end);
}

}  // namespace

GST_START_TEST(clips_begin_when_they_are_ready_and_not_before) {
  Schedule schedule;
  schedule.set_clip(3, 3);
  check(schedule, 0, false, -1, 0, 1);
  check(schedule, 1, false, -1, 0, 2);
  check(schedule, 2, true, 0, 2, 5);
  fail_unless_equals_uint64(schedule.end_of_last(), 5);
  check(schedule, 4, true, 0, 2, 5);  // ready, but it is not over
  check(schedule, 5, true, 1, 5, 8);
  check(schedule, 8, false, -1, 8, 9);
  check(schedule, 9, true, 2, 9, 12);
  // The pad that is behind is told the same, whatever is ready by now.
  for (bool ready : {false, true}) {
    check(schedule, 1, ready, -1, 0, 2);
    check(schedule, 2, ready, 0, 2, 5);
    check(schedule, 5, ready, 1, 5, 8);
    check(schedule, 8, ready, -1, 8, 9);
  }
  schedule.forget_before(9);
  check(schedule, 9, true, 2, 9, 12);
  fail_unless_equals_uint64(schedule.begun(), 3);
}
GST_END_TEST

/// The last frame of a clip stands for the first of the next, if that one is there.
GST_START_TEST(the_last_frame_is_shared_or_shown) {
  Schedule schedule;
  schedule.set_clip(3, 2);
  check(schedule, 0, true, 0, 0, 2);
  check(schedule, 2, true, 1, 2, 4);
  check(schedule, 4, false, 1, 2, 5);
  check(schedule, 5, false, -1, 5, 6);
  check(schedule, 6, true, 2, 6, 8);
  check(schedule, 8, false, 2, 6, 9);
  check(schedule, 9, true, 3, 9, 11);
}
GST_END_TEST

/// Nobody was there: no clip begins in the past.
GST_START_TEST(frames_that_were_missed_are_the_hold) {
  Schedule schedule;
  schedule.set_clip(3, 3);
  check(schedule, 10, true, 0, 10, 13);
  check(schedule, 4, true, -1, 0, 10);
  check(schedule, 20, true, 1, 20, 23);
  check(schedule, 14, true, -1, 13, 20);
}
GST_END_TEST

OVI_TEST_MAIN(schedule, OVI_TEST(clips_begin_when_they_are_ready_and_not_before)
                            OVI_TEST(the_last_frame_is_shared_or_shown)
                                OVI_TEST(frames_that_were_missed_are_the_hold))
