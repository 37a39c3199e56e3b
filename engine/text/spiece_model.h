// Reads a sentencepiece model file.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ovi::text {

/// The numbers are those of ModelProto.SentencePiece.Type in sentencepiece_model.proto.
enum class PieceType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct SpieceModel {
  struct Piece {
    std::string text;  ///< UTF-8, never empty, each once
    float score = 0;   ///< finite
    PieceType type = PieceType::kNormal;
  };

  std::vector<Piece> pieces;  ///< by id
  std::string charsmap;       ///< see CharsMap; empty: no rules
  int64_t unknown_id = -1, end_id = -1;
  int64_t pad_id = -1;  ///< -1: it has none
};

/// Throws Error that names the file: not there, unreadable, damaged (with the byte), larger than
/// 64 MiB, or not a unigram model with unknown and end-of-sentence pieces.
SpieceModel read_spiece_model(const std::string& path);

}  // namespace ovi::text
