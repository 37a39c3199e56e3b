// SPDX-License-Identifier: Apache-2.0
#include "text/prompt_linter.h"

#include <gtest/gtest.h>

namespace ovi::text {
namespace {

constexpr auto kTags = PromptWarningCode::kTags;
constexpr auto kNoAudio = PromptWarningCode::kNoAudio;

struct Expected {
  PromptWarningCode code;
  int64_t position;
  std::vector<std::string> said;  // parts of the message
};

void expect_warnings(const std::string& prompt, const std::vector<Expected>& expected) {
  SCOPED_TRACE(prompt);
  const auto warnings = lint_prompt(prompt);
  for (const auto& warning : warnings) {
    SCOPED_TRACE(std::to_string(warning.position) + ": " + warning.message);
    ASSERT_FALSE(warning.message.empty());
    EXPECT_EQ(warning.message.back(), '.');
  }
  ASSERT_EQ(warnings.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(warnings[i].code, expected[i].code);
    EXPECT_EQ(warnings[i].position, expected[i].position) << warnings[i].message;
    for (const std::string& part : expected[i].said) {
      EXPECT_NE(warnings[i].message.find(part), std::string::npos)
          << warnings[i].message << "\nlacks " << part;
    }
  }
}

const std::string kAudio = " <AUDCAP>rain<ENDAUDCAP>";

TEST(PromptLinter, SaysNothingAboutGoodPrompts) {
  expect_warnings("She says, <S>We are live.<E> <AUDCAP>Rain.<ENDAUDCAP>", {});
  expect_warnings("<S>One<E> then <S>two<E>. Audio: rain", {});
  expect_warnings("1 < 2 > 0, I <3 you, a <- b, <>, </>, < S >, Audio: rain", {});
  expect_warnings("ends in < Audio:", {});
  expect_warnings("ends in <tag Audio:", {});
}

TEST(PromptLinter, MissesAnAudioDescriptionOnlyWhenThereIsNone) {
  expect_warnings("", {{kNoAudio, -1, {"<AUDCAP>", "<ENDAUDCAP>", "Audio:"}}});
  expect_warnings("A cat.", {{kNoAudio, -1, {}}});
  expect_warnings("A cat. audio: purr", {{kNoAudio, 7, {"audio:", "write Audio:"}}});
  expect_warnings("<S>Hi.<E> AUDIO: rain", {{kNoAudio, 10, {"AUDIO:"}}});
}

TEST(PromptLinter, NamesWrongTagsAndWhatToWrite) {
  expect_warnings("<S>Hi</S>" + kAudio, {{kTags, 5, {"</S>", "write <E>"}}});
  expect_warnings("<S>Hi</E>" + kAudio, {{kTags, 5, {"</E>", "write <E>"}}});
  expect_warnings("<s>Hi<e>" + kAudio, {{kTags, 0, {"<s>", "write <S>"}}, {kTags, 5, {"<e>"}}});
  expect_warnings("<speech>Hi<E>" + kAudio, {{kTags, 0, {"<speech>", "<S>"}}});
  expect_warnings("é<audcap>rain</AUDCAP>", {{kTags, 2, {"<audcap>", "<AUDCAP>"}},
                                             {kTags, 14, {"</AUDCAP>", "<ENDAUDCAP>"}}});
  expect_warnings("<music>" + kAudio, {{kTags, 0, {"<music>", "no tag"}}});
  expect_warnings("<S >Hi<E>" + kAudio, {{kTags, 0, {"<S >", "write <S>"}}});
}

TEST(PromptLinter, FollowsPairsOfTags) {
  expect_warnings("Hi<E>" + kAudio, {{kTags, 2, {"<E>", "no <S>"}}});
  expect_warnings("<S>Hi" + kAudio, {{kTags, 0, {"<S>", "<E>"}}});
  expect_warnings("<S>Hi <S>you<E>" + kAudio, {{kTags, 6, {"inside another <S>"}}});
  expect_warnings("<S>a<E>b<E>" + kAudio, {{kTags, 8, {"no <S>"}}});
  expect_warnings("x <AUDCAP>rain", {{kTags, 2, {"<AUDCAP>", "<ENDAUDCAP>"}}});
  expect_warnings("rain<ENDAUDCAP>", {{kTags, 4, {"<ENDAUDCAP>", "no <AUDCAP>"}}});
}

TEST(PromptLinter, FindsEmptyTags) {
  expect_warnings("<S><E>" + kAudio, {{kTags, 0, {"<S><E>", "empty"}}});
  expect_warnings("<S> \n<E>" + kAudio, {{kTags, 0, {"empty"}}});
  expect_warnings("x <AUDCAP> <ENDAUDCAP>", {{kTags, 2, {"<AUDCAP><ENDAUDCAP>", "empty"}}});
}

TEST(PromptLinter, OrdersByPosition) {
  expect_warnings("<S>a <bad> b",
                  {{kTags, 0, {"not closed"}}, {kTags, 5, {"<bad>"}}, {kNoAudio, -1, {}}});
}

TEST(PromptLinter, KeepsUpWithLongAndOddInput) {
  std::string prompt;
  for (int i = 0; i < 20000; ++i) prompt += "<<S><";
  EXPECT_EQ(lint_prompt(prompt).size(), 20000u + 1u);  // 19999 nested, one open, no audio
  lint_prompt(std::string("\xFF<\xC3>\0<S", 8));
}

}  // namespace
}  // namespace ovi::text
