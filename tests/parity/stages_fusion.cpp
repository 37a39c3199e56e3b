// SPDX-License-Identifier: Apache-2.0
#include "model_files.h"
#include "models/fusion_transformer.h"
#include "stages.h"

namespace ovi::parity {

void run_fusion_forward(Case& c) {
  const auto& args = c.args();
  const FusionTransformer model(open_part(c, Component::kFusion), fusion_options_of(c));
  const at::Tensor video = c.placed_input("video"), audio = c.placed_input("audio");
  const auto context =
      model.encode_context(c.placed_input("video_context"), c.placed_input("audio_context"));
  const auto positions =
      model.positions(video.size(1), video.size(2), video.size(3), audio.size(0));
  const auto times = model.embed_times({args.at("timestep")}, args.at("first_frame_is_clean"));
  const auto velocities = model.forward(video, audio, times[0], positions,
                                        {{&context, args.value("slg_layer", int64_t{0})}}, nullptr);
  c.check("video", velocities[0].video);
  c.check("audio", velocities[0].audio);
}

}  // namespace ovi::parity
