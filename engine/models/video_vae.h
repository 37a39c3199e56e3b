// Wan 2.2's video VAE (Wan2.2_VAE.pth): 16x16 pixels and four frames become one
// latent of 48 channels. Reference: Wan, arXiv 2503.20314, section 4.1; the wider
// variant of Wan 2.2 adds 2x2 pixel patches and parameter-free shortcuts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/video_vae_decoder.h"  // IWYU pragma: export
#include "models/video_vae_encoder.h"  // IWYU pragma: export
#include "models/video_vae_latents.h"  // IWYU pragma: export
