// How far a clip is, by what is told and measured; no clock.
// SPDX-License-Identifier: Apache-2.0
#include <gst/check/gstcheck.h>

#include "clip/clip_time.h"
#include "fixture.h"

using ovii2v::ClipTime;

namespace {

ovi_progress at(ovi_stage stage, uint32_t done, uint32_t total, double left = -1) {
  return {sizeof(ovi_progress), stage, done, total, left};
}

void check_left(const ClipTime& time, double now, double wanted) {
  const auto left = time.left(now);
  fail_unless(left.has_value(), "nothing is known");
  fail_unless(*left > wanted - 1e-6 && *left < wanted + 1e-6, "%f instead of %f", *left, wanted);
}

/// 20 s, 1 s, 10 steps of 2 s, 8 s; ends at `begin` + 49.
void make(ClipTime& time, double begin, bool loads) {
  time.begin("this", 10, loads);
  if (loads) {
    time.update(at(OVI_STAGE_LOAD, 0, 100), begin);
    time.update(at(OVI_STAGE_LOAD, 100, 100), begin + 20);
  }
  time.update(at(OVI_STAGE_ENCODE, 0, 2), begin + 20);
  time.update(at(OVI_STAGE_ENCODE, 2, 2), begin + 21);
  for (uint32_t i = 0; i <= 10; ++i) time.update(at(OVI_STAGE_GENERATE, i, 10), begin + 21 + 2 * i);
  time.update(at(OVI_STAGE_DECODE, 0, 4), begin + 41);
  time.update(at(OVI_STAGE_DECODE, 4, 4), begin + 49);
  time.complete(begin + 49);
}

}  // namespace

GST_START_TEST(the_first_clip_goes_by_usual_shares) {
  ClipTime time;
  time.begin("this", 29, true);  // 10 + 1 + 29 + 10 shares
  fail_unless_equals_int(time.percent(), 0);
  fail_unless(!time.left(0));
  time.update(at(OVI_STAGE_LOAD, 0, 100), 0);
  time.update(at(OVI_STAGE_LOAD, 50, 100, 3), 3);
  fail_unless_equals_int(time.percent(), 10);
  // Loading says nothing about steps.
  fail_unless(!time.left(3));
  time.update(at(OVI_STAGE_LOAD, 100, 100, 0), 6);
  time.update(at(OVI_STAGE_ENCODE, 0, 1), 6);
  time.update(at(OVI_STAGE_ENCODE, 1, 1), 7);
  fail_unless_equals_int(time.percent(), 22);
  fail_unless(!time.left(7));
  time.update(at(OVI_STAGE_GENERATE, 0, 29), 7);
  fail_unless(!time.left(7));
  time.update(at(OVI_STAGE_GENERATE, 1, 29), 9);
  check_left(time, 9, 28 * 2 + 10 * 2);
  // The engine's word is better, and grows old.
  time.update(at(OVI_STAGE_GENERATE, 2, 29, 60), 11);
  check_left(time, 11, 60 + 20);
  check_left(time, 12, 59 + 20);
  check_left(time, 99, 0 + 20);
  fail_unless_equals_int(time.percent(), 26);
  time.update(at(OVI_STAGE_GENERATE, 29, 29, 0), 65);
  time.update(at(OVI_STAGE_DECODE, 0, 4), 65);
  check_left(time, 66, 20 - 1);
  time.update(at(OVI_STAGE_DECODE, 4, 4, 0), 80);
  fail_unless_equals_int(time.percent(), 99);  // until it is whole
  check_left(time, 80, 0);
  time.complete(81);
  fail_unless_equals_int(time.percent(), 100);
  check_left(time, 81, 0);
}
GST_END_TEST

GST_START_TEST(later_clips_go_by_what_was_measured) {
  ClipTime time;
  make(time, 100, true);
  time.begin("this", 10, false);
  check_left(time, 200, 1 + 20 + 8);
  time.update(at(OVI_STAGE_ENCODE, 0, 2), 200);
  time.update(at(OVI_STAGE_ENCODE, 2, 2), 201);
  time.update(at(OVI_STAGE_GENERATE, 0, 10), 201);
  check_left(time, 202, 19 + 8);
  time.update(at(OVI_STAGE_GENERATE, 5, 10), 211);
  fail_unless_equals_int(time.percent(), 100 * 11 / 29);
  check_left(time, 211, 10 + 8);
  // Slower than before: nothing is left of what was expected, and never less.
  check_left(time, 999, 0 + 8);
  // Twice the steps.
  time.begin("this", 20, false);
  check_left(time, 1000, 1 + 40 + 8);
  // The model is read again: that was measured too.
  time.begin("this", 10, true);
  check_left(time, 1000, 20 + 1 + 20 + 8);
  // Another kind of clip.
  time.begin("other", 10, false);
  fail_unless(!time.left(1000));
}
GST_END_TEST

GST_START_TEST(a_model_that_is_there_takes_no_share) {
  ClipTime time;
  time.begin("this", 9, true);
  time.update(at(OVI_STAGE_LOAD, 0, 1), 0);
  time.update(at(OVI_STAGE_LOAD, 1, 1), 0);
  fail_unless_equals_int(time.percent(), 0);
  time.update(at(OVI_STAGE_ENCODE, 1, 1), 1);
  fail_unless_equals_int(time.percent(), 5);  // 1 of 1 + 9 + 10
}
GST_END_TEST

/// As a plan does that keeps no weights; what it reads belongs to the stage that follows.
GST_START_TEST(reading_between_stages_takes_nothing_back) {
  ClipTime time;
  time.begin("this", 9, true);
  time.update(at(OVI_STAGE_LOAD, 0, 10), 0);
  time.update(at(OVI_STAGE_LOAD, 10, 10), 1);
  time.update(at(OVI_STAGE_ENCODE, 0, 1), 1);
  time.update(at(OVI_STAGE_ENCODE, 1, 1), 2);
  const int before = time.percent();
  time.update(at(OVI_STAGE_LOAD, 0, 10), 2);
  time.update(at(OVI_STAGE_LOAD, 10, 10), 12);
  fail_unless_equals_int(time.percent(), before);
  for (uint32_t i = 0; i <= 9; ++i) time.update(at(OVI_STAGE_GENERATE, i, 9), 12 + i);
  const int generated = time.percent();
  fail_unless(generated > before);
  time.update(at(OVI_STAGE_LOAD, 0, 10), 21);
  time.update(at(OVI_STAGE_DECODE, 0, 1), 31);
  fail_unless_equals_int(time.percent(), generated);
  time.update(at(OVI_STAGE_DECODE, 1, 1), 32);
  time.complete(32);
  time.begin("this", 9, false);
  check_left(time, 40, 1 + 19 + 11);
}
GST_END_TEST

GST_START_TEST(what_no_engine_says_does_no_harm) {
  ClipTime time;
  time.begin("this", 0, false);
  time.update(at(OVI_STAGE_GENERATE, 7, 0), 0);
  time.update(at(static_cast<ovi_stage>(9), 1, 1), 0);
  time.update(at(OVI_STAGE_GENERATE, 9, 3), 1);
  fail_unless(time.percent() >= 0 && time.percent() < 100);
  time.update(at(OVI_STAGE_ENCODE, 0, 3), 2);  // back
  fail_unless(!time.left(2) || *time.left(2) >= 0);
  time.complete(1);
  fail_unless_equals_int(time.percent(), 100);
}
GST_END_TEST

OVI_TEST_MAIN(clip_time, OVI_TEST(the_first_clip_goes_by_usual_shares)
                             OVI_TEST(later_clips_go_by_what_was_measured)
                                 OVI_TEST(a_model_that_is_there_takes_no_share)
                                     OVI_TEST(reading_between_stages_takes_nothing_back)
                                         OVI_TEST(what_no_engine_says_does_no_harm))
