// SPDX-License-Identifier: Apache-2.0
#include "text/prompt_linter.h"

#include <glib.h>

#include <algorithm>
#include <optional>

#include "text/unicode.h"

namespace ovi::text {
namespace {

constexpr std::string_view kAudioColon = "Audio:";
constexpr size_t kLongestShown = 40;  // bytes of a tag that a message repeats; tags are ASCII

enum class Kind { kSpeech, kSpeechEnd, kAudio, kAudioEnd, kUnknown };

struct Tag {
  Kind kind = Kind::kUnknown;
  size_t start = 0, end = 0;  // bytes, with the brackets
  std::string written;        // as it stands in the prompt
  bool closes = false;        // "</"
  bool exact = false;         // written just as the model knows it
};

std::string_view spelling(Kind kind) {
  switch (kind) {
    case Kind::kSpeech:
      return "<S>";
    case Kind::kSpeechEnd:
      return "<E>";
    case Kind::kAudio:
      return "<AUDCAP>";
    case Kind::kAudioEnd:
      return "<ENDAUDCAP>";
    case Kind::kUnknown:
      break;
  }
  return {};
}

struct Alias {
  std::string_view name;  // upper case, without brackets and slash
  Kind kind;
};

// What is meant by names that are near the real ones; "</S>" is an end whatever its name.
constexpr Alias kAliases[] = {
    {"S", Kind::kSpeech},           {"SPEECH", Kind::kSpeech},     {"SPEAK", Kind::kSpeech},
    {"E", Kind::kSpeechEnd},        {"ENDS", Kind::kSpeechEnd},    {"ENDSPEECH", Kind::kSpeechEnd},
    {"AUDCAP", Kind::kAudio},       {"AUDIO", Kind::kAudio},       {"AUDIOCAP", Kind::kAudio},
    {"ENDAUDCAP", Kind::kAudioEnd}, {"ENDAUDIO", Kind::kAudioEnd}, {"ENDAUDIOCAP", Kind::kAudioEnd},
    {"EAUDCAP", Kind::kAudioEnd},
};

bool is_name_character(char c) { return g_ascii_isalnum(c) || c == '_' || c == '-'; }

// "<name>", "</name>", also with spaces before the ">"; not "a < b" or "<3".
std::optional<Tag> read_tag(std::string_view prompt, size_t start) {
  Tag tag;
  size_t at = start + 1;
  tag.closes = at < prompt.size() && prompt[at] == '/';
  if (tag.closes) ++at;
  const size_t name = at;
  while (at < prompt.size() && is_name_character(prompt[at])) ++at;
  if (at == name || !g_ascii_isalpha(prompt[name])) return std::nullopt;
  std::string upper(prompt.substr(name, at - name));
  std::transform(upper.begin(), upper.end(), upper.begin(), g_ascii_toupper);
  while (at < prompt.size() && (prompt[at] == ' ' || prompt[at] == '/')) ++at;
  if (at == prompt.size() || prompt[at] != '>') return std::nullopt;
  tag.start = start;
  tag.end = at + 1;
  tag.written = prompt.substr(start, std::min(tag.end - start, kLongestShown));
  if (tag.written.size() < tag.end - start) tag.written += "...>";
  for (const Alias& alias : kAliases) {
    if (alias.name != upper) continue;
    tag.kind = alias.kind;
    if (tag.closes && tag.kind == Kind::kSpeech) tag.kind = Kind::kSpeechEnd;
    if (tag.closes && tag.kind == Kind::kAudio) tag.kind = Kind::kAudioEnd;
  }
  tag.exact = tag.kind != Kind::kUnknown && tag.written == spelling(tag.kind);
  return tag;
}

std::vector<Tag> read_tags(std::string_view prompt) {
  std::vector<Tag> tags;
  for (size_t at = prompt.find('<'); at != std::string_view::npos; at = prompt.find('<', at)) {
    auto tag = read_tag(prompt, at);
    at = tag ? tag->end : at + 1;
    if (tag) tags.push_back(std::move(*tag));
  }
  return tags;
}

bool is_blank(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return g_ascii_isspace(c); });
}

// Follows one pair of tags through the prompt.
class PairCheck {
 public:
  PairCheck(std::string_view prompt, Kind open_kind, Kind close_kind, const std::string& content,
            std::vector<PromptWarning>* warnings)
      : prompt_(prompt), warnings_(warnings) {
    const std::string open(spelling(open_kind)), close(spelling(close_kind));
    nested_ = open + " stands inside another " + open + ": end the first " + content + " with " +
              close + " before it.";
    unopened_ = close + " has no " + open + " before it: write " + open + content + close + ".";
    empty_ = open + close + " is empty: write the " + content +
             " between the tags or take them out.";
    unclosed_ = open + " is not closed: write " + close + " after the " + content + ".";
  }

  void opened(const Tag& tag) {
    if (inside_) warn(tag.start, nested_);
    inside_ = Place{tag.start, tag.end};
  }

  void closed(const Tag& tag) {
    if (!inside_) {
      warn(tag.start, unopened_);
      return;
    }
    if (is_blank(prompt_.substr(inside_->end, tag.start - inside_->end))) {
      warn(inside_->start, empty_);
    }
    inside_.reset();
  }

  void finish() {
    if (inside_) warn(inside_->start, unclosed_);
  }

 private:
  struct Place {
    size_t start, end;
  };

  void warn(size_t start, const std::string& message) {
    warnings_->push_back({PromptWarningCode::kTags, static_cast<int64_t>(start), message});
  }

  std::string_view prompt_;
  std::string nested_, unopened_, empty_, unclosed_;
  std::vector<PromptWarning>* warnings_;
  std::optional<Place> inside_;
};

std::string spelling_message(const Tag& tag) {
  if (tag.kind == Kind::kUnknown) {
    return tag.written +
           " is no tag of this model: use <S>speech<E> and <AUDCAP>sound<ENDAUDCAP>, or take it "
           "out.";
  }
  return tag.written + " is not understood: write " + std::string(spelling(tag.kind)) + ".";
}

// "audio:" in some other case.
size_t find_miscased_colon(std::string_view prompt) {
  for (size_t at = 0; at + kAudioColon.size() <= prompt.size(); ++at) {
    if (g_ascii_strncasecmp(prompt.data() + at, kAudioColon.data(), kAudioColon.size()) == 0) {
      return at;
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::vector<PromptWarning> lint_prompt(std::string_view prompt) {
  std::vector<PromptWarning> warnings;
  PairCheck speech(prompt, Kind::kSpeech, Kind::kSpeechEnd, "speech", &warnings);
  PairCheck audio(prompt, Kind::kAudio, Kind::kAudioEnd, "sound", &warnings);
  bool has_audio = prompt.find(kAudioColon) != std::string_view::npos;
  for (const Tag& tag : read_tags(prompt)) {
    if (!tag.exact) {
      warnings.push_back(
          {PromptWarningCode::kTags, static_cast<int64_t>(tag.start), spelling_message(tag)});
    }
    // A misspelt tag takes its place among the others, so that it is complained of once.
    switch (tag.kind) {
      case Kind::kSpeech:
        speech.opened(tag);
        break;
      case Kind::kSpeechEnd:
        speech.closed(tag);
        break;
      case Kind::kAudio:
        has_audio = true;
        audio.opened(tag);
        break;
      case Kind::kAudioEnd:
        has_audio = true;
        audio.closed(tag);
        break;
      case Kind::kUnknown:
        break;
    }
  }
  speech.finish();
  audio.finish();
  const auto earlier = [](const auto& a, const auto& b) { return a.position < b.position; };
  if (!std::is_sorted(warnings.begin(), warnings.end(), earlier)) {
    std::stable_sort(warnings.begin(), warnings.end(), earlier);
  }
  if (!has_audio) {
    const size_t miscased = find_miscased_colon(prompt);
    if (miscased != std::string_view::npos) {
      warnings.push_back({PromptWarningCode::kNoAudio, static_cast<int64_t>(miscased),
                          std::string(prompt.substr(miscased, kAudioColon.size())) +
                              " does not start an audio description: write Audio: instead."});
    } else {
      warnings.push_back({PromptWarningCode::kNoAudio, -1,
                          "The prompt does not say what is to be heard: end it with "
                          "<AUDCAP>description<ENDAUDCAP> or Audio: description."});
    }
  }
  return warnings;
}

}  // namespace ovi::text
