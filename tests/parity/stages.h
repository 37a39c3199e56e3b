// What each stage name of a case runs. Each throws ovi::Error for a case it cannot
// run, which counts as failed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "case.h"

namespace ovi::parity {

void run_text_encode(Case& c);
void run_prompt_format(Case& c);
void run_frame_size(Case& c);
void run_image_preprocess(Case& c);
void run_video_vae_encode(Case& c);
void run_video_vae_decode(Case& c);
void run_audio_vae_decode(Case& c);
void run_vocoder(Case& c);
void run_fusion_forward(Case& c);
void run_sampler(Case& c);
void run_noise(Case& c);
void run_preview_decode(Case& c);
void run_generate(Case& c);

}  // namespace ovi::parity
