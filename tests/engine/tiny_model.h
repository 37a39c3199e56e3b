// The tiny model of the parity cases, with clips of a few frames.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ops/empty.h>
#include <ATen/ops/randint.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/generator.h"
#include "runtime/device.h"

namespace ovi::test {

inline std::string tiny_path() {
  return std::string(std::getenv("OVI_TEST_DATA")) + "/models/tiny";
}

/// 64x64 pixels, 5 frames, 4096 samples: a clip in well under a second.
inline std::shared_ptr<LoadedModel> tiny_model(const Arithmetic& arithmetic = at::kFloat,
                                               const c10::Device& device = c10::kCPU) {
  ModelFolder folder = find_model(tiny_path(), Variant::kAuto);
  folder.spec.area = 64 * 64;
  folder.spec.video_latents = 2;
  folder.spec.audio_latents = 8;
  return std::make_shared<LoadedModel>(folder, device, arithmetic);
}

/// Brings the tiny model to its device; gives its transformer.
inline std::shared_ptr<const FusionTransformer> load(LoadedModel& model) {
  Reading quietly;
  model.prepare({2, 4, 4, 8}, quietly);
  return model.fusion(quietly);
}

inline Request small_request() {
  Request request;
  request.prompt = "A cat says, <S>Hello.<E> <AUDCAP>purring<ENDAUDCAP>";
  request.seed = 7;
  request.steps = 2;
  request.slg_layer = 1;
  request.image = at::randint(0, 256, {48, 64, 3}, at::TensorOptions().dtype(at::kByte));
  request.image_height = 48;
  request.image_width = 64;
  return request;
}

/// Keeps everything; can cancel when something happens.
class RecordingSink : public ClipSink {
 public:
  struct Report {
    Stage stage;
    int64_t done, total;
  };
  std::vector<Report> reports;
  std::vector<at::Tensor> frames;  // one tensor a chunk
  at::Tensor samples;
  std::vector<std::string> notes;
  std::function<void(const Report&)> on_report;

  void progress(Stage stage, int64_t done, int64_t total, double) override {
    reports.push_back({stage, done, total});
    if (on_report) on_report(reports.back());
  }
  void note(const std::string& note) override { notes.push_back(note); }
  void audio(const at::Tensor& s) override { samples = s; }
  void video(int64_t first, const at::Tensor& f) override {
    if (first == frame_count()) frames.push_back(f);
  }
  int64_t frame_count() const {
    int64_t count = 0;
    for (const at::Tensor& chunk : frames) count += chunk.size(0);
    return count;
  }
};

}  // namespace ovi::test
