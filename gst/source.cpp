// The state of one element: its two streams, the worker that feeds them, the segment.
// SPDX-License-Identifier: Apache-2.0
#include "source.h"

#include <algorithm>

#include "clip/clip_tags.h"
#include "picture/image_sample.h"
#include "picture/picture.h"

namespace ovii2v {
namespace {

/// No error comes sooner than that after the state change: gst-launch-1.0 forgets one that
/// comes before its main loop, and waits for ever.
constexpr std::chrono::milliseconds kSettling{100};

}  // namespace

Source::Source(GstElement* element_in) : element(element_in), worker_(*this) {
  gst_segment_init(&segment, GST_FORMAT_TIME);
  g_autofree char* uuid = g_uuid_string_random();
  uri = std::string("ovii2v:") + uuid;
}

Source::~Source() {
  worker_.unload();
  video.clear();
  audio.clear();
  gst_clear_object(&collection);
  gst_clear_event(&pending_seek_);
  if (stats) gst_structure_free(stats);
}

bool Source::open() {
  Isolation isolation;
  {
    std::lock_guard guard(lock);
    isolation = settings.where();
  }
  return open_engine_for(isolation);
}

/// Posts an error where it cannot be.
bool Source::open_engine_for(Isolation isolation) {
  if (engine_ && (isolated_ != nullptr) == (isolation == Isolation::kProcess)) return true;
  worker_.unload();
  engine_ = nullptr;
  isolated_.reset();
  Failure failure{GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, "", ""};
  if (isolation == Isolation::kNone) {
    engine_ = open_engine(failure.message, failure.detail);
  } else {
    WorkerError error;
    isolated_ = IsolatedEngine::open(error);
    if (isolated_)
      engine_ = &isolated_->table();
    else
      failure = from_worker(error);
  }
  if (!engine_) {
    post_error(element, failure);
    return false;
  }
  GST_INFO_OBJECT(element, "engine %s, version %s", engine_->path.c_str(), engine_->version());
  return true;
}

bool Source::start() {
  Settings asked;
  {
    std::lock_guard guard(lock);
    asked = settings;
  }
  // What a look tells is told by the state change: an application may not listen to
  // its bus yet (gst-launch-1.0 forgets an error that comes before its main loop).
  auto wrong = asked.check();
  if (!wrong && asked.image) wrong = check_image_location(*asked.image, asked.image_reach);
  if (!wrong && asked.image_sample) wrong = check_image_sample(asked.image_sample.get());
  if (!wrong && !open_engine_for(asked.where())) return false;
  if (!wrong) wrong = worker_.check(*engine_, asked);
  if (wrong) {
    post_error(element, *wrong);
    return false;
  }
  if (asked.has_picture() && (asked.width || asked.height))
    post_warning(element,
                 {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS,
                  "width and height are not used: with an image the size follows from it.", ""});
  gst_clear_object(&collection);
  video.make_gst_stream();
  audio.make_gst_stream();
  collection = gst_stream_collection_new(uri.c_str());
  for (Stream* stream : {&video, &audio})
    gst_stream_collection_add_stream(collection, GST_STREAM(gst_object_ref(stream->gst_stream())));
  {
    std::lock_guard guard(lock);
    run = asked;
    run.num_clips = settings.num_clips;  // may change at any time
    live.reset();
    schedule.reset();
    buffering_ = -1;
    began_ = false;
    first_due_.reset();
    told_of_clip.reset();
    told_clips = 0;
    telling_of_clip = false;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    ++segment_id;
    seqnum = gst_util_seqnum_next();
    group_id = gst_util_group_id_next();
    last_seek_ = GST_SEQNUM_INVALID;
    cut.reset();
    last_clip.reset();
    making = 0;
    stopping = flushing = ended = failing = failed = segment_done_posted_ = false;
    entered = streams_told = false;
    video.reset();
    audio.reset();
    worker_.arm();
    running = true;
  }
  gst_element_post_message(element,
                           gst_message_new_stream_collection(GST_OBJECT(element), collection));
  if (!run.seekable())
    forget_pending_seek("what was played is gone when live or with several clips");
  if (auto none = worker_.start()) {
    post_error(element, *none);
    finish_stop();
    return false;
  }
  return true;
}

void Source::started() {
  std::lock_guard guard(lock);
  entered = true;
  entered_at_ = std::chrono::steady_clock::now();
  changed.notify_all();
}

void Source::begin_stop() {
  std::lock_guard guard(lock);
  stopping = flushing = true;
  worker_.cancel();
  video.set_flushing(true);
  interrupt();
}

void Source::finish_stop() {
  worker_.join();
  Reel::Clips gone;
  std::lock_guard guard(lock);
  running = false;
  gone = reel.clear();
  live.reset();
  video.clear();
  audio.clear();
  gst_segment_init(&segment, GST_FORMAT_TIME);
}

void Source::close() {
  worker_.unload();
  engine_ = nullptr;
  isolated_.reset();
  std::lock_guard guard(lock);  // a seek may come from any thread
  gst_clear_event(&pending_seek_);
}

void Source::play(bool on) {
  std::unique_lock guard(lock);
  plays = on;
  changed.notify_all();  // the worker may see starves()
  if (!run.is_live) {
    if (on) check_lateness(guard);
    if (on) watch_level(guard);
    return;
  }
  if (on)
    live.open();
  else
    live.close();
}

void Source::interrupt() {
  changed.notify_all();
  live.interrupt();
}

void Source::fail(const Failure& failure, GstFlowReturn flow) {
  {
    std::unique_lock held(lock);
    if (failing || stopping) {  // told already, or a consequence of stopping
      GST_DEBUG_OBJECT(element, "not told: %s", failure.message.c_str());
      return;
    }
    failing = true;
    // The state change is over, but its caller may still be on the way to its main loop.
    changed.wait_until(held, entered_at_ + kSettling, [this] { return stopping; });
    if (stopping) {
      failing = false;
      return;
    }
  }
  GST_INFO_OBJECT(element, "fails: %s", failure.message.c_str());
  if (flow == GST_FLOW_OK)
    post_error(element, failure);
  else
    post_flow_error(element, flow, failure);
  std::lock_guard guard(lock);
  failed = true;
  worker_.cancel();
  // A pad that waits for a link has nothing to wait for any more.
  video.start_task();
  audio.start_task();
  interrupt();
}

std::optional<uint64_t> Source::playing() const {
  std::optional<uint64_t> earliest;
  for (const Stream* stream : {&video, &audio}) {
    if (!stream->plays()) continue;
    const uint64_t clip = holds() ? stream->showing().value_or(0)
                                  : reel.timeline().clip_of(stream->kind(), stream->next_unit());
    earliest = std::min(earliest.value_or(clip), clip);
  }
  return earliest;
}

bool Source::starves() const {
  if (plays || run.is_live || !reel.planned()) return false;
  for (const Stream* stream : {&video, &audio})
    if (stream->plays() && stream->next_unit() >= reel.made(stream->kind())) return true;
  return false;
}

uint64_t Source::nearest_slot() const {
  uint64_t nearest = UINT64_MAX;
  for (const Stream* stream : {&video, &audio})
    if (stream->plays()) nearest = std::min(nearest, stream->slot_of(stream->needed_unit()));
  return nearest;
}

void Source::mark_discont() {
  video.mark_discont();
  audio.mark_discont();
}

void Source::set_still(GstBuffer* still, bool picture) {
  std::lock_guard guard(lock);
  reel.newest().set_still(still, picture);
  changed.notify_all();
}

bool Source::has_begun(uint64_t clip) const {
  if (holds()) return schedule.begun() > clip;
  if (told_clips > clip) return true;
  if (run.is_live) return false;  // nothing of it leaves before it is told
  for (const Stream* stream : {&video, &audio})
    if (stream->plays() && stream->next_unit() > reel.timeline().first(stream->kind(), clip))
      return true;
  return false;
}

GstClockTime Source::nearest_position() const {
  GstClockTime nearest = GST_CLOCK_TIME_NONE;
  for (const Stream* stream : {&video, &audio})
    if (stream->plays()) nearest = std::min(nearest, stream->position());
  return nearest;
}

void Source::planned(const ovi_plan& plan, GstStructure* record) {
  auto next = std::make_unique<Clip>(plan, record, clip_tags(record));
  std::unique_lock held(lock);
  const bool first = !reel.planned();
  if (first) {
    reel.begin({plan.frames, plan.frame_rate, plan.samples, plan.sample_rate, run.num_clips,
                run.continuity == Continuity::kLastFrame});
    schedule.set_clip(plan.frames, reel.timeline().period());
    const GstClockTime duration = reel.duration();
    held.unlock();
    begin_with_pending_seek(duration);
    held.lock();
    if (!run.is_live) segment.duration = reel.duration();  // num-clips may have changed
    if (last_clip) end_with_last_clip();                   // asked for already
  }
  reel.add(std::move(next));
  changed.notify_all();
  held.unlock();
  if (first)
    gst_element_post_message(element, gst_message_new_duration_changed(GST_OBJECT(element)));
}

void Source::tell_streams(std::unique_lock<std::mutex>& held, const ovi_plan& plan) {
  streams_told = true;
  video.tell_stream(plan);
  audio.tell_stream(plan);
  GstMessage* message = gst_message_new_stream_collection(GST_OBJECT(element), collection);
  held.unlock();
  gst_element_post_message(element, message);
  held.lock();
}

void Source::set_stats(GstStructure* structure) {
  {
    std::lock_guard guard(lock);
    if (stats) gst_structure_free(stats);
    stats = structure;
  }
  g_object_notify(G_OBJECT(element), "stats");
}

}  // namespace ovii2v
