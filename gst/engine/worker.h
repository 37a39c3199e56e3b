// The thread that makes a clip: picture, plan, generation.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <glib.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "clip/progress.h"
#include "engine/gstovii2vloader.h"
#include "messages.h"
#include "picture/picture.h"
#include "settings.h"

namespace ovii2v {

class Source;

/// Runs from start() to join(): clip after clip, at most one ahead of what is played. The engine's
/// handle outlives a run, so that the next one finds its model loaded; unload() gives it back.
class Worker {
 public:
  explicit Worker(Source& source);
  ~Worker();

  /// Takes what the next run is made of. Finds folder, files and device, and without
  /// a picture checks the request too: nothing here reads weights.
  std::optional<Failure> check(const Engine& engine, const Settings& settings);
  /// From now on cancel() counts for the run that begins; Source::lock held.
  void arm();
  /// After arm(). Posts PROGRESS START before it returns.
  std::optional<Failure> start();
  /// Asks the generation to end; returns at once. From any thread, with Source::lock held.
  void cancel();
  /// `num-clips` changed: a clip that is made and will not be played is given up. Source::lock
  /// held.
  void clips_changed();
  /// Waits for the thread; Source::lock not held.
  void join();
  void unload();

 private:
  static gpointer run_function(gpointer self);
  static void on_progress(void* self, const ovi_progress* progress);
  static void on_audio(void* self, const ovi_audio* audio);
  static void on_video(void* self, const ovi_video_frame* frame);
  static void on_preview(void* self, const ovi_preview* preview);
  static void on_note(void* self, const char* message);
  static void on_warning(void* self, const ovi_warning* warning);

  void run();
  bool wait_for_entry();
  bool make_first();
  std::optional<Failure> make_clip();
  std::optional<Failure> try_clip();
  std::optional<Failure> make_model();
  void clip_is_made();
  void make_still();
  std::optional<Failure> prepare();
  bool wait_for_pads();
  std::optional<Failure> generate();
  bool keep_last_frame();
  void take_last_frame();
  /// None when `status` is OVI_OK, or OVI_CANCELLED.
  std::optional<Failure> failed(ovi_status status, const ovi_error& error);
  void set_picture(std::optional<Image> image, const std::string& name);
  GstStructure* make_record() const;
  ovi_request request() const;
  int64_t seed() const;

  // channel/turns.cpp
  bool wait_for_turn();
  bool make_next();
  bool gave_up_unwanted();
  bool give_up(const Failure& failure);
  bool fill_up();
  bool clear_the_way();
  bool wait_before_next_try();
  bool take_poorer_plan();
  void take_settings();
  void take_prompt(const std::optional<std::string>& prompt);
  void take_image(const Settings& now);
  void take_lora(const std::optional<std::string>& lora);
  std::optional<Failure> setting_refused(const Image* image, ovi_plan& plan);

  Source& source_;
  Progress progress_;
  GThread* thread_ = nullptr;
  const Engine* engine_ = nullptr;
  ovi_cancel* cancel_ = nullptr;
  std::atomic<bool> cancelled_{false};  // the run, or the clip that is made
  bool unwanted_ = false;               // that clip alone; guarded by Source::lock, as the next two
  bool ending_ = false;                 // the run
  std::optional<uint64_t> making_;

  ovi_engine* model_ = nullptr;
  std::optional<Settings> model_settings_;  // what model_ was made of

  Settings settings_;
  int64_t seed_ = 0;          // of the first clip
  uint64_t clip_ = 0;         // the one that is made
  uint64_t left_out_ = 0;     // clips that failed for good
  uint32_t failed_ = 0;       // of them, in a row
  bool added_ = false;        // the one that is made is in the reel
  bool goes_on_ = false;      // the last frame of the one before is to be its picture, if any
  bool unread_ = true;        // model_ made no clip yet
  bool quiet_ = false;        // the prompt's warnings were told
  bool folder_gone_ = false;  // and that the model's folder is not there
  ovi_memory memory_{};       // what the engine is asked for
  ovi_memory used_memory_{};  // what it took for the last clip
  std::optional<Image> image_;
  std::string image_name_, image_digest_, model_files_, lora_digests_;
  ovi_plan plan_{};
  std::unique_ptr<GstStructure, void (*)(GstStructure*)> record_{nullptr, gst_structure_free};
};

}  // namespace ovii2v
