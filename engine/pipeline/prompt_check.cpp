// SPDX-License-Identifier: Apache-2.0
#include "pipeline/prompt_check.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "text/clean.h"
#include "text/prompt_format.h"
#include "text/prompt_linter.h"

namespace ovi {
namespace {

// A wished size this far from the variant's area is scaled visibly.
constexpr double kAreaTolerance = 0.1;

constexpr size_t kMostWarnings = 20;  // with the one that counts the rest
constexpr size_t kShown = 40;         // bytes before the cut that a warning repeats

// Of too many, those about single tags give way: there are at most five others, five about files
// and one about the device.
void keep_most(size_t besides, std::vector<Warning>* warnings) {
  if (besides + warnings->size() <= kMostWarnings) return;
  const auto is_tag = [](const Warning& w) { return w.code == WarningCode::kTags; };
  const auto tags = static_cast<size_t>(std::count_if(warnings->begin(), warnings->end(), is_tag));
  const size_t others = besides + warnings->size() - tags + 1;  // 1: what counts the rest
  size_t room = kMostWarnings - std::min(kMostWarnings, others);
  const size_t more = tags - std::min(tags, room);
  if (more == 0) return;
  const auto surplus = [&](const Warning& w) { return is_tag(w) && (room == 0 || room-- == 0); };
  std::vector<Warning> kept;
  for (Warning& warning : *warnings) {
    if (!surplus(warning)) kept.push_back(std::move(warning));
  }
  kept.push_back({WarningCode::kTags, -1,
                  "There are tags to mend in the prompt: those named before, and " +
                      std::to_string(more) + " more."});
  *warnings = std::move(kept);
}

std::string counted(int64_t tokens) {
  return tokens <= text::kMostCounted ? std::to_string(tokens)
                                      : "more than " + std::to_string(text::kMostCounted);
}

std::vector<Warning> all_of_the_text(const std::string& prompt) {
  std::vector<Warning> warnings;
  for (const text::PromptWarning& w : text::lint_prompt(prompt)) {
    warnings.push_back(
        {w.code == text::PromptWarningCode::kTags ? WarningCode::kTags : WarningCode::kNoAudio,
         w.position, w.message});
  }
  if (prompt.find("<S>") == std::string::npos) {
    warnings.push_back({WarningCode::kNoSpeech, -1,
                        "Nobody speaks in the prompt: where somebody is to, write <S>words<E>."});
  }
  return warnings;
}

}  // namespace

std::string format_for(const VariantSpec& spec, const std::string& prompt) {
  return text::format_prompt(
      prompt, spec.audcap_tags ? text::AudioTag::kAudcap : text::AudioTag::kAudioColon);
}

std::vector<Warning> check_text(const std::string& prompt) {
  std::vector<Warning> warnings = all_of_the_text(prompt);
  keep_most(0, &warnings);
  return warnings;
}

int64_t tokens_of(const std::string& prompt, const VariantSpec& spec,
                  const text::Tokenizer& tokenizer) {
  return tokenizer.encode(text::clean_text(format_for(spec, prompt))).uncut_length;
}

std::vector<Warning> check_prompt(const Request& request, const VariantSpec& spec,
                                  const text::Tokenizer& tokenizer, size_t besides) {
  std::vector<Warning> warnings = all_of_the_text(request.prompt);
  const std::string formatted = format_for(spec, request.prompt);
  if (formatted != request.prompt) {
    const char* written = spec.audcap_tags ? "Audio:" : "<AUDCAP>";
    warnings.push_back(
        {WarningCode::kStyle, static_cast<int64_t>(request.prompt.find(written)),
         std::string("The sound is described with \"") + written + "\"; " + spec.name +
             " knows it as " +
             (spec.audcap_tags ? "<AUDCAP>...<ENDAUDCAP>" : "\"Audio: ...\" at the end") +
             ", and it is rewritten so."});
  }
  const std::string cleaned = text::clean_text(formatted);
  const text::Tokens tokens = tokenizer.encode(cleaned);
  if (tokens.uncut_length > tokens.length) {
    // The position is one of the cleaned text; in the prompt it may lie elsewhere.
    const std::string kept = tokens.cut_at > 0 ? cleaned.substr(0, tokens.cut_at) : std::string();
    size_t shown = kept.size() > kShown ? kept.size() - kShown : 0;
    while (shown < kept.size() && (kept[shown] & 0xC0) == 0x80) ++shown;  // whole characters
    warnings.push_back({WarningCode::kTruncated, -1,
                        "The prompt has " + counted(tokens.uncut_length) +
                            " tokens and is cut at " + std::to_string(tokens.length) +
                            "; what comes after \"..." + kept.substr(shown) +
                            "\" is not seen. Shorten it."});
  }
  if (!request.has_image() && request.height > 0) {
    const double wished = static_cast<double>(request.height * request.width);
    if (std::abs(wished / static_cast<double>(spec.area) - 1.0) > kAreaTolerance) {
      warnings.push_back({WarningCode::kSettings, -1,
                          "The size " + std::to_string(request.width) + "x" +
                              std::to_string(request.height) + " is scaled to the " +
                              std::to_string(spec.area) + " pixels that " + spec.name +
                              " was trained for; only its shape is kept."});
    }
  }
  keep_most(besides, &warnings);
  return warnings;
}

}  // namespace ovi
