// What tokenizer.json does with a text before the text is segmented.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/charsmap.h"

namespace ovi::text {

/// One of Hugging Face's normalizers.
struct NormalizerStep {
  enum class Kind {
    kCharsMap,  ///< Precompiled: the sentencepiece model's character rules
    kStrip,     ///< white space at the ends
    kReplace,   ///< `pattern` by `content`
  };
  Kind kind = Kind::kCharsMap;
  bool left = false, right = false;  ///< kStrip
  std::string pattern, content;      ///< kReplace; the pattern is literal and not empty
  size_t least = 0;  ///< kReplace: what is replaced is a run of so many or more; 0: each by itself

  bool operator==(const NormalizerStep&) const = default;
};

/// What sentencepiece's models are converted to: character rules, no white space at the end,
/// two or more spaces as one.
std::vector<NormalizerStep> usual_normalizer();

MappedText apply(const NormalizerStep& step, MappedText text, const CharsMap& charsmap);

/// All of them. `text` is valid UTF-8. Sources are offsets into `text` plus `offset`.
MappedText normalize(std::string_view text, size_t offset, const std::vector<NormalizerStep>& steps,
                     const CharsMap& charsmap);

/// How a normalized text falls into words: the Metaspace pre-tokenizer.
struct WordRules {
  enum class Prefix { kAlways, kFirst, kNever };
  Prefix prefix = Prefix::kAlways;  ///< where a meta space is put before: each stretch, the text
  bool split = true;                ///< a word begins at each meta space
  bool drop_white_space = false;    ///< WhitespaceSplit before it; with kAlways alone
};

/// Spaces as meta spaces. `first`: the stretch that the text begins with.
MappedText with_meta_spaces(const MappedText& text, size_t start, size_t end, bool first,
                            const WordRules& rules);

constexpr std::string_view kMetaSpace = "\u2581";  // stands for a space in pieces

}  // namespace ovi::text
