// Which unit of which clip comes when, against arithmetic done another way.
// SPDX-License-Identifier: Apache-2.0
#include "stream/timeline.h"

#include "fixture.h"

using namespace ovii2v;

namespace {

constexpr Kind kKinds[] = {Kind::kVideo, Kind::kAudio};

const Timeline kFive{121, 24, 80384, 16000, 100, false};
const Timeline kTen{241, 24, 160768, 16000, 100, false};

Timeline with(Timeline timeline, uint64_t clips, bool repeats) {
  timeline.clips = clips;
  timeline.repeats = repeats;
  return timeline;
}

}  // namespace

GST_START_TEST(one_clip_is_as_long_as_it_is) {
  for (bool repeats : {false, true}) {
    const Timeline one = with(kFive, 1, repeats);
    fail_unless_equals_uint64(one.units(Kind::kVideo), 121);
    fail_unless_equals_uint64(one.units(Kind::kAudio), 80384);
    fail_unless_equals_uint64(one.clip_of(Kind::kAudio, 80383), 0);
    fail_unless_equals_uint64(one.clip_of(Kind::kVideo, 500), 0);
  }
}
GST_END_TEST

GST_START_TEST(a_hundred_clips_do_not_drift) {
  // 121 frames are 80666 2/3 samples, 241 are 160666 2/3.
  fail_unless_equals_uint64(kFive.origin(Kind::kAudio, 1), 80667);
  fail_unless_equals_uint64(kFive.origin(Kind::kAudio, 2), 161333);
  fail_unless_equals_uint64(kFive.origin(Kind::kAudio, 3), 242000);
  fail_unless_equals_uint64(kFive.origin(Kind::kAudio, 99), 33 * 242000);
  fail_unless_equals_uint64(kTen.origin(Kind::kAudio, 99), 33 * 482000);
  fail_unless_equals_uint64(kFive.units(Kind::kVideo), 12100);
  fail_unless_equals_uint64(kFive.units(Kind::kAudio), 33 * 242000 + 80384);
  // Chained, they follow each other on whole seconds.
  const Timeline chained = with(kFive, 100, true);
  for (uint64_t n : {1, 7, 99}) {
    fail_unless_equals_uint64(chained.origin(Kind::kVideo, n), 120 * n);
    fail_unless_equals_uint64(chained.origin(Kind::kAudio, n), 80000 * n);
    fail_unless_equals_uint64(chained.first(Kind::kVideo, n), 120 * n + 1);
  }
  fail_unless_equals_uint64(chained.units(Kind::kVideo), 12001);
  for (const Timeline& timeline : {kFive, kTen, chained})
    for (uint64_t n = 0; n < 100000; n += n < 200 ? 1 : 997) {
      // |audio - video| <= half a sample, in units of 1/(24 * 16000) s.
      const auto video = static_cast<int64_t>(timeline.origin(Kind::kVideo, n) * 16000);
      const auto audio = static_cast<int64_t>(timeline.origin(Kind::kAudio, n) * 24);
      fail_unless(ABS(video - audio) <= 12, "clip %d", static_cast<int>(n));
    }
}
GST_END_TEST

GST_START_TEST(every_unit_is_of_one_clip) {
  for (uint64_t clips : {0, 1, 2, 40})
    for (bool repeats : {false, true})
      for (const Timeline& shape :
           {kFive, kTen, Timeline{1, 24, 512, 16000, 1, false}, Timeline{7, 24, 9, 16000, 1, false},
            Timeline{2, 24, 9999, 16000, 1, false}}) {
        const Timeline timeline = with(shape, clips, repeats);
        for (Kind kind : kKinds) {
          uint64_t unit = 0;
          for (uint64_t n = 0; n < (clips ? clips : 30); ++n) {
            // They follow each other without a hole, and each knows its own.
            fail_unless_equals_uint64(timeline.first(kind, n), unit);
            unit = timeline.end(kind, n);
            fail_unless(unit > timeline.first(kind, n));
            fail_unless_equals_uint64(timeline.clip_of(kind, timeline.first(kind, n)), n);
            fail_unless_equals_uint64(timeline.clip_of(kind, unit - 1), n);
          }
          fail_unless_equals_uint64(timeline.units(kind), clips ? unit : Timeline::kEndless);
        }
      }
}
GST_END_TEST

GST_START_TEST(weeks_do_not_overflow) {
  const Timeline endless = with(kTen, 0, false);
  const uint64_t n = 10'000'000;  // three years
  fail_unless_equals_uint64(endless.origin(Kind::kVideo, n), 2'410'000'000);
  fail_unless_equals_uint64(endless.origin(Kind::kAudio, n), 1'606'666'666'667);
  fail_unless_equals_uint64(endless.clip_of(Kind::kAudio, 1'606'666'666'667), n);
  fail_unless_equals_uint64(endless.clip_of(Kind::kAudio, 1'606'666'666'666), n - 1);
}
GST_END_TEST

OVI_TEST_MAIN(timeline,
              OVI_TEST(one_clip_is_as_long_as_it_is) OVI_TEST(a_hundred_clips_do_not_drift)
                  OVI_TEST(every_unit_is_of_one_clip) OVI_TEST(weeks_do_not_overflow))
