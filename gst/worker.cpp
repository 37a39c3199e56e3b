// The thread that makes a clip: picture, plan, generation.
// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include "caps.h"
#include "image_sample.h"
#include "last_frame.h"
#include "picture/picture.h"
#include "source.h"

namespace ovii2v {

Worker::Worker(Source& source) : source_(source), progress_(source.element) {}

Worker::~Worker() { unload(); }

std::optional<Failure> Worker::check(const Engine& engine, const Settings& settings) {
  engine_ = &engine;
  const bool same = model_settings_ && model_settings_->model_path == settings.model_path &&
                    model_settings_->variant == settings.variant &&
                    model_settings_->device == settings.device &&
                    model_settings_->precision == settings.precision &&
                    model_settings_->memory == settings.memory;
  if (!same) unload();
  settings_ = settings;
  if (gst_debug_category_get_threshold(GST_CAT_DEFAULT) >= GST_LEVEL_INFO)
    GST_INFO_OBJECT(source_.element, "settings: %s",
                    settings_.text(G_OBJECT_GET_CLASS(source_.element)).c_str());
  // Chosen here, so that the tags can name it before the generation.
  clip_ = 0;
  quiet_ = false;
  seed_ = settings_.seed >= 0 ? settings_.seed : static_cast<int64_t>(g_random_int());
  ovi_error error{};
  error.size = sizeof error;
  if (!model_) {
    const ovi_engine_config config = settings_.engine_config();
    if (engine_->create(&config, &model_, &error) != OVI_OK) return from_engine(error);
    model_settings_ = settings_;
  }
  if (settings_.has_picture()) return std::nullopt;  // the plan waits for its size
  const ovi_request wished = request();
  ovi_plan plan{};
  plan.size = sizeof plan;
  const ovi_status status = engine_->plan(model_, &wished, &plan, nullptr, nullptr, &error);
  if (status == OVI_OK) return std::nullopt;
  if (status != OVI_SETTINGS) unload();
  return from_engine(error);
}

void Worker::start() {
  cancelled_ = false;
  cancel_ = engine_->cancel_new();
  // From the state change, so that an application that prerolls sees it in time.
  progress_.begin(OVI_STAGE_LOAD);
  thread_ = g_thread_new("ovii2v-worker", run_function, this);
}

void Worker::cancel() {
  cancelled_ = true;
  if (cancel_) engine_->cancel_trigger(cancel_);
}

void Worker::join() {
  if (thread_) g_thread_join(thread_);
  thread_ = nullptr;
  if (cancel_) engine_->cancel_free(cancel_);
  cancel_ = nullptr;
  image_.reset();
}

void Worker::unload() {
  if (model_) engine_->destroy(model_);
  model_ = nullptr;
  model_settings_.reset();
}

gpointer Worker::run_function(gpointer self) {
  static_cast<Worker*>(self)->run();
  return nullptr;
}

void Worker::run() {
  const bool entered = wait_for_entry();
  for (clip_ = 0; entered && (settings_.num_clips == 0 || clip_ < settings_.num_clips); ++clip_) {
    if (clip_ && !(wait_for_turn() && take_settings())) break;
    if (!prepare() || (clip_ == 0 && !wait_for_pads()) || !generate()) break;
    keep_last_frame();
  }
  std::unique_lock held(source_.lock);
  const bool failing = source_.failing;
  held.unlock();
  progress_.end(failing      ? GST_PROGRESS_TYPE_ERROR
                : cancelled_ ? GST_PROGRESS_TYPE_CANCELED
                             : GST_PROGRESS_TYPE_COMPLETE);
  held.lock();
  source_.reel.close();
  source_.changed.notify_all();
}

bool Worker::passed(ovi_status status, const ovi_error& error) {
  if (status == OVI_OK) return true;
  GST_INFO_OBJECT(source_.element, "clip %" G_GUINT64_FORMAT " ended: %s", clip_,
                  status == OVI_CANCELLED ? "cancelled" : error.message);
  // After anything but a wrong setting the model may be half there: begin afresh.
  if (status != OVI_CANCELLED && status != OVI_SETTINGS) unload();
  if (status != OVI_CANCELLED) source_.fail(from_engine(error));
  return false;
}

ovi_request Worker::request() const {
  return settings_.request(image_ ? &*image_ : nullptr, seed());
}

/// Until the state change is over: a bin gives up its own on an error in its midst, and
/// gst-launch-1.0 does not see that before it returned.
bool Worker::wait_for_entry() {
  std::unique_lock held(source_.lock);
  source_.changed.wait(held, [this] { return source_.entered || cancelled_; });
  return !cancelled_;
}

/// Another one for each clip, and the same ones again for the same first one.
int64_t Worker::seed() const {
  return static_cast<int64_t>((static_cast<uint64_t>(seed_) + clip_) & G_MAXINT64);
}

/// Until the clip before is played; lets go of those before that one.
bool Worker::wait_for_turn() {
  Reel::Clips gone;
  std::unique_lock held(source_.lock);
  source_.changed.wait(held, [this] {
    const auto playing = source_.playing();
    return cancelled_ || (playing && clip_ <= *playing + 1);
  });
  if (cancelled_) return false;
  gone = source_.reel.drop_before(*source_.playing());
  held.unlock();  // the engine takes its memory back outside the lock
  return true;
}

/// What may be set while another clip is played, for this one.
bool Worker::take_settings() {
  Settings now;
  {
    std::lock_guard guard(source_.lock);
    now = source_.settings;
  }
  if (now.prompt != settings_.prompt) {
    quiet_ = false;
    GST_INFO_OBJECT(source_.element, "prompt of clip %" G_GUINT64_FORMAT ": %s", clip_,
                    now.prompt ? now.prompt->c_str() : "(none)");
  }
  settings_.prompt = now.prompt;
  const bool picture = now.image_changes != settings_.image_changes;
  if (picture) {
    settings_.image_changes = now.image_changes;
    settings_.image = now.image;
    settings_.image_sample = now.image_sample;
    image_.reset();
    GST_INFO_OBJECT(source_.element, "image of clip %" G_GUINT64_FORMAT ": %s", clip_,
                    now.image          ? shown_location(*now.image).c_str()
                    : now.image_sample ? "(a sample)"
                                       : "(none)");
  }
  auto wrong = settings_.check();
  if (!wrong && picture && settings_.image)
    wrong = check_image_location(*settings_.image, settings_.image_reach);
  if (!wrong && picture && settings_.image_sample)
    wrong = check_image_sample(settings_.image_sample.get());
  if (wrong) source_.fail(*wrong);
  return !wrong;
}

/// Everything that can be known without the model: ends with the size on both pads.
bool Worker::prepare() {
  if (settings_.has_picture() && !image_) {
    std::optional<Failure> failure;
    image_ = settings_.image_sample
                 ? read_image_sample(settings_.image_sample.get(), failure)
                 : read_image(*settings_.image, settings_.image_reach, cancelled_, failure);
    if (failure) source_.fail(*failure);
    if (!image_) return false;
  }
  if (cancelled_) return false;

  const ovi_request wished = request();
  ovi_error error{};
  error.size = sizeof error;
  const ovi_plan before = plan_;
  plan_ = {};
  plan_.size = sizeof plan_;
  if (!passed(engine_->plan(model_, &wished, &plan_, quiet_ ? nullptr : on_warning, this, &error),
              error))
    return false;
  quiet_ = true;
  GST_INFO_OBJECT(source_.element,
                  "picture of %ux%u -> clip of %ux%u, %u frames and %u samples, %s on %s (%s)",
                  wished.image_width, wished.image_height, plan_.width, plan_.height, plan_.frames,
                  plan_.samples, plan_.variant_name, plan_.device, plan_.precision);
  if (clip_ && (plan_.frames != before.frames || plan_.frame_rate != before.frame_rate ||
                plan_.samples != before.samples || plan_.sample_rate != before.sample_rate)) {
    source_.fail({GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED,
                  "The engine planned another length for the next clip: install plug-in and engine "
                  "of the same release.",
                  std::to_string(plan_.frames) + " frames and " + std::to_string(plan_.samples) +
                      " samples after " + std::to_string(before.frames) + " and " +
                      std::to_string(before.samples)});
    return false;
  }
  source_.planned(plan_, clip_tags(*settings_.prompt, plan_, seed()));
  return true;
}

/// The model is not touched before what is linked has agreed to the caps.
bool Worker::wait_for_pads() {
  using Link = Stream::Link;
  std::unique_lock held(source_.lock);
  source_.changed.wait(held, [this] {
    return cancelled_ ||
           (source_.video.link() != Link::kPending && source_.audio.link() != Link::kPending);
  });
  if (cancelled_) return false;
  // A pad that is not linked may be so later: it gets what most elements take.
  const GstCaps* video = source_.video.caps();
  const GstCaps* audio = source_.audio.caps();
  source_.reel.set_formats(video ? pixel_format_of(video) : OVI_PIXELS_I420,
                           audio ? sample_format_of(audio) : OVI_SAMPLES_F32);
  return true;
}

bool Worker::generate() {
  ovi_request wished = request();
  {
    std::lock_guard guard(source_.lock);
    wished.pixel_format = *source_.reel.pixel_format();
    wished.sample_format = *source_.reel.sample_format();
  }
  ovi_callbacks callbacks{};
  callbacks.size = sizeof callbacks;
  callbacks.user = this;
  callbacks.progress = on_progress;
  callbacks.audio = on_audio;
  callbacks.video = on_video;
  callbacks.note = on_note;
  ovi_stats stats{};
  stats.size = sizeof stats;
  ovi_error error{};
  error.size = sizeof error;
  GST_INFO_OBJECT(source_.element, "clip %" G_GUINT64_FORMAT " begins, seed %" G_GINT64_FORMAT,
                  clip_, wished.seed);
  const ovi_status status = engine_->generate(model_, &wished, &callbacks, cancel_, &stats, &error);
  if (!passed(status, error)) return false;
  if (cancelled_) {
    GST_INFO_OBJECT(source_.element, "clip %" G_GUINT64_FORMAT " ended: whole, but cancelled",
                    clip_);
    return false;
  }
  GST_INFO_OBJECT(source_.element,
                  "clip %" G_GUINT64_FORMAT " is made, seed %" G_GINT64_FORMAT ", %.3f s", clip_,
                  stats.seed, stats.total_seconds);
  source_.set_stats(stats_structure(plan_, stats, clip_));
  return true;
}

/// The picture of the next clip, when that is to begin with this one's last frame.
void Worker::keep_last_frame() {
  if (settings_.continuity != Continuity::kLastFrame || clip_ + 1 == settings_.num_clips) return;
  g_autoptr(GstBuffer) frame = nullptr;
  ovi_pixel_format format;
  {
    std::lock_guard guard(source_.lock);
    GstBuffer* last = source_.reel.newest().last_frame();
    if (!last) return;
    frame = gst_buffer_ref(last);
    format = *source_.reel.pixel_format();
  }
  const auto [width, height] =
      picture_size_for(plan_.width, plan_.height, [this](uint32_t wide, uint32_t high) {
        static const uint8_t pixels[3] = {};  // a plan looks at the dimensions alone
        ovi_request wished = request();
        wished.image = pixels;
        wished.image_width = wide;
        wished.image_height = high;
        wished.image_stride = size_t{3} * wide;
        wished.width = wished.height = 0;
        ovi_plan plan{};
        plan.size = sizeof plan;
        ovi_error error{};
        error.size = sizeof error;
        return engine_->plan(model_, &wished, &plan, nullptr, nullptr, &error) == OVI_OK &&
               plan.width == plan_.width && plan.height == plan_.height;
      });
  image_ = picture_of(frame, format, plan_, width, height);
}

void Worker::on_progress(void* self, const ovi_progress* progress) {
  static_cast<Worker*>(self)->progress_.update(*progress);
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
  held.unlock();
  if (!fits)
    source.fail({GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED,
                 "The engine made another frame than it planned: install plug-in and engine of the "
                 "same release.",
                 "frame " + std::to_string(frame->index) + " of " +
                     std::to_string(worker->plan_.frames) + ", " + std::to_string(frame->bytes) +
                     " bytes in " + std::to_string(frame->planes) + " planes"});
}

void Worker::on_note(void* self, const char* message) {
  GST_INFO_OBJECT(static_cast<Worker*>(self)->source_.element, "%s", message);
}

void Worker::on_warning(void* self, const ovi_warning* warning) {
  post_warning(static_cast<Worker*>(self)->source_.element, from_warning(*warning));
}

}  // namespace ovii2v
