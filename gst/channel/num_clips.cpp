// The number of clips, which may change while they are played. The rest of Source.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "source.h"

namespace ovii2v {

uint64_t Source::begun() const {
  if (!reel.planned()) return 0;
  if (holds()) return schedule.begun();
  uint64_t begun = told_clips;
  for (const Stream* stream : {&video, &audio})
    if (const uint64_t next = stream->next_unit())
      begun = std::max(begun, reel.timeline().clip_of(stream->kind(), next - 1) + 1);
  return begun;
}

bool Source::set_num_clips(std::unique_lock<std::mutex>& held, uint32_t clips) {
  // A stream that has ended, or was told where it ends, cannot go on.
  if (!running || stopping || ended || failed || cut || last_clip || video.finished() ||
      audio.finished())
    return false;
  if (clips) clips = std::max<uint32_t>({clips, static_cast<uint32_t>(begun()), 1u});
  if (clips == run.num_clips) return false;
  GST_INFO_OBJECT(element, "clips: %u instead of %u (0: without end), %" G_GUINT64_FORMAT " begun",
                  clips, run.num_clips, begun());
  run.num_clips = clips;
  worker_.clips_changed();
  if (reel.timed()) reel.set_clips(clips);
  if (reel.timed() && !run.is_live) segment.duration = reel.duration();
  // In the hold after what is the last one now: both pads end where the one is that is ahead.
  if (holds() && clips && clips <= schedule.begun() && frames_sent() > schedule.end_of_last())
    cut = frames_sent();
  interrupt();
  // An application that waits for a clip that is not made any more need not.
  const bool timed = reel.timed();
  watch_level(held);
  return timed;
}

}  // namespace ovii2v
