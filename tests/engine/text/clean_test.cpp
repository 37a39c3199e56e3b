// SPDX-License-Identifier: Apache-2.0
#include "text/clean.h"

#include <gtest/gtest.h>

#include "runtime/error.h"
#include "test_data.h"

namespace ovi::text {
namespace {

TEST(Clean, GivesWhatTheReferenceGives) {
  const auto test = read_case("text-encode");
  const auto& texts = test.at("args").at("texts");
  ASSERT_EQ(texts.size(), test.at("expected_clean").size());
  ASSERT_FALSE(texts.empty());
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(clean_text(texts[i].get<std::string>()),
              test.at("expected_clean")[i].get<std::string>())
        << i;
  }
}

TEST(Clean, GivesWhatPythonGives) {
  const auto golden = read_golden();
  ASSERT_GT(golden.size(), 300u);
  for (const auto& entry : golden) {
    EXPECT_EQ(clean_text(entry.at("text").get<std::string>()), entry.at("clean").get<std::string>())
        << entry.at("text").dump(-1, ' ', true);
  }
}

TEST(Clean, RepairsTextLineByLine) {
  // As one text the first line could not be read again: its encoding lacks the second's letters.
  EXPECT_EQ(clean_text("schÃ¶n\nпривет"), "schön привет");
  EXPECT_EQ(clean_text("a &eacute;\n<b> &Eacute;"), "a é <b> É");
}

TEST(Clean, LeavesGoodTextAlone) {
  for (const std::string text : {"Größe, naïve, façade, Ærøskøbing, İstanbul", "Привет, мир",
                                 "Ωραία θάλασσα", "犬が走る", "اللغة العربية", "10 € and 5 £",
                                 "R²≈0.9 ± 0.1", "👩‍👩‍👧 🇩🇪", "(╯°□°)╯"}) {
    EXPECT_EQ(clean_text(text), text);
  }
}

TEST(Clean, IsBoundedOnLongText) {
  // More characters than ftfy repairs at once: the cut falls into the sequence that follows them.
  const std::string filler(999'999, 'x');
  EXPECT_EQ(clean_text(filler + "Ã©"), filler + "Ã©");
  EXPECT_EQ(clean_text(filler.substr(1) + "Ã©"), filler.substr(1) + "é");
}

TEST(Clean, RefusesWhatIsNotUtf8) {
  struct Bad {
    std::string text;
    std::string byte;
  };
  for (const Bad& bad : {Bad{"\xFF", "byte 0"}, Bad{"ab\xC3", "byte 2"}, Bad{"é\xC0\x80", "byte 2"},
                         Bad{"x\xED\xA0\x80", "byte 1"}, Bad{"\xF4\x90\x80\x80", "byte 0"},
                         Bad{"abc\xE2\x82(", "byte 3"}, Bad{"\xE0\x80\x80", "byte 0"}}) {
    try {
      clean_text(bad.text);
      ADD_FAILURE() << "accepted " << testing::PrintToString(bad.text);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kSettings);
      EXPECT_NE(std::string(error.what()).find(bad.byte + ":"), std::string::npos) << error.what();
    }
  }
}

TEST(Clean, TakesNulBytes) {
  EXPECT_EQ(clean_text(std::string_view("a\0b", 3)), "ab");
  EXPECT_EQ(clean_text("a&#0;b"), "a\uFFFDb");
}

}  // namespace
}  // namespace ovi::text
