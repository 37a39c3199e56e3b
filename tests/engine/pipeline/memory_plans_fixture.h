// A model of random weights on a device whose memory ends, and clips of it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <string>

#include "../fake_device/fake_device.h"
#include "../passing_source.h"
#include "../tiny_model.h"
#include "pipeline/generator.h"
#include "runtime/error.h"
#include "weights/synthetic.h"

namespace ovi::test {

constexpr size_t kMiB = size_t{1} << 20;

struct Clip {
  at::Tensor video, audio;
  GenerationStats stats;
};

inline bool same(const Clip& a, const Clip& b) {
  return a.video.equal(b.video) && a.audio.equal(b.audio);
}

// Passes everything on, and fails when told to.
class Source final : public PassingSource {
 public:
  using PassingSource::PassingSource;
  void read(const std::string& name, int64_t first, at::Tensor to) const override {
    if (name == broken) throw Error(ErrorKind::kRead, name + " cannot be read");
    PassingSource::read(name, first, to);
  }
  std::string broken;
};

class MemoryPlans : public testing::Test {
 protected:
  void SetUp() override {
    fake::reset();
    // Deep enough that two blocks are much less than all of them.
    size_.dtype = at::kBFloat16;
    size_.fusion = {6, 128, 512, 64, 64, 48, 20};
    size_.text = {6, 64, 512, 2, 256384, 32};
    size_.video_vae = {16, 16, 48};
    size_.audio_vae.dim = 16;
    size_.vocoder.channels = 64;
    folder_ = find_model(tiny_path(), Variant::kAuto);
    folder_.spec.area = 64 * 64;
    folder_.spec.video_latents = 3;
    folder_.spec.audio_latents = 8;
    folder_.num_heads = 2;
    folder_.audio_rope_scaling.reset();
    text_ = std::make_shared<Source>(synthetic_text_encoder(size_));
    sources_ = {synthetic_fusion(size_), text_, synthetic_video_vae(size_),
                synthetic_audio_vae(size_), synthetic_vocoder(size_)};
    request_ = small_request();
    request_.image =
        at::arange(48 * 64 * 3, at::kInt).remainder(251).to(at::kByte).view({48, 64, 3});
  }
  void TearDown() override {
    for (const std::string& violation : fake::violations()) ADD_FAILURE() << violation;
  }

  std::shared_ptr<LoadedModel> model(Memory memory, const Arithmetic& arithmetic = at::kBFloat16) {
    auto made = std::make_shared<LoadedModel>(folder_, fake::device(), arithmetic, memory);
    made->set_sources(sources_);
    return made;
  }
  Clip make(const std::shared_ptr<LoadedModel>& model, RecordingSink& sink,
            const Cancel* cancel = nullptr) {
    Clip clip;
    clip.stats = Generator(model).generate(request_, sink, cancel);
    clip.video = at::cat(sink.frames);
    clip.audio = sink.samples;
    return clip;
  }
  Clip make(const std::shared_ptr<LoadedModel>& model) {
    RecordingSink sink;
    return make(model, sink);
  }
  /// The device has room for `bytes` beyond what is there now.
  void leave_free(size_t bytes) { fake::set_memory(fake::memory().used + bytes); }
  Error failure(const std::shared_ptr<LoadedModel>& model, RecordingSink& sink,
                const Cancel* cancel = nullptr) {
    try {
      make(model, sink, cancel);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing failed";
    return Error(ErrorKind::kFailed, "nothing failed");
  }
  Error failure(const std::shared_ptr<LoadedModel>& model) {
    RecordingSink sink;
    return failure(model, sink);
  }

  SyntheticSize size_;
  ModelFolder folder_;
  std::shared_ptr<Source> text_;
  ModelSources sources_;
  Request request_;
};

}  // namespace ovi::test
