// Opens a sentencepiece model file.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sentencepiece_processor.h>

#include <string>

namespace ovi::text {

/// Loads `path` into `model` and returns its precompiled character rules, which the library has
/// no access to (sentencepiece_model.proto: ModelProto.normalizer_spec.precompiled_charsmap).
/// Throws Error that names the file: not there, unreadable, or not a unigram model with unknown
/// and end-of-sentence pieces.
std::string load_spiece_model(const std::string& path,
                              sentencepiece::SentencePieceProcessor* model);

}  // namespace ovi::text
