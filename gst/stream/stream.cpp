// One source pad and its task: events in the right order, then buffers by index.
// SPDX-License-Identifier: Apache-2.0
#include "stream/stream.h"

#include <algorithm>

#include "source.h"
#include "stream/caps.h"
#include "stream/host_memory.h"

namespace ovii2v {
namespace {

bool is_sticky(GstEvent* event) {
  return gst_event_type_get_flags(GST_EVENT_TYPE(event)) & GST_EVENT_TYPE_STICKY;
}

}  // namespace

void Stream::add_pad(GstElement* element, GstPadTemplate* pad_template) {
  pad_ = gst_pad_new_from_template(pad_template, name());
  gst_pad_set_element_private(pad_, this);
  gst_pad_set_activatemode_function(pad_, GST_DEBUG_FUNCPTR(activate_mode));
  gst_pad_set_event_function(
      pad_, GST_DEBUG_FUNCPTR(+[](GstPad* pad, GstObject*, GstEvent* event) -> gboolean {
        auto* self = static_cast<Stream*>(gst_pad_get_element_private(pad));
        return self->source_.pad_event(*self, event);
      }));
  gst_pad_set_query_function(
      pad_, GST_DEBUG_FUNCPTR(+[](GstPad* pad, GstObject*, GstQuery* query) -> gboolean {
        auto* self = static_cast<Stream*>(gst_pad_get_element_private(pad));
        return self->source_.query(*self, query);
      }));
  gst_element_add_pad(element, pad_);
}

void Stream::make_gst_stream() {
  g_autofree char* id = gst_pad_create_stream_id(pad_, source_.element, name());
  gst_clear_object(&gst_stream_);
  gst_stream_ = gst_stream_new(
      id, nullptr, kind_ == Kind::kVideo ? GST_STREAM_TYPE_VIDEO : GST_STREAM_TYPE_AUDIO,
      GST_STREAM_FLAG_SELECT);
}

void Stream::tell_stream(const ovi_plan& plan) {
  const Reel& reel = source_.reel;
  g_autoptr(GstCaps) caps =
      caps_ ? gst_caps_ref(caps_)
            : gst_caps_fixate(kind_ == Kind::kVideo ? video_caps(plan, reel.pixel_format())
                                                    : audio_caps(plan, reel.sample_format()));
  gst_stream_set_caps(gst_stream_, caps);
  gst_stream_set_tags(gst_stream_, coming().tags());
}

void Stream::reset() {
  set_link(Link::kPending);
  need_stream_start_ = need_caps_ = starved_ = true;
  tagged_.reset();
  showing_.reset();
  gst_clear_buffer(&held_);
  gaps_end_ = 0;
  gst_clear_caps(&caps_);
  restart();
  next_ = 0;
}

void Stream::restart() {
  need_segment_ = true;
  discont_ = true;
  finished_ = over_ = away_ = false;
  positioned_ = sent_ = false;
}

void Stream::clear() {
  g_queue_foreach(
      &events_, [](gpointer event, gpointer) { gst_event_unref(GST_EVENT(event)); }, nullptr);
  g_queue_clear(&events_);
  gst_clear_caps(&caps_);
  gst_clear_object(&gst_stream_);
  gst_clear_buffer(&held_);
  allocation_.clear();
}

bool Stream::push_event(GstEvent* event) {
  GST_DEBUG_OBJECT(pad_, "sends %" GST_PTR_FORMAT, event);
  return gst_pad_push_event(pad_, event);
}

void Stream::set_link(Link link) {
  static const char* const names[] = {"not agreed yet", "agreed", "not linked"};
  if (link_ != link)
    GST_DEBUG_OBJECT(pad_, "link: %s -> %s", names[static_cast<int>(link_)],
                     names[static_cast<int>(link)]);
  link_ = link;
}

void Stream::queue_event(GstEvent* event) {
  // Nobody is there who could miss it.
  if (link_ == Link::kUnlinked && !is_sticky(event)) return gst_event_unref(event);
  g_queue_push_tail(&events_, event);
  if (finished_ && !over_) start_task();
}

bool Stream::has_event() const {
  auto* event = static_cast<GstEvent*>(g_queue_peek_head(const_cast<GQueue*>(&events_)));
  if (!event || need_stream_start_ || over_) return false;
  return !is_sticky(event) ||
         (source_.reel.planned() && link_ == Link::kNegotiated && !need_caps_ && !need_segment_);
}

GstClockTime Stream::position() const {
  if (!source_.reel.planned() || !positioned_) return source_.segment.position;
  return source_.reel.time_of(kind_, next_);
}

void Stream::start_task() {
  away_ = false;
  if (active_ && !source_.flushing && !flushing_)
    gst_pad_start_task(pad_, loop_function, pad_, nullptr);
}

void Stream::reconfigure() {
  if (link_ != Link::kUnlinked && !away_) return;
  set_link(Link::kPending);
  need_caps_ = true;
  join();
  start_task();
}

/// Live, what was due while nothing took it is past: goes on where the other pad does. Else
/// everything is still to come.
void Stream::join() {
  const Stream& other = source_.other(*this);
  const LiveClock& live = source_.live;
  if (!source_.run.is_live || !live.has_offset()) return;
  GstClockTime there = other.position();
  if (source_.holds()) {
    if (const uint64_t begun = source_.schedule.begun()) showing_ = begun - 1;
    const auto now = live.now();
    if (!other.plays() && now) there = *now - live.offset();
  } else if (!other.plays()) {
    return;
  }
  next_ = std::max(next_, source_.reel.unit_from(kind_, there));
  positioned_ = true;
  discont_ = true;
}

gboolean Stream::activate_mode(GstPad* pad, GstObject*, GstPadMode mode, gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  auto* self = static_cast<Stream*>(gst_pad_get_element_private(pad));
  {
    Lock lock(self->source_.lock);
    self->active_ = active;
    self->flushing_ = false;
    // A pad the application switched off is not waited for.
    self->set_link(active ? Link::kPending : Link::kUnlinked);
    self->set_flushing(!active || self->source_.flushing);
    if (active) {
      // Core forgot what was sent before.
      self->need_stream_start_ = self->need_caps_ = self->need_segment_ = self->discont_ = true;
      self->tagged_.reset();
      self->away_ = false;
      self->join();
    } else {
      self->source_.live.interrupt();
    }
    self->source_.changed.notify_all();
  }
  if (!active) return gst_pad_stop_task(pad);
  return gst_pad_start_task(pad, loop_function, pad, nullptr);
}

void Stream::loop_function(gpointer pad) {
  static_cast<Stream*>(gst_pad_get_element_private(GST_PAD(pad)))->loop();
}

bool Stream::interrupted() const {
  return !active_ || source_.flushing || flushing_ || source_.ended || source_.failed;
}

bool Stream::at_end() const { return next_ >= end(); }

/// From the task alone, with the lock held: whoever starts it again holds it too.
void Stream::pause() { gst_pad_pause_task(pad_); }

/// One thing an iteration, so that a flush or a stop is seen between any two.
void Stream::loop() {
  Lock lock(source_.lock);
  Reel& reel = source_.reel;
  if (!active_ || source_.flushing || flushing_ || (finished_ && !has_event())) return pause();
  if (need_stream_start_) return push_stream_start(lock);

  source_.changed.wait(
      lock, [&] { return interrupted() || has_event() || reel.planned() || reel.closed(); });
  if (!active_ || source_.flushing || flushing_) return pause();
  if (has_event()) {
    auto* event = static_cast<GstEvent*>(g_queue_pop_head(&events_));
    lock.unlock();
    push_event(event);
    return;
  }
  if (source_.failed || !reel.planned() || (source_.ended && !goes_on_to_cut()))
    return finish(lock);
  // The flag is cleared even when the caps are due anyway.
  if (gst_pad_check_reconfigure(pad_) || need_caps_) return negotiate(lock);
  if (need_segment_) return push_segment(lock);
  if (!source_.holds() && push_new_clip(lock)) return;
  if (!source_.holds() && at_end()) {
    if (reel.over() || source_.ended || next_ < reel.timeline().units(kind_)) return finish(lock);
    // After the last unit the worker has its say first: who sees the EOS finds the
    // progress ended and the statistics there.
    source_.changed.wait(lock, [&] {
      return interrupted() || has_event() || need_segment_ || reel.over() || !at_end();
    });
    return;
  }
  if (source_.run.is_live && !source_.live.is_open() && !source_.ended) {
    source_.changed.wait(lock, [&] {
      return interrupted() || has_event() || need_segment_ || source_.live.is_open();
    });
    return;
  }
  if (source_.holds()) return go_on_air(lock);
  if (reel.available(kind_, next_, source_.run.is_live) || needs_filling()) return push_next(lock);
  if (reel.closed()) return finish(lock);
  wait_for_units(lock);
}

bool Stream::push_new_clip(Lock& lock) {
  Reel& reel = source_.reel;
  if (next_ < reel.oldest(kind_)) {
    // Linked late: what came before is gone.
    next_ = reel.oldest(kind_);
    discont_ = true;
  }
  const uint64_t index = reel.timeline().clip_of(kind_, next_);
  if (!reel.clip(index) || tagged_ == index || at_end()) return false;
  return push_new_clip_of(lock, index);
}

bool Stream::push_new_clip_of(Lock& lock, uint64_t index) {
  const Clip* clip = source_.reel.clip(index);
  if (kind_ == Kind::kVideo && link_ == Link::kNegotiated &&
      (clip->plan().width != width_ || clip->plan().height != height_)) {
    negotiate(lock);
    return true;
  }
  tagged_ = index;
  gst_stream_set_tags(gst_stream_, clip->tags());
  GstEvent* event = gst_event_new_tag(gst_tag_list_ref(clip->tags()));
  lock.unlock();
  push_event(event);
  return true;
}

void Stream::wait_for_units(Lock& lock) {
  if (source_.run.is_live && source_.live.now()) return push_gap(lock);
  source_.watch_level(lock);
  const uint64_t clip = source_.reel.timeline().clip_of(kind_, next_);
  if (source_.reel.available(kind_, next_, source_.run.is_live) || interrupted()) return;
  const bool planned = source_.reel.clip(clip);
  source_.changed.wait(lock, [&] {
    return interrupted() || need_segment_ || need_caps_ || has_event() || needs_filling() ||
           source_.reel.available(kind_, next_, source_.run.is_live) || source_.reel.closed() ||
           at_end() || planned != (source_.reel.clip(clip) != nullptr);
  });
}

/// Live, and nothing is there yet: says so for the time of one frame, at its begin.
void Stream::push_gap(Lock& lock) {
  LiveClock& live = source_.live;
  GstClockTime start = gaps_end_;
  if (live.has_offset()) start = std::max(start, position() + live.offset());
  const GstClockTime now = *live.now();
  starved_ = true;
  if (start == 0 || live.is_lost(start)) start = now;
  if (start > now) {
    live.wait(lock, kind_, start);
    return;
  }
  gaps_end_ = std::max(start + kFrame, now);
  live.add_gap(gaps_end_);
  GstEvent* event = gst_event_new_gap(start, gaps_end_ - start);
  lock.unlock();
  push_event(event);
}

void Stream::push_stream_start(Lock& lock) {
  need_stream_start_ = false;
  GstEvent* event = gst_event_new_stream_start(gst_stream_get_stream_id(gst_stream_));
  gst_event_set_group_id(event, source_.group_id);
  gst_event_set_stream(event, gst_stream_);
  gst_event_set_stream_flags(event, gst_stream_get_stream_flags(gst_stream_));
  gst_event_set_seqnum(event, source_.seqnum);
  GstEvent* streams = gst_event_new_stream_collection(source_.collection);
  lock.unlock();
  push_event(event);
  push_event(streams);
}

void Stream::push_segment(Lock& lock) {
  need_segment_ = false;
  if (!positioned_) next_ = source_.reel.unit_at(kind_, source_.segment.position);
  positioned_ = true;
  GstEvent* event = gst_event_new_segment(&source_.segment);
  gst_event_set_seqnum(event, source_.seqnum);
  lock.unlock();
  push_event(event);
}

void Stream::push_next(Lock& lock) {
  const Reel& reel = source_.reel;
  LiveClock& live = source_.live;
  // What goes out after an EOS event is less than a frame and a block: it need not wait.
  if (source_.run.is_live && !source_.ended) {
    if (starved_ || live.reopened() || !live.has_offset() ||
        live.is_lost(position() + live.offset()) || live.is_past(position() + live.offset())) {
      if (starved_ && gaps_end_) discont_ = true;
      if (live.resume(source_.reel.complete(), source_.nearest_position(), kFrame))
        source_.mark_discont();
      starved_ = false;
    }
    const GstClockTime due = position() + live.offset();
    if (!live.wait(lock, kind_, due) || interrupted() || need_segment_ || !live.is_open() ||
        due != position() + live.offset() || at_end())
      return;  // look again
  }
  const bool there = reel.available(kind_, next_, source_.run.is_live);
  if (there && !tell_of_clip(lock, reel.timeline().clip_of(kind_, next_))) return;
  uint64_t count = 0;
  GstBuffer* buffer = nullptr;
  try {
    buffer = there ? reel.take(kind_, next_, end(), count) : filling(end(), count);
  } catch (const std::bad_alloc&) {
    return fail_for_memory(lock);
  }
  if (!buffer) return push_empty_end(lock);
  stamp(buffer, count);
  send(lock, buffer, count);
}

/// No frame was ever there: a gap, to where the sound ends.
void Stream::push_empty_end(Lock& lock) {
  const GstClockTime begin = source_.reel.time_of(kind_, next_);
  const GstClockTime length = source_.reel.time_of(kind_, end()) - begin;
  next_ = end();
  GstEvent* event = gst_event_new_gap(begin + source_.live.offset(), length);
  lock.unlock();
  push_event(event);
}

void Stream::fail_for_memory(Lock& lock) {
  lock.unlock();
  source_.fail(out_of_host_memory(std::string("the next buffer of ") + name()));
  lock.lock();
}

void Stream::stamp(GstBuffer* buffer, uint64_t count) const {
  const Reel& reel = source_.reel;
  GST_BUFFER_PTS(buffer) = reel.time_of(kind_, next_);
  GST_BUFFER_DURATION(buffer) = reel.time_of(kind_, next_ + count) - GST_BUFFER_PTS(buffer);
  const GstClockTime stop = source_.segment.stop;
  if (GST_CLOCK_TIME_IS_VALID(stop) && GST_BUFFER_PTS(buffer) < stop)
    GST_BUFFER_DURATION(buffer) =
        std::min(GST_BUFFER_DURATION(buffer), stop - GST_BUFFER_PTS(buffer));
  GST_BUFFER_PTS(buffer) += source_.live.offset();
  GST_BUFFER_OFFSET(buffer) = next_;
  GST_BUFFER_OFFSET_END(buffer) = next_ + count;
}

/// What begins with the next unit; takes it.
void Stream::send(Lock& lock, GstBuffer* buffer, uint64_t count) {
  const uint64_t unit = next_, id = source_.segment_id;
  if (discont_) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  const bool was_discont = discont_;
  discont_ = false;
  next_ += count;
  sending_ = unit;
  sent_ = true;
  source_.changed.notify_all();  // the worker may have waited for this clip to be begun
  source_.check_start(lock, pad_, source_.reel.time_of(kind_, unit));
  source_.watch_level(lock);
  lock.unlock();
  std::optional<Failure> failure;
  if (kind_ == Kind::kVideo) buffer = allocation_.fit(pad_, buffer, failure);
  if (failure) {
    source_.fail(*failure, GST_FLOW_ERROR);
    lock.lock();
    sending_.reset();
    return;
  }
  GST_LOG_OBJECT(pad_,
                 "sends pts %" GST_TIME_FORMAT ", duration %" GST_TIME_FORMAT ", %" G_GSIZE_FORMAT
                 " bytes, offset %" G_GUINT64_FORMAT,
                 GST_TIME_ARGS(GST_BUFFER_PTS(buffer)), GST_TIME_ARGS(GST_BUFFER_DURATION(buffer)),
                 gst_buffer_get_size(buffer), GST_BUFFER_OFFSET(buffer));
  const GstFlowReturn flow = gst_pad_push(pad_, buffer);
  lock.lock();
  sending_.reset();
  if (flow < GST_FLOW_OK && id == source_.segment_id) {
    // It did not arrive: a late link or new caps get it again.
    next_ = unit;
    discont_ = was_discont;
  }
  handle_flow(lock, flow);
}

}  // namespace ovii2v
