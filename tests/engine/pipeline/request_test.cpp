// SPDX-License-Identifier: Apache-2.0
#include "pipeline/request.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "../tiny_model.h"
#include "pipeline/frame_size.h"
#include "pipeline/prompt_check.h"
#include "runtime/error.h"
#include "text/unicode.h"

namespace ovi {
namespace {

struct Mistake {
  const char* name;  // must be in the message
  void (*make)(Request&);
};

class BadRequestTest : public testing::TestWithParam<Mistake> {};

TEST_P(BadRequestTest, IsRefusedByName) {
  Request request = test::small_request();
  EXPECT_NO_THROW(check_request(request));
  GetParam().make(request);
  try {
    check_request(request);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kSettings);
    EXPECT_NE(std::string(error.what()).find(GetParam().name), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRequestTest,
    testing::Values(Mistake{"prompt", [](Request& r) { r.prompt = ""; }},
                    Mistake{"prompt", [](Request& r) { r.prompt = " \t\n "; }},
                    Mistake{"The prompt has 262145 bytes; it must have at most 262144",
                            [](Request& r) { r.prompt = std::string(262'145, 'a'); }},
                    Mistake{"The video-negative-prompt has",
                            [](Request& r) { r.video_negative_prompt.assign(262'145, '\xff'); }},
                    Mistake{"The audio-negative-prompt has",
                            [](Request& r) { r.audio_negative_prompt.assign(1 << 24, 'a'); }},
                    Mistake{"The prompt is not valid UTF-8 at byte 3",
                            [](Request& r) { r.prompt = "caf\xe9"; }},
                    Mistake{"The video-negative-prompt is not valid UTF-8 at byte 0",
                            [](Request& r) { r.video_negative_prompt = "\xff"; }},
                    Mistake{"The audio-negative-prompt is not valid UTF-8 at byte 1",
                            [](Request& r) { r.audio_negative_prompt = "a\xc3"; }},
                    Mistake{"steps", [](Request& r) { r.steps = 0; }},
                    Mistake{"steps", [](Request& r) { r.steps = 1001; }},
                    Mistake{"shift", [](Request& r) { r.shift = 0; }},
                    Mistake{"shift", [](Request& r) { r.shift = NAN; }},
                    Mistake{"video-guidance", [](Request& r) { r.video_guidance_scale = -1; }},
                    Mistake{"audio-guidance", [](Request& r) { r.audio_guidance_scale = 101; }},
                    Mistake{"slg-layer", [](Request& r) { r.slg_layer = -1; }},
                    Mistake{"seed", [](Request& r) { r.seed = -2; }},
                    Mistake{"height", [](Request& r) { r.width = 512; }},
                    Mistake{"width", [](Request& r) { r.height = 512; }},
                    Mistake{"height", [](Request& r) { r.height = 31, r.width = 512; }},
                    Mistake{"width", [](Request& r) { r.height = 512, r.width = 70000; }},
                    Mistake{"picture", [](Request& r) { r.image_width = 70000; }}));

TEST(FrameSize, NeverFailsForExtremeShapes) {
  for (const int64_t height : {1, 7, 720, 30000}) {
    for (const int64_t width : {1, 13, 1280, 65536}) {
      for (const int64_t area : {32 * 32, 720 * 720, 960 * 960}) {
        for (const FrameSize size : {frame_size_from_image(height, width, area),
                                     frame_size_from_request(height, width, area)}) {
          EXPECT_GE(size.height, 32);
          EXPECT_GE(size.width, 32);
          EXPECT_EQ(size.height % 32, 0);
          EXPECT_EQ(size.width % 32, 0);
        }
      }
    }
  }
}

std::vector<Warning> warnings_of(const std::string& prompt, int64_t height = 0, int64_t width = 0,
                                 Variant variant = Variant::k720x720_5s) {
  static const text::Tokenizer tokenizer(
      find_model(test::tiny_path(), Variant::kAuto).spiece_model);
  Request request;
  request.prompt = prompt;
  request.height = height;
  request.width = width;
  return check_prompt(request, published_spec(variant), tokenizer);
}

TEST(PromptCheck, FindsWhatAUserMayMend) {
  EXPECT_TRUE(warnings_of("She says, <S>Hi.<E> <AUDCAP>rain<ENDAUDCAP>").empty());
  const auto tag = warnings_of("She says, <S>Hi.</S> <AUDCAP>rain<ENDAUDCAP>");
  ASSERT_FALSE(tag.empty());
  EXPECT_EQ(tag[0].code, WarningCode::kTags);
  EXPECT_GE(tag[0].position, 10);
  const auto silent = warnings_of("She says, <S>Hi.<E>");
  ASSERT_EQ(silent.size(), 1u);
  EXPECT_EQ(silent[0].code, WarningCode::kNoAudio);
  const auto speechless = warnings_of("A street. <AUDCAP>rain<ENDAUDCAP>");
  ASSERT_EQ(speechless.size(), 1u);
  EXPECT_EQ(speechless[0].code, WarningCode::kNoSpeech);

  std::string long_prompt = "<S>Hi.<E> <AUDCAP>rain<ENDAUDCAP>";
  for (int i = 0; i < 400; ++i) long_prompt += " street light";
  const auto cut = warnings_of(long_prompt);
  ASSERT_EQ(cut.size(), 1u);
  EXPECT_EQ(cut[0].code, WarningCode::kTruncated);
  EXPECT_NE(cut[0].message.find("512"), std::string::npos);

  const auto size = warnings_of("<S>Hi.<E> <AUDCAP>rain<ENDAUDCAP>", 1080, 1920);
  ASSERT_EQ(size.size(), 1u);
  EXPECT_EQ(size[0].code, WarningCode::kSettings);
  EXPECT_TRUE(warnings_of("<S>Hi.<E> <AUDCAP>rain<ENDAUDCAP>", 720, 720).empty());
}

TEST(PromptCheck, NamesTheStyleOfAnotherVariant) {
  const auto of = [](Variant variant, const std::string& prompt) {
    return warnings_of(prompt, 0, 0, variant);
  };
  const auto colon = of(Variant::k720x720_5s, "<S>Hi.<E> Audio: rain");
  ASSERT_EQ(colon.size(), 1u);
  EXPECT_EQ(colon[0].code, WarningCode::kStyle);
  EXPECT_EQ(colon[0].position, 10);
  const auto tags = of(Variant::k960x960_10s, "<S>Hi.<E> <AUDCAP>rain<ENDAUDCAP>");
  ASSERT_EQ(tags.size(), 1u);
  EXPECT_EQ(tags[0].code, WarningCode::kStyle);
  EXPECT_EQ(tags[0].position, 10);
  EXPECT_TRUE(of(Variant::k960x960_5s, "<S>Hi.<E> Audio: rain").empty());
}

TEST(PromptCheckTest, NamesTwentyThingsAndCountsTheRest) {
  std::string prompt = "<S>Hi.<E> <AUDCAP>rain<ENDAUDCAP>";
  for (int i = 0; i < 20; ++i) prompt += " <x>";
  const auto twenty = warnings_of(prompt);
  EXPECT_EQ(twenty.size(), 20u);
  EXPECT_EQ(twenty.back().message.find("more."), std::string::npos) << twenty.back().message;
  prompt += " <x>";
  const auto counted = warnings_of(prompt);
  ASSERT_EQ(counted.size(), 20u);
  EXPECT_NE(counted.back().message.find("and 2 more."), std::string::npos)
      << counted.back().message;
  for (int i = 0; i < 380; ++i) prompt += " <x>";
  const auto many = warnings_of(prompt);
  ASSERT_EQ(many.size(), 20u);
  // 401 tags, and the prompt is cut.
  EXPECT_NE(many.back().message.find("and 383 more."), std::string::npos) << many.back().message;
  EXPECT_EQ(many.back().position, -1);
  EXPECT_EQ(std::count_if(many.begin(), many.end(),
                          [](const Warning& w) { return w.code == WarningCode::kTruncated; }),
            1);
}

TEST(PromptCheckTest, NamesTwentyThingsWithoutAModelToo) {
  std::string prompt;
  for (int i = 0; i < 400; ++i) prompt += " <x>";
  const auto warnings = check_text(prompt);
  ASSERT_EQ(warnings.size(), 20u);
  // Nobody speaks and nothing sounds.
  EXPECT_NE(warnings.back().message.find("and 383 more."), std::string::npos);
}

TEST(PromptCheckTest, CutsTheEndOfWhatIsSeenBetweenCharacters) {
  for (int shift = 0; shift < 4; ++shift) {
    std::string prompt = "<S>Hi.<E> <AUDCAP>" + std::string(static_cast<size_t>(shift), 'a');
    for (int i = 0; i < 3000; ++i) prompt += i % 2 ? "\u72ac" : "\u304c \u00e9";
    for (const Warning& warning : warnings_of(prompt + "<ENDAUDCAP>")) {
      EXPECT_NO_THROW(text::decode_utf8(warning.message)) << shift;
    }
  }
}

}  // namespace
}  // namespace ovi
