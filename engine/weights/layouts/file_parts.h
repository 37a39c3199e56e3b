// Which parts of the model a file holds, whatever its name and whoever wrote it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weights/component.h"
#include "weights/layouts/stored_tensors.h"

namespace ovi {

/// The fused model is published as one file or as two.
enum class Part {
  kVideoHalf,
  kAudioHalf,
  kTextEncoder,
  kVideoVae,
  kAudioVae,
  kVocoder,
  kPreviewDecoder
};

Component component_of(Part part);

struct FilePart {
  Part part;
  std::string prefix;  ///< of its names: empty or ends with '.'
};

/// At most one of each kind. Each is known by names and shapes that only it has, below any
/// prefix ("model.diffusion_model.", "module."): Ovi's halves by their fusion layers, UMT5 by a
/// position table in each block, which T5 has once; the VAEs by the channels of their latents;
/// the vocoder by its mel bands; the small decoder of previews by the channels of its latents and
/// the numbers of its layers. So files of other models beside them are not mistaken for these.
std::vector<FilePart> parts_of(const std::vector<StoredTensor>& tensors);

/// The part's own name for the tensor that is called `name` below its prefix; nothing: it is no
/// part of it. Ovi's halves are named from video_model. and audio_model. on.
std::optional<std::string> reference_name(Part part, const std::string& name);

}  // namespace ovi
