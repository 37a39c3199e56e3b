// What the engine tells while it makes a clip, on its own thread.
// SPDX-License-Identifier: Apache-2.0
#include "clip/preview.h"
#include "engine/worker.h"
#include "source.h"

namespace ovii2v {

void Worker::on_progress(void* self, const ovi_progress* progress) {
  auto* worker = static_cast<Worker*>(self);
  {
    std::lock_guard guard(worker->source_.lock);
    worker->progress_.set_clips(worker->source_.run.num_clips);
  }
  worker->progress_.update(*progress);
}

void Worker::on_audio(void* self, const ovi_audio* audio) {
  auto* worker = static_cast<Worker*>(self);
  Source& source = worker->source_;
  std::unique_lock held(source.lock);
  const bool fits =
      source.reel.newest().set_audio(*worker->engine_, *source.reel.sample_format(), *audio);
  source.changed.notify_all();
  held.unlock();
  if (!fits)
    source.fail({GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED,
                 "The engine made other sound than it planned: install plug-in and engine of the "
                 "same release.",
                 std::to_string(audio->samples) + " samples, " + std::to_string(audio->bytes) +
                     " bytes; planned " + std::to_string(worker->plan_.samples) + " samples"});
}

void Worker::on_video(void* self, const ovi_video_frame* frame) {
  auto* worker = static_cast<Worker*>(self);
  Source& source = worker->source_;
  std::unique_lock held(source.lock);
  const bool fits =
      source.reel.newest().add_frame(*worker->engine_, *source.reel.pixel_format(), *frame);
  source.changed.notify_all();
  source.watch_level(held);
  held.unlock();
  if (!fits)
    source.fail({GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED,
                 "The engine made another frame than it planned: install plug-in and engine of the "
                 "same release.",
                 "frame " + std::to_string(frame->index) + " of " +
                     std::to_string(worker->plan_.frames) + ", " + std::to_string(frame->bytes) +
                     " bytes in " + std::to_string(frame->planes) + " planes"});
}

void Worker::on_preview(void* self, const ovi_preview* preview) {
  auto* worker = static_cast<Worker*>(self);
  Source& source = worker->source_;
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  std::unique_lock held(source.lock);
  if (!source.run.is_live) {
    const Timeline& timeline = source.reel.timeline();
    running_time = gst_segment_to_running_time(
        &source.segment, GST_FORMAT_TIME,
        source.reel.time_of(Kind::kVideo, timeline.first(Kind::kVideo, worker->clip_)));
  }
  held.unlock();
  try {
    if (GstStructure* message = preview_message(worker->clip_, running_time, *preview))
      gst_element_post_message(source.element,
                               gst_message_new_element(GST_OBJECT(source.element), message));
    else
      GST_WARNING_OBJECT(source.element, "a preview of %ux%u pixels is left out", preview->width,
                         preview->height);
  } catch (const std::bad_alloc&) {
    GST_WARNING_OBJECT(source.element, "no memory for a preview");
  }
}

void Worker::on_note(void* self, const char* message) {
  GST_INFO_OBJECT(static_cast<Worker*>(self)->source_.element, "%s", message);
}

void Worker::on_warning(void* self, const ovi_warning* warning) {
  post_warning(static_cast<Worker*>(self)->source_.element, from_warning(*warning));
}

}  // namespace ovii2v
