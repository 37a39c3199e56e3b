// How many bytes of device memory each stage of a clip takes, from the sizes alone.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>

#include "pipeline/frame_size.h"
#include "pipeline/model_sources.h"
#include "runtime/device.h"
#include "runtime/portions.h"

namespace ovi {

/// What a clip's activations depend on.
struct ClipExtent {
  int64_t video_latents = 0, height = 0, width = 0;  // latents; one is 16x16 pixels
  int64_t audio_latents = 0;
  /// Of how many ranks this one makes its share of the clip, and whether it is the first of
  /// them, which alone has the texts, the picture and the sound.
  int64_t ranks = 1;
  bool first_rank = true;
};

ClipExtent clip_extent(const VariantSpec& spec, const FrameSize& size);

/// Highest bytes of activations at one time, weights not counted, each from the sizes in
/// the file and the sums that the function's body explains. They are upper bounds: a test
/// holds them against what is measured. `dtype` is that of the weights. They are of
/// LibTorch's own kernels; fused ones need less. Of a clip that ranks share, `fusion` and
/// `video_decoder` are of one rank.
namespace activations {

int64_t text_encoder(const TensorSource& source, at::ScalarType dtype);
/// Embeddings that are remembered for the next clip: there in every stage.
int64_t embeddings(const TensorSource& text_encoder, at::ScalarType dtype);
/// `between_steps`: bytes of something else that is done while no block is at work.
int64_t fusion(const TensorSource& source, const Arithmetic& arithmetic, const ClipExtent& clip,
               int64_t between_steps = 0, const Portions& portions = {});
/// A picture by the small decoder of previews.
int64_t preview_decoder(const TensorSource& source, at::ScalarType dtype, const ClipExtent& clip);
int64_t video_encoder(const TensorSource& source, at::ScalarType dtype, const ClipExtent& clip);
/// A clip that ranks share is decoded in their columns, and in no strips.
int64_t video_decoder(const TensorSource& source, at::ScalarType dtype, const ClipExtent& clip,
                      const Portions& portions = {});
/// What the libraries of matrix products keep on a device to work in, in every stage: at most.
int64_t workspaces(const c10::Device& device);
/// The audio decoder and the vocoder, in float32.
int64_t sound(const TensorSource& audio_vae, const TensorSource& vocoder, const ClipExtent& clip);

}  // namespace activations
}  // namespace ovi
