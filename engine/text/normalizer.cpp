// SPDX-License-Identifier: Apache-2.0
#include "text/normalizer.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

#include "text/unicode.h"

namespace ovi::text {
namespace {

void strip(MappedText* text, bool left, bool right) {
  size_t end = text->text.size();
  while (right && end > 0) {
    size_t last = end - 1;
    while (last > 0 && (static_cast<unsigned char>(text->text[last]) & 0xC0) == 0x80) --last;
    if (!is_white_space(code_point_at(text->text, last))) break;
    end = last;
  }
  text->text.resize(end);
  text->sources.resize(end);
  size_t start = 0;
  while (left && start < end && is_white_space(code_point_at(text->text, start))) {
    start += utf8_length(text->text[start]);
  }
  text->text.erase(0, start);
  text->sources.erase(text->sources.begin(),
                      text->sources.begin() + static_cast<std::ptrdiff_t>(start));
}

MappedText replace(const MappedText& text, const NormalizerStep& step) {
  const std::string_view from = text.text;
  MappedText result;
  result.text.reserve(from.size());
  result.sources.reserve(from.size());
  for (size_t at = 0; at < from.size();) {
    const size_t next = std::min(from.find(step.pattern, at), from.size());
    result.text += from.substr(at, next - at);
    result.sources.insert(result.sources.end(),
                          text.sources.begin() + static_cast<std::ptrdiff_t>(at),
                          text.sources.begin() + static_cast<std::ptrdiff_t>(next));
    if (next == from.size()) break;
    size_t count = 1;
    at = next + step.pattern.size();
    while (step.least > 0 && from.substr(at, step.pattern.size()) == step.pattern) {
      at += step.pattern.size();
      ++count;
    }
    if (count >= step.least) {
      result.append(step.content, text.sources[next]);
    } else {
      for (size_t i = next; i < at; ++i) result.append(from.substr(i, 1), text.sources[i]);
    }
  }
  return result;
}

}  // namespace

std::vector<NormalizerStep> usual_normalizer() {
  using Kind = NormalizerStep::Kind;
  return {{Kind::kCharsMap, false, false, {}, {}, 0},
          {Kind::kStrip, false, true, {}, {}, 0},
          {Kind::kReplace, false, false, " ", std::string(kMetaSpace), 2}};
}

MappedText apply(const NormalizerStep& step, MappedText text, const CharsMap& charsmap) {
  switch (step.kind) {
    case NormalizerStep::Kind::kCharsMap: {
      MappedText mapped = charsmap.apply(text.text);
      for (uint32_t& source : mapped.sources) source = text.sources[source];
      return mapped;
    }
    case NormalizerStep::Kind::kStrip:
      strip(&text, step.left, step.right);
      return text;
    case NormalizerStep::Kind::kReplace:
      return replace(text, step);
  }
  return text;
}

MappedText normalize(std::string_view text, size_t offset, const std::vector<NormalizerStep>& steps,
                     const CharsMap& charsmap) {
  MappedText mapped;
  mapped.text = text;
  mapped.sources.resize(text.size());
  std::iota(mapped.sources.begin(), mapped.sources.end(), static_cast<uint32_t>(offset));
  for (const NormalizerStep& step : steps) mapped = apply(step, std::move(mapped), charsmap);
  return mapped;
}

MappedText with_meta_spaces(const MappedText& text, size_t start, size_t end, bool first,
                            const WordRules& rules) {
  const bool prefixed = rules.prefix == WordRules::Prefix::kAlways ||
                        (rules.prefix == WordRules::Prefix::kFirst && first);
  MappedText result;
  result.text.reserve(end - start + kMetaSpace.size());
  result.sources.reserve(end - start + kMetaSpace.size());
  bool begins = true;
  for (size_t at = start; at < end;) {
    const size_t length = utf8_length(text.text[at]);
    const std::string_view character = std::string_view(text.text).substr(at, length);
    if (rules.drop_white_space && is_white_space(code_point_at(text.text, at))) {
      begins = true;
      at += length;
      continue;
    }
    if (begins && prefixed && character != " " && character != kMetaSpace) {
      result.append(kMetaSpace, text.sources[at]);
    }
    begins = false;
    result.append(character == " " ? kMetaSpace : character, text.sources[at]);
    at += length;
  }
  return result;
}

}  // namespace ovi::text
