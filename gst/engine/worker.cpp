// The thread that makes a clip: picture, plan, generation.
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "engine/worker.h"

#include "channel/still.h"
#include "clip/clip_record.h"
#include "clip/clip_tags.h"
#include "clip/last_frame.h"
#include "picture/image_sample.h"
#include "picture/picture.h"
#include "source.h"
#include "stream/caps.h"
#include "stream/host_memory.h"

namespace ovii2v {
namespace {

/// Of ovi_stats.
ovi_memory memory_named(const char* name) {
  if (g_str_equal(name, "resident")) return OVI_MEMORY_RESIDENT;
  if (g_str_equal(name, "offload")) return OVI_MEMORY_OFFLOAD;
  return g_str_equal(name, "stream") ? OVI_MEMORY_STREAM : OVI_MEMORY_AUTO;
}

}  // namespace

Worker::Worker(Source& source) : source_(source), progress_(source.element) {}

Worker::~Worker() { unload(); }

std::optional<Failure> Worker::check(const Engine& engine, const Settings& settings) {
  const bool same =
      engine_ == &engine && model_settings_ && model_settings_->model_path == settings.model_path &&
      model_settings_->lora == settings.lora && model_settings_->variant == settings.variant &&
      model_settings_->device == settings.device && model_settings_->devices == settings.devices &&
      model_settings_->precision == settings.precision &&
      model_settings_->memory == settings.memory;
  if (!same) unload();
  engine_ = &engine;
  settings_ = settings;
  if (gst_debug_category_get_threshold(GST_CAT_DEFAULT) >= GST_LEVEL_INFO)
    GST_INFO_OBJECT(source_.element, "settings: %s",
                    settings_.text(G_OBJECT_GET_CLASS(source_.element)).c_str());
  // Chosen here, so that the tags can name it before the generation.
  clip_ = left_out_ = 0;
  failed_ = 0;
  added_ = quiet_ = folder_gone_ = goes_on_ = false;
  model_files_.clear();
  lora_digests_.clear();
  unwanted_ = ending_ = false;
  making_.reset();
  seed_ = settings_.seed >= 0 ? settings_.seed : static_cast<int64_t>(g_random_int());
  memory_ = used_memory_ = settings_.memory;
  if (auto wrong = make_model()) return wrong;
  ovi_error error{};
  error.size = sizeof error;
  if (settings_.has_picture()) return std::nullopt;  // the plan waits for its size
  const ovi_request wished = request();
  ovi_plan plan{};
  plan.size = sizeof plan;
  const ovi_status status = engine_->plan(model_, &wished, &plan, nullptr, nullptr, &error);
  if (status == OVI_OK) return std::nullopt;
  if (status != OVI_SETTINGS) unload();
  return from_engine(error);
}

void Worker::arm() {
  cancelled_ = false;
  cancel_ = engine_->cancel_new();
}

std::optional<Failure> Worker::start() {
  // From the state change, so that an application that prerolls sees it in time.
  progress_.set_clip(0, settings_.num_clips);
  progress_.begin();
  thread_ = g_thread_try_new("ovii2v-worker", run_function, this, nullptr);
  if (thread_) return std::nullopt;
  progress_.end(GST_PROGRESS_TYPE_ERROR);
  join();
  return out_of_threads("the worker");
}

void Worker::cancel() {
  ending_ = true;
  cancelled_ = true;
  if (cancel_) engine_->cancel_trigger(cancel_);
}

void Worker::join() {
  if (thread_) g_thread_join(thread_);
  thread_ = nullptr;
  set_picture(std::nullopt, {});
  std::lock_guard guard(source_.lock);  // an EOS event may come from any thread
  if (cancel_) engine_->cancel_free(cancel_);
  cancel_ = nullptr;
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
  if (wait_for_entry() && make_first())
    while (wait_for_turn() && (make_next() || gave_up_unwanted())) {
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
  source_.watch_level(held);
}

/// The one that may fail the run.
bool Worker::make_first() {
  auto failure = make_clip();
  if (failure) source_.fail(*failure);
  if (failure || cancelled_) return false;
  clip_is_made();
  return true;
}

void Worker::clip_is_made() {
  goes_on_ = true;
  std::unique_lock held(source_.lock);
  ++clip_;
  making_.reset();
  source_.reel.set_done(clip_);
  source_.changed.notify_all();
  source_.watch_level(held);
}

/// Nothing is returned as well when it was cancelled.
std::optional<Failure> Worker::make_clip() {
  try {
    return try_clip();
  } catch (const std::bad_alloc&) {
    return out_of_host_memory("the clip");
  }
}

std::optional<Failure> Worker::try_clip() {
  {
    std::lock_guard guard(source_.lock);
    progress_.set_clip(clip_, source_.run.num_clips);
  }
  auto failure = make_model();
  if (!failure) failure = prepare();
  if (failure || cancelled_) return failure;
  if (clip_ == 0 && !wait_for_pads()) return std::nullopt;
  make_still();
  return generate();
}

/// What a live element shows until the clip is there, and after it.
void Worker::make_still() {
  std::unique_lock held(source_.lock);
  const bool wanted = source_.holds() && !source_.reel.newest().still();
  const auto format = source_.reel.pixel_format();
  held.unlock();
  if (wanted)
    source_.set_still(still_frame(image_ ? &*image_ : nullptr, plan_, *format), image_.has_value());
}

std::optional<Failure> Worker::make_model() {
  if (model_) return std::nullopt;
  ovi_error error{};
  error.size = sizeof error;
  const std::vector<Lora> loras = settings_.loras();
  const std::vector<ovi_lora> list = engine_loras(loras);
  ovi_engine_config config = settings_.engine_config(list);
  config.memory = memory_;
  if (engine_->create(&config, &model_, &error) != OVI_OK) return from_engine(error);
  unread_ = true;
  model_settings_ = settings_;
  model_settings_->memory = memory_;
  return std::nullopt;
}

std::optional<Failure> Worker::failed(ovi_status status, const ovi_error& error) {
  if (status == OVI_OK) return std::nullopt;
  GST_INFO_OBJECT(source_.element, "clip %" G_GUINT64_FORMAT " ended: %s", clip_,
                  status == OVI_CANCELLED ? "cancelled" : error.message);
  // After anything but a wrong setting the model may be half there: begin afresh.
  if (status != OVI_CANCELLED && status != OVI_SETTINGS) unload();
  if (status == OVI_CANCELLED) return std::nullopt;
  return from_engine(error);
}

ovi_request Worker::request() const {
  return settings_.request(image_ ? &*image_ : nullptr, seed());
}

void Worker::set_picture(std::optional<Image> image, const std::string& name) {
  image_digest_.clear();
  image_name_ = image ? name : "";
  image_ = std::move(image);
}

/// After the plan.
GstStructure* Worker::make_record() const {
  ClipSource source;
  source.clip = clip_;
  source.seed = seed();
  source.image = image_name_;
  source.image_digest = image_digest_;
  if (image_) {
    source.image_width = image_->width;
    source.image_height = image_->height;
  }
  source.model_files = model_files_;
  source.lora_digests = lora_digests_;
  source.plugin = VERSION;
  source.engine = engine_->version();
  return clip_record(settings_, plan_, source);
}

/// Until the state change is over: a bin gives up its own on an error in its midst, and
/// gst-launch-1.0 does not see that before it returned.
bool Worker::wait_for_entry() {
  std::unique_lock held(source_.lock);
  source_.changed.wait(held, [this] { return source_.entered || cancelled_; });
  return !cancelled_;
}

/// Everything that can be known without the model: ends with the size on both pads.
std::optional<Failure> Worker::prepare() {
  if (settings_.has_picture() && !image_) {
    std::optional<Failure> failure;
    auto image = settings_.image_sample
                     ? read_image_sample(settings_.image_sample.get(), failure)
                     : read_image(*settings_.image, settings_.image_reach, cancelled_, failure);
    if (!image) return failure;
    set_picture(std::move(image), settings_.image_name());
  }
  if (image_ && image_digest_.empty() && !cancelled_) {
    const std::string digest = picture_digest(*image_, cancelled_);
    if (!cancelled_) image_digest_ = digest;
  }
  if (cancelled_) return std::nullopt;

  const ovi_request wished = request();
  ovi_error error{};
  error.size = sizeof error;
  const ovi_plan before = plan_;
  plan_ = {};
  plan_.size = sizeof plan_;
  if (auto failure = failed(
          engine_->plan(model_, &wished, &plan_, quiet_ ? nullptr : on_warning, this, &error),
          error)) {
    plan_ = before;
    return failure;
  }
  quiet_ = true;
  GST_INFO_OBJECT(source_.element,
                  "picture of %ux%u -> clip of %ux%u, %u frames and %u samples, %s on %s (%s)",
                  wished.image_width, wished.image_height, plan_.width, plan_.height, plan_.frames,
                  plan_.samples, plan_.variant_name, plan_.device, plan_.precision);
  if (clip_ && (plan_.frames != before.frames || plan_.frame_rate != before.frame_rate ||
                plan_.samples != before.samples || plan_.sample_rate != before.sample_rate)) {
    Failure failure{GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED,
                    "The engine planned another length for the next clip: install plug-in and "
                    "engine of the same release.",
                    std::to_string(plan_.frames) + " frames and " + std::to_string(plan_.samples) +
                        " samples after " + std::to_string(before.frames) + " and " +
                        std::to_string(before.samples)};
    plan_ = before;
    return failure;
  }
  if (model_files_.empty()) model_files_ = files_of_model(*settings_.model_path);
  if (settings_.lora && lora_digests_.empty())
    lora_digests_ = lora_digests(settings_.loras(), cancelled_);
  if (cancelled_) return std::nullopt;
  record_.reset(make_record());
  if (!added_) source_.planned(plan_, gst_structure_copy(record_.get()));
  added_ = true;
  return std::nullopt;
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
  source_.changed.notify_all();
  source_.tell_streams(held, plan_);
  return true;
}

std::optional<Failure> Worker::generate() {
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
  callbacks.preview = on_preview;
  progress_.expect(settings_.pace(plan_), wished.steps, unread_);
  ovi_stats stats{};
  stats.size = sizeof stats;
  ovi_error error{};
  error.size = sizeof error;
  GST_INFO_OBJECT(source_.element, "clip %" G_GUINT64_FORMAT " begins, seed %" G_GINT64_FORMAT,
                  clip_, wished.seed);
  const ovi_status status = engine_->generate(model_, &wished, &callbacks, cancel_, &stats, &error);
  if (auto failure = failed(status, error)) return failure;
  if (cancelled_) {
    if (status == OVI_OK)
      GST_INFO_OBJECT(source_.element, "clip %" G_GUINT64_FORMAT " ended: whole, but cancelled",
                      clip_);
    return std::nullopt;
  }
  GST_INFO_OBJECT(source_.element,
                  "clip %" G_GUINT64_FORMAT " is made, seed %" G_GINT64_FORMAT ", %.3f s", clip_,
                  stats.seed, stats.total_seconds);
  used_memory_ = memory_named(stats.memory);
  added_ = unread_ = false;
  source_.set_stats(stats_structure(record_.get(), plan_, stats));
  // Only now: who sees the end of the last stage finds the statistics.
  progress_.complete();
  return std::nullopt;
}

/// False: it fails, and is over.
bool Worker::keep_last_frame() {
  try {
    take_last_frame();
    return true;
  } catch (const std::bad_alloc&) {
    source_.fail(out_of_host_memory("the last frame, with which the next clip begins"));
    return false;
  }
}

/// The picture of the clip that begins, when that is the last frame of the one before.
void Worker::take_last_frame() {
  if (settings_.continuity != Continuity::kLastFrame || !goes_on_) return;
  goes_on_ = false;
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
  set_picture(picture_of(frame, format, plan_, width, height),
              "last frame of clip " + std::to_string(clip_ - 1));
}

}  // namespace ovii2v
