// What a clip's sink hears while it is made: stages, reading, and nothing twice.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/generator.h"
#include "pipeline/loaded_model.h"
#include "runtime/cancel.h"
#include "runtime/stopwatch.h"

namespace ovi {

/// A stage's progress with the time that is left, from the time so far.
class StageProgress {
 public:
  StageProgress(ClipSink& sink, Stage stage, int64_t total)
      : sink_(sink), stage_(stage), total_(total) {
    sink_.progress(stage_, 0, total_, -1.0);
  }
  /// Does nothing where `done` is no news.
  void at(int64_t done) { at(done, static_cast<double>(done) / static_cast<double>(total_)); }
  /// `share` of the stage's work is done, where its parts are not alike.
  void at(int64_t done, double share) {
    if (done <= done_) return;
    done_ = done;
    const double so_far = watch_.seconds();
    const bool known = so_far >= kFirstEstimate || done == total_;
    const double left = so_far / share * (1.0 - share);
    sink_.progress(stage_, done, total_, known ? left : -1.0);
  }
  void finish() { at(total_); }

 private:
  static constexpr double kFirstEstimate = 0.25;  // seconds; before that it would be a guess

  ClipSink& sink_;
  Stage stage_;
  int64_t total_, done_ = 0;
  Stopwatch watch_;
};

/// Reading that begins a stage of its own once there is something to read.
class LoadProgress {
 public:
  LoadProgress(ClipSink& sink, const Cancel* cancel) : sink_(sink) {
    reading.cancel = cancel;
    reading.on_bytes = [this](int64_t done, int64_t total) {
      if (!progress_) {
        total_ = total / kMiB + 1;
        progress_.emplace(sink_, Stage::kLoad, total_);
      }
      // A stage has one total: what little is found to be needed later is not counted.
      progress_->at(std::min(done / kMiB, total_ - 1));
    };
  }
  LoadProgress(const LoadProgress&) = delete;
  LoadProgress& operator=(const LoadProgress&) = delete;

  /// Ends the stage; with `always`, also one in which nothing was to be read.
  void finish(bool always) {
    if (!progress_ && always) progress_.emplace(sink_, Stage::kLoad, 1);
    if (progress_) progress_->finish();
  }

  Reading reading;

 private:
  static constexpr int64_t kMiB = 1 << 20;

  ClipSink& sink_;
  std::optional<StageProgress> progress_;
  int64_t total_ = 0;  // MiB
};

/// What a clip that is made again gives a second time stays here: each plan gives the same
/// samples and frames.
class OnceSink : public ClipSink {
 public:
  explicit OnceSink(ClipSink& sink) : sink_(sink) {}

  void progress(Stage stage, int64_t done, int64_t total, double left) override {
    sink_.progress(stage, done, total, left);
  }
  void preview(int64_t step, int64_t steps, int64_t frame, const at::Tensor& rgb) override {
    sink_.preview(step, steps, frame, rgb);
  }
  void note(const std::string& note) override { sink_.note(note); }
  void audio(const at::Tensor& samples) override {
    if (!std::exchange(heard_, true)) sink_.audio(samples);
  }
  void video(int64_t first, const at::Tensor& frames) override {
    if (first < next_) return;
    sink_.video(first, frames);
    next_ = first + frames.size(0);
  }

 private:
  ClipSink& sink_;
  bool heard_ = false;
  int64_t next_ = 0;  // frame
};

}  // namespace ovi
