// The file of the small decoder of previews. A clip needs none: whatever is wrong with it is said,
// and nothing fails.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "weights/model_folder.h"
#include "weights/tensor_source.h"

namespace ovi {

struct PreviewDecoderFile {
  std::shared_ptr<const TensorSource> source;  // null: there is none, or it is of no use
  std::string problem;                         // then why; a sentence. Empty: there is none
};

/// Looks at names and shapes, and for stretches that were never downloaded.
PreviewDecoderFile open_preview_decoder(const ModelFolder& folder);

}  // namespace ovi
