// Models that a test converts, and the clips that they make then.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../tiny_model.h"
#include "pipeline/conversion.h"
#include "pipeline/generator.h"

namespace ovi::test {

class Told final : public ConversionSink {
 public:
  std::vector<ConvertedFile> files;
  uint64_t written = 0, verified = 0, total = 0;
  std::function<void(uint64_t done, uint64_t total)> on_progress;

  void progress(const std::string&, bool verifying, uint64_t done, uint64_t all, double) override {
    (verifying ? verified : written) = done;
    total = all;
    if (on_progress) on_progress(done, all);
  }
  void file(const ConvertedFile& file) override { files.push_back(file); }
};

inline ConversionRequest request_to(const std::string& target, StoredAs stored = StoredAs::kBf16) {
  ConversionRequest request;
  request.model_path = tiny_path();
  request.target = target;
  request.stored = stored;
  request.program = "test 1";
  return request;
}

struct ConvertedClip {
  at::Tensor video, audio;
};

inline ConvertedClip clip_of(const std::string& path, const Arithmetic& arithmetic) {
  ModelFolder folder = find_model(path, Variant::kAuto);
  folder.spec.area = 64 * 64;
  folder.spec.video_latents = 2;
  folder.spec.audio_latents = 8;
  RecordingSink sink;
  Request request = small_request();
  request.image = at::full({48, 64, 3}, 90, at::TensorOptions().dtype(at::kByte));
  Generator(std::make_shared<LoadedModel>(folder, c10::kCPU, arithmetic))
      .generate(request, sink, nullptr);
  return {at::cat(sink.frames), sink.samples};
}

inline void expect_same_clip(const std::string& path, const Arithmetic& arithmetic) {
  const ConvertedClip before = clip_of(tiny_path(), arithmetic), after = clip_of(path, arithmetic);
  EXPECT_TRUE(before.video.equal(after.video));
  EXPECT_TRUE(before.audio.equal(after.audio));
}

inline std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (!entry.is_directory()) files.push_back(entry.path().filename());
  return files;
}

}  // namespace ovi::test
