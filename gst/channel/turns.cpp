// Clip after clip: settings that changed, clips that fail, the next try. The rest of Worker.
// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <utility>

#include "channel/still.h"
#include "engine/worker.h"
#include "picture/image_sample.h"
#include "picture/location.h"
#include "picture/picture.h"
#include "source.h"
#include "stream/host_memory.h"

namespace ovii2v {
namespace {

constexpr std::chrono::milliseconds kStarving(200);

Failure with_way_on(Failure failure, const std::string& way_on) {
  failure.message += " " + way_on;
  return failure;
}

}  // namespace

/// The clips after the first. False: it is over.
bool Worker::make_next() {
  if (!keep_last_frame()) return false;
  take_settings();
  if (cancelled_) return false;
  auto failure = make_clip();
  if (failure && !cancelled_ && !failure->lasting) {
    const bool poorer = failure->code == GST_RESOURCE_ERROR_NO_SPACE_LEFT &&
                        failure->domain == GST_RESOURCE_ERROR && take_poorer_plan();
    post_warning(
        source_.element,
        with_way_on(*failure, poorer ? std::string("Clip ") + std::to_string(clip_ + 1) +
                                           " is tried again, with less in memory."
                                     : "Clip " + std::to_string(clip_ + 1) + " is tried again."));
    progress_.end(GST_PROGRESS_TYPE_ERROR);
    clear_the_way();
    failure = make_clip();
  }
  if (cancelled_) return false;
  if (!failure) {
    failed_ = 0;
    clip_is_made();
    return true;
  }
  return give_up(*failure);
}

/// A clip that failed twice, or for good. False: it was one too many.
bool Worker::give_up(const Failure& failure) {
  uint32_t most;
  {
    std::lock_guard guard(source_.lock);
    most = source_.settings.failures;
  }
  if (failed_ >= most || failure.lasting) {
    source_.fail(failure);
    return false;
  }
  ++failed_;
  post_warning(source_.element,
               with_way_on(failure, "It is left out (" + std::to_string(failed_) + " of " +
                                        std::to_string(most) + " that may fail in a row)."));
  progress_.end(GST_PROGRESS_TYPE_ERROR);
  if (clear_the_way()) {
    // Some of it is out: what is not there is its last frame, and it counts.
    if (!fill_up()) return false;
    clip_is_made();
  } else {
    ++left_out_;
  }
  return wait_before_next_try();
}

/// False: it fails, and is over.
bool Worker::fill_up() {
  std::unique_lock held(source_.lock);
  const ovi_pixel_format format = *source_.reel.pixel_format();
  held.unlock();
  g_autoptr(GstBuffer) black = nullptr;
  try {
    black = still_frame(nullptr, plan_, format);
  } catch (const std::bad_alloc&) {
    source_.fail(out_of_host_memory("a frame"));
    return false;
  }
  held.lock();
  source_.reel.newest().fill_up(black);
  source_.changed.notify_all();
  added_ = false;
  return true;
}

/// The clip that failed goes from the reel, unless a pad has begun it: then it is to be made
/// on from where it stands, and true is returned.
bool Worker::clear_the_way() {
  std::unique_ptr<Clip> gone;
  std::lock_guard guard(source_.lock);
  if (!added_) return false;
  if (source_.has_begun(clip_)) {
    source_.reel.newest().make_again();
    return true;
  }
  added_ = false;
  gone = source_.reel.drop_newest();
  source_.video.forget_tags(clip_);
  source_.audio.forget_tags(clip_);
  source_.changed.notify_all();
  return false;
}

/// What took memory, a file or a device away may pass: the time of a clip, or until other
/// settings come.
bool Worker::wait_before_next_try() {
  const auto clip =
      std::chrono::milliseconds(plan_.frames * uint64_t{1000} / std::max(plan_.frame_rate, 1u));
  std::unique_lock held(source_.lock);
  source_.changed.wait_for(held, clip, [this] {
    return cancelled_ || source_.settings.prompt_changes != settings_.prompt_changes ||
           source_.settings.image_changes != settings_.image_changes ||
           source_.settings.lora_changes != settings_.lora_changes;
  });
  return !cancelled_;
}

/// One plan poorer than the last clip's; false when there is none.
bool Worker::take_poorer_plan() {
  const bool cpu = g_str_equal(plan_.device, "cpu");
  if (used_memory_ == OVI_MEMORY_RESIDENT)
    used_memory_ = OVI_MEMORY_OFFLOAD;
  else if (used_memory_ == OVI_MEMORY_OFFLOAD && !cpu)
    used_memory_ = OVI_MEMORY_STREAM;
  else
    return false;
  memory_ = used_memory_;
  unload();
  return true;
}

/// What may be set while another clip is played, for this one. What is wrong is told, and
/// the last good one goes on.
void Worker::take_settings() {
  Settings now;
  {
    std::lock_guard guard(source_.lock);
    now = source_.settings;
  }
  const bool prompt = now.prompt_changes != settings_.prompt_changes;
  const bool picture = now.image_changes != settings_.image_changes;
  settings_.prompt_changes = now.prompt_changes;
  settings_.image_changes = now.image_changes;
  settings_.preview = now.preview;
  if (now.lora_changes != settings_.lora_changes) take_lora(now.lora);
  settings_.lora_changes = now.lora_changes;
  if (prompt && now.prompt != settings_.prompt) take_prompt(now.prompt);
  if (picture) take_image(now);
  const auto folder = settings_.check_folder();
  if (folder && !folder_gone_)
    post_warning(source_.element, with_way_on(*folder, "What is in memory of it is used."));
  folder_gone_ = folder.has_value();
}

void Worker::take_prompt(const std::optional<std::string>& prompt) {
  const auto before = settings_.prompt;
  settings_.prompt = prompt;
  auto wrong = settings_.check_prompt();
  ovi_plan plan{};
  if (!wrong) wrong = setting_refused(image_ ? &*image_ : nullptr, plan);
  if (wrong) {
    settings_.prompt = before;
    post_warning(source_.element, with_way_on(*wrong, "The last good prompt goes on."));
    return;
  }
  quiet_ = false;
  GST_INFO_OBJECT(source_.element, "prompt of clip %" G_GUINT64_FORMAT ": %s", clip_,
                  prompt->c_str());
}

void Worker::take_image(const Settings& now) {
  std::optional<Failure> wrong;
  std::optional<Image> image;
  if (now.image_sample) wrong = check_image_sample(now.image_sample.get());
  if (now.image) wrong = check_image_location(*now.image, settings_.image_reach);
  if (!wrong && now.has_picture()) {
    image = now.image_sample ? read_image_sample(now.image_sample.get(), wrong)
                             : read_image(*now.image, settings_.image_reach, cancelled_, wrong);
    if (!wrong && !image) return;  // cancelled
  }
  ovi_plan plan{};
  if (!wrong) wrong = setting_refused(image ? &*image : nullptr, plan);
  if (!wrong && (plan.width != plan_.width || plan.height != plan_.height))
    wrong = source_.video.size_refused(plan);
  if (wrong) {
    post_warning(source_.element, with_way_on(*wrong, "The last good image goes on."));
    return;
  }
  settings_.image = now.image;
  settings_.image_sample = now.image_sample;
  set_picture(std::move(image), settings_.image_name());
  GST_INFO_OBJECT(source_.element, "image of clip %" G_GUINT64_FORMAT ": %s", clip_,
                  image_name_.empty() ? "(none)" : image_name_.c_str());
}

/// Another model: the one before stays until the engine has taken the new list, of which it reads
/// names and shapes alone.
void Worker::take_lora(const std::optional<std::string>& lora) {
  if (lora == settings_.lora) return;
  Settings before = settings_;
  settings_.lora = lora;
  ovi_engine* const model = std::exchange(model_, nullptr);
  const auto made_of = model_settings_;
  auto wrong = settings_.check_lora();
  if (!wrong) wrong = make_model();
  if (wrong) {
    settings_ = std::move(before);
    model_ = model;
    model_settings_ = made_of;
    post_warning(source_.element, with_way_on(*wrong, "The last good lora goes on."));
    return;
  }
  if (model) engine_->destroy(model);
  lora_digests_.clear();
  quiet_ = false;
  GST_INFO_OBJECT(source_.element, "lora of clip %" G_GUINT64_FORMAT ": %s", clip_,
                  lora ? lora->c_str() : "(none)");
}

/// Whether the engine calls the settings wrong; what else it may say is said again when the
/// clip is made.
std::optional<Failure> Worker::setting_refused(const Image* image, ovi_plan& plan) {
  ovi_error error{};
  error.size = sizeof error;
  if (make_model()) return std::nullopt;
  const ovi_request wished = settings_.request(image, seed());
  plan.size = sizeof plan;
  const ovi_status status = engine_->plan(model_, &wished, &plan, nullptr, nullptr, &error);
  if (status == OVI_SETTINGS) return from_engine(error);
  if (status != OVI_OK) plan = plan_;
  return std::nullopt;
}

/// Another one for each clip and each that was left out, and the same ones again for the same
/// first one.
int64_t Worker::seed() const {
  return static_cast<int64_t>((static_cast<uint64_t>(seed_) + clip_ + left_out_) & G_MAXINT64);
}

void Worker::clips_changed() {
  const uint64_t clips = source_.run.num_clips;
  if (!clips || !making_ || *making_ < clips || cancelled_) return;
  unwanted_ = cancelled_ = true;
  engine_->cancel_trigger(cancel_);
}

/// Whether it was only the clip that was cancelled, since it will not be played: nothing of it
/// stays, and it may be made another time.
bool Worker::gave_up_unwanted() {
  {
    std::lock_guard guard(source_.lock);
    if (!unwanted_ || ending_) return false;
  }
  progress_.end(GST_PROGRESS_TYPE_CANCELED);
  clear_the_way();
  std::lock_guard guard(source_.lock);
  unwanted_ = false;
  making_.reset();
  if (ending_) return false;
  cancelled_ = false;
  engine_->cancel_reset(cancel_);
  return true;
}

/// Until the clip before is played and another one is wanted; lets go of those before that one.
bool Worker::wait_for_turn() {
  Reel::Clips gone;
  std::unique_lock held(source_.lock);
  const auto wanted = [this] {
    const uint64_t clips = source_.run.num_clips;
    return (!clips || clip_ < clips) && source_.playing();
  };
  const auto due = [&] {
    return cancelled_ || source_.last_clip || (wanted() && clip_ <= *source_.playing() + 1);
  };
  const auto starves = [&] { return wanted() && source_.starves(); };
  while (!due()) {
    source_.changed.wait(held, [&] { return due() || starves(); });
    // On the way to PLAYING it looks so for a moment: sinks play before this element does.
    if (!source_.changed.wait_for(held, kStarving, [&] { return due() || !starves(); })) break;
  }
  if (cancelled_ || (source_.last_clip && clip_ > *source_.last_clip)) return false;
  source_.making = clip_;
  making_ = clip_;
  gone = source_.reel.drop_before(source_.playing().value_or(0));
  held.unlock();  // the engine takes its memory back outside the lock
  return true;
}

}  // namespace ovii2v
