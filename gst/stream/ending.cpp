// How streams end: by themselves, by an EOS event, after the clip that plays. The rest of
// Stream and Source.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "source.h"

namespace ovii2v {

/// The generation is cancelled, and both pads end at one running time: where the one that is
/// ahead is, at the next frame. Never blocks: the state lock is held.
bool Source::end_stream(GstEvent* event) {
  const guint32 event_seqnum = gst_event_get_seqnum(event);
  gst_event_unref(event);
  std::lock_guard guard(lock);
  if (!running || stopping) return false;
  ended = true;
  end_seqnum = event_seqnum;
  worker_.cancel();
  if (reel.planned()) cut = std::min(cut.value_or(UINT64_MAX), frames_sent());
  for (Stream* stream : {&video, &audio}) {
    if (segment.flags & GST_SEGMENT_FLAG_SEGMENT) stream->reopen();  // SEGMENT_DONE was no end
    stream->start_task();
  }
  interrupt();
  return true;
}

/// How far the pad came that is ahead, in whole frames; nothing of a segment that was not begun.
uint64_t Source::frames_sent() const {
  uint64_t frames = 0;
  for (const Stream* stream : {&video, &audio}) frames = std::max(frames, stream->frames_sent());
  return frames;
}

/// The signal. The clip that plays is the last, or the first one when none was begun; between
/// two clips there is nothing to wait for.
void Source::finish_after_clip() {
  {
    std::lock_guard guard(lock);
    if (!running || stopping || ended || failed || last_clip) return;
    last_clip = begun_clip();
    if (making > *last_clip) worker_.cancel();
    GST_INFO_OBJECT(element, "clip %" G_GUINT64_FORMAT " is the last", *last_clip);
    if (reel.timed()) end_with_last_clip();
    interrupt();
  }
  gst_element_post_message(element, gst_message_new_duration_changed(GST_OBJECT(element)));
}

/// Once the clips' length is known. Lock held.
void Source::end_with_last_clip() {
  reel.end_with(*last_clip);
  if (!holds())
    cut = reel.timeline().end(Kind::kVideo, *last_clip);
  else if (schedule.begun())
    cut = std::max(schedule.end_of_last(), frames_sent());
  if (!run.is_live) segment.duration = reel.duration();
}

/// The later one of the two pads' clips. Lock held.
uint64_t Source::begun_clip() const {
  if (!reel.planned()) return 0;
  if (holds()) return schedule.begun() ? schedule.begun() - 1 : 0;
  uint64_t latest = 0;
  for (const Stream* stream : {&video, &audio})
    if (stream->plays() && stream->next_unit())
      latest = std::max(latest, reel.timeline().clip_of(stream->kind(), stream->next_unit() - 1));
  return latest;
}

uint64_t Stream::frames_sent() const {
  if (!sent_ || link_ != Link::kNegotiated || away_) return 0;
  const uint64_t frame = slot_of(next_);
  return slot_unit(frame) < next_ ? frame + 1 : frame;
}

uint64_t Stream::end() const {
  const Reel& reel = source_.reel;
  const uint64_t all = reel.timeline().units(kind_);
  uint64_t end = all;
  // Sound is filled up with silence to the last frame; frames are what they are.
  if (source_.cut) {
    const uint64_t cut = slot_unit(*source_.cut);
    end = kind_ == Kind::kAudio && !is_in_gap() ? cut : std::min(all, cut);
  }
  const GstClockTime stop = source_.segment.stop;
  return GST_CLOCK_TIME_IS_VALID(stop) ? std::min(end, reel.unit_from(kind_, stop)) : end;
}

/// After an EOS event: this pad is behind the other one.
bool Stream::goes_on_to_cut() const {
  if (!source_.cut || link_ != Link::kNegotiated || need_caps_ || away_) return false;
  if (!source_.reel.sample_format()) return false;  // nothing was sent
  const uint64_t cut = slot_unit(*source_.cut);
  return (positioned_ ? next_ : source_.reel.unit_at(kind_, source_.segment.position)) <
         (source_.holds() ? cut : std::min(cut, end()));
}

/// What fills the time to where both pads end.
bool Stream::needs_filling() const {
  if (!source_.cut) return false;
  if (source_.ended) return true;
  return kind_ == Kind::kAudio && !is_in_gap() && next_ >= source_.reel.timeline().units(kind_);
}

/// Silence, or the last frame once more; null when there never was one.
GstBuffer* Stream::filling(uint64_t end, uint64_t& count) const {
  if (kind_ == Kind::kAudio) {
    count = std::min(end - next_, Clip::kAudioBlock);
    return silence(count * sample_bytes(*source_.reel.sample_format()));
  }
  count = 1;
  GstBuffer* last = source_.reel.last_frame_before(next_);
  return last ? gst_buffer_copy(last) : nullptr;
}

/// Live, and a gap was told of since its last unit.
bool Stream::is_in_gap() const {
  const LiveClock& live = source_.live;
  return source_.run.is_live && live.has_offset() && gaps_end_ > position() + live.offset();
}

/// Between two live clips, whatever ended the stream: both pads were told of the same time. Null
/// when they were.
GstEvent* Stream::gap_to_common_end() {
  const LiveClock& live = source_.live;
  if (!source_.run.is_live || link_ != Link::kNegotiated || need_segment_) return nullptr;
  GstClockTime told = gaps_end_;
  if (live.has_offset() && sent_) told = std::max(told, position() + live.offset());
  if (!told || told >= live.gaps_end() || live.is_lost(live.gaps_end())) return nullptr;
  gaps_end_ = live.gaps_end();
  return gst_event_new_gap(told, gaps_end_ - told);
}

void Stream::reopen() { finished_ = over_ = false; }

/// Ends the stream: SEGMENT_DONE when a segment seek came to its stop, else EOS.
void Stream::finish(Lock& lock) {
  finished_ = true;
  source_.changed.notify_all();
  const bool broken_off = source_.ended || source_.failed || !source_.reel.planned();
  GstEvent* event = nullptr;
  const bool segment = !broken_off && (source_.segment.flags & GST_SEGMENT_FLAG_SEGMENT);
  if (segment) {
    const GstClockTime stop = source_.segment.stop;
    event = gst_event_new_segment_done(
        GST_FORMAT_TIME, GST_CLOCK_TIME_IS_VALID(stop) ? stop : source_.reel.duration());
  } else {
    event = gst_event_new_eos();
    over_ = true;
  }
  GST_INFO_OBJECT(pad_, "ends: %s",
                  segment          ? "the segment is played"
                  : source_.failed ? "an error"
                  : source_.ended  ? "EOS was asked for"
                  : broken_off     ? "nothing was planned"
                                   : "everything is played");
  gst_event_set_seqnum(event, source_.ended ? source_.end_seqnum : source_.seqnum);
  const uint64_t id = source_.segment_id;
  GstEvent* gap = source_.failed ? nullptr : gap_to_common_end();
  lock.unlock();
  if (gap) push_event(gap);
  push_event(event);
  lock.lock();
  if (segment && id == source_.segment_id) source_.segment_done(lock);
  // A seek, or an event to be sent, may have come while that one was on its way.
  if (finished_ && !has_event()) pause();
}

}  // namespace ovii2v
