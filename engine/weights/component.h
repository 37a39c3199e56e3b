// Tells which part of the model a weight file is, for the mix-ups that many
// people run into.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "weights/tensor_source.h"

namespace ovi {

/// All but the last are needed for every clip.
enum class Component { kFusion, kTextEncoder, kVideoVae, kAudioVae, kVocoder, kPreviewDecoder };

/// Throws Error(kFormat) that says what the file is and what is needed, where it
/// is known to be something else: another part of the model, a Wan 2.1 VAE, one
/// half of a split Ovi, Wan 2.2 without sound, or another program's layout. Looks at
/// names and shapes only. A file it does not know passes: the model then names the
/// tensor that it lacks.
void reject_wrong_component(const TensorSource& source, Component expected);

}  // namespace ovi
