// The whole path, through the same generator that the engine uses.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/cat.h>

#include <map>

#include "model_files.h"
#include "pipeline/generator.h"
#include "stages.h"

namespace ovi::parity {
namespace {

class NoSink final : public ClipSink {
 public:
  void progress(Stage, int64_t, int64_t, double) override {}
  void audio(const at::Tensor&) override {}
  void video(int64_t, const at::Tensor&) override {}
};

Request request_of(const Case& c) {
  const auto& args = c.args();
  Request request;
  request.prompt = args.at("prompt");
  request.video_negative_prompt = args.at("video_negative_prompt");
  request.audio_negative_prompt = args.at("audio_negative_prompt");
  request.shift = args.at("shift");
  request.video_guidance_scale = args.at("video_guidance_scale");
  request.audio_guidance_scale = args.at("audio_guidance_scale");
  request.slg_layer = args.at("slg_layer");
  request.solver = solver_of(args.at("solver"));
  request.steps = args.at("steps");
  request.height = args.value("height", int64_t{0});
  request.width = args.value("width", int64_t{0});
  if (c.has_input("rgb")) {
    request.image = c.input("rgb");
    request.image_height = request.image.size(0);
    request.image_width = request.image.size(1);
  }
  return request;
}

}  // namespace

void run_generate(Case& c) {
  const auto& args = c.args();
  ModelFolder folder = whole_model(c);
  folder.spec.area = args.at("area");
  folder.spec.video_latents = args.at("video_latents");
  folder.spec.audio_latents = args.at("audio_latents");
  folder.spec.audcap_tags = args.value("audio_tag", std::string("audcap")) == "audcap";
  const Generator generator(
      std::make_shared<LoadedModel>(folder, c.options().device, c.options().dtype));

  std::map<std::string, std::vector<at::Tensor>> seen;
  Instruments instruments;
  instruments.noise = {c.placed_input("video_noise"), c.placed_input("audio_noise")};
  instruments.observe = [&](const char* name, const at::Tensor& tensor) {
    seen[name].push_back(tensor);
  };
  NoSink sink;
  generator.generate(request_of(c), sink, nullptr, instruments);

  for (const std::string& name : c.expected_names()) {
    const std::vector<at::Tensor>& parts = seen[name];
    if (parts.empty()) {
      c.fail(name, "was never made");
    } else {
      c.check(name, name == "video" ? at::cat(parts, 2).squeeze(0) : parts[0]);
    }
  }
}

}  // namespace ovi::parity
