// How far what is made is ahead of what is played: BUFFERING, and the clip that is late.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <utility>

#include "source.h"

namespace ovii2v {
namespace {

/// Less than that ahead, and the application is asked to pause: it has time to do so.
constexpr GstClockTime kLow = GST_SECOND / 2;
/// What is sent so far before its time is not played by the clock, but written to a file.
constexpr GstClockTime kUnclocked = 3 * GST_SECOND;
constexpr GstClockTime kLate = GST_SECOND / 2;

}  // namespace

GstClockTime Source::running_time_of(GstClockTime position) const {
  return gst_segment_to_running_time(&segment, GST_FORMAT_TIME, position);
}

/// Of a chain that is not live: asks to pause before nothing is left, and to go on once the
/// clip that is made is whole.
void Source::watch_level(std::unique_lock<std::mutex>& held) {
  // One thread tells at a time, so that what is told last is true.
  look_at_level_again_ = true;
  if (watching_level_) return;
  watching_level_ = true;
  while (std::exchange(look_at_level_again_, false)) {
    const std::optional<int> percent = new_level();
    if (!percent) continue;
    buffering_ = *percent == 100 ? -1 : *percent;
    held.unlock();
    gst_element_post_message(element, gst_message_new_buffering(GST_OBJECT(element), *percent));
    held.lock();
    look_at_level_again_ = true;
  }
  watching_level_ = false;
}

/// What is to be told, if it is anything new.
std::optional<int> Source::new_level() {
  // Where the only clip that is left is the first one, an application may still be waiting.
  if (run.is_live || (run.num_clips == 1 && buffering_ < 0) || !reel.planned()) return std::nullopt;
  const Clip& newest = reel.newest();
  const GstClockTime position = nearest_position();
  const auto clip = playing();
  // Also when the worker waits for the clip before to be played: pausing would stop both.
  const bool over = reel.over() || ended || failed || !GST_CLOCK_TIME_IS_VALID(position) || !clip ||
                    (newest.complete() && reel.complete() > *clip + 1);
  int percent = 100;
  if (!over) {
    const auto now = live.now();
    GstClockTime ahead = GST_CLOCK_TIME_NONE;
    for (const Stream* stream : {&video, &audio}) {
      const GstClockTime due = running_time_of(stream->position());
      if (!stream->plays() || (now && GST_CLOCK_TIME_IS_VALID(due) && due > *now + kUnclocked))
        continue;
      const GstClockTime end = reel.time_of(stream->kind(), reel.made(stream->kind()));
      ahead = std::min(ahead, end > stream->position() ? end - stream->position() : 0);
    }
    const bool all = newest.complete() && reel.timeline().clips &&
                     reel.made(Kind::kVideo) >= reel.timeline().units(Kind::kVideo);
    if (buffering_ < 0) {
      if (!plays || all || ahead >= kLow || !now) return std::nullopt;
      GST_INFO_OBJECT(element, "only %" GST_TIME_FORMAT " are left to play", GST_TIME_ARGS(ahead));
    }
    if (!all && (!newest.complete() || ahead < kLow))
      percent = newest.complete() ? 0 : std::min(99, static_cast<int>(newest.percent()));
  }
  if (buffering_ < 0 && percent == 100) return std::nullopt;
  if (percent < 100 && buffering_ >= 0 && percent / 10 <= buffering_ / 10) return std::nullopt;
  return percent;
}

/// Of the first buffer: tells when its time was over before it was there. In PAUSED that shows
/// when it is to be played: an element that was added to a pipeline that plays prerolls first.
void Source::check_start(std::unique_lock<std::mutex>& held, GstPad* pad, GstClockTime position) {
  if (began_) return;
  began_ = true;
  const GstClockTime running = running_time_of(position);
  if (run.is_live || !GST_CLOCK_TIME_IS_VALID(running)) return;
  first_due_ = static_cast<gint64>(running) + gst_pad_get_offset(pad);
  if (plays) check_lateness(held);
}

void Source::check_lateness(std::unique_lock<std::mutex>& held) {
  const auto due = std::exchange(first_due_, std::nullopt);
  const auto now = live.now();
  if (!due || !now) return;
  const auto late = static_cast<gint64>(*now) - *due;
  if (late < static_cast<gint64>(kLate)) return;
  held.unlock();
  post_warning(element,
               {GST_CORE_ERROR, GST_CORE_ERROR_CLOCK,
                "The clip begins " + std::to_string(late / static_cast<gint64>(GST_SECOND)) + "." +
                    std::to_string(late % static_cast<gint64>(GST_SECOND) / (GST_SECOND / 10)) +
                    " s late, for the pipeline was playing before it was made, and sinks may drop "
                    "it: set is-live=true.",
                ""});
  held.lock();
}

}  // namespace ovii2v
