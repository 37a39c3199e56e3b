// SPDX-License-Identifier: Apache-2.0
#include "text/prompt_format.h"

#include <gtest/gtest.h>

#include "test_data.h"

namespace ovi::text {
namespace {

TEST(PromptFormat, GivesWhatTheReferenceGives) {
  const auto test = read_case("prompt-tags");
  const auto& prompts = test.at("args").at("prompts");
  ASSERT_EQ(prompts.size(), test.at("expected_text").size());
  ASSERT_FALSE(prompts.empty());
  for (size_t i = 0; i < prompts.size(); ++i) {
    const bool audcap = prompts[i].at("variant") == "720x720_5s";
    EXPECT_EQ(format_prompt(prompts[i].at("text").get<std::string>(),
                            audcap ? AudioTag::kAudcap : AudioTag::kAudioColon),
              test.at("expected_text")[i].get<std::string>())
        << i;
  }
}

TEST(PromptFormat, TakesAllThatFollowsTheFirstColon) {
  EXPECT_EQ(format_prompt("x Audio: a\nAudio: b\n", AudioTag::kAudcap),
            "x <AUDCAP>a\nAudio: b\n<ENDAUDCAP>");
  EXPECT_EQ(format_prompt("Audio:", AudioTag::kAudcap), "<AUDCAP><ENDAUDCAP>");
  EXPECT_EQ(format_prompt("Audio: \n", AudioTag::kAudcap), "<AUDCAP><ENDAUDCAP>");
  EXPECT_EQ(format_prompt("audio: a", AudioTag::kAudcap), "audio: a");
}

TEST(PromptFormat, SkipsUnicodeWhiteSpaceAfterTheColon) {
  EXPECT_EQ(format_prompt("Audio:\u00A0\u2003\u3000\x1C\u0085 rain", AudioTag::kAudcap),
            "<AUDCAP>rain<ENDAUDCAP>");
  EXPECT_EQ(format_prompt("Audio:\u200B rain", AudioTag::kAudcap),
            "<AUDCAP>\u200B rain<ENDAUDCAP>");
}

TEST(PromptFormat, ReplacesEachClosedPair) {
  EXPECT_EQ(format_prompt("<AUDCAP>a<ENDAUDCAP>b<AUDCAP>c<ENDAUDCAP>", AudioTag::kAudioColon),
            "Audio: abAudio: c");
  EXPECT_EQ(format_prompt("<AUDCAP>a<AUDCAP>b<ENDAUDCAP>", AudioTag::kAudioColon),
            "Audio: a<AUDCAP>b");
  EXPECT_EQ(format_prompt("<ENDAUDCAP> <AUDCAP>open", AudioTag::kAudioColon),
            "<ENDAUDCAP> <AUDCAP>open");
  EXPECT_EQ(format_prompt("", AudioTag::kAudioColon), "");
}

}  // namespace
}  // namespace ovi::text
