// Time in proportion to the length, whatever the text is made of.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>
#include <vector>

#include "test_data.h"
#include "text/clean.h"
#include "text/prompt_format.h"
#include "text/prompt_linter.h"
#include "text/tokenizer.h"

namespace ovi::text {
namespace {

std::string repeated(const std::string& unit, size_t bytes) {
  std::string text;
  while (text.size() + unit.size() <= bytes) text += unit;
  return text;
}

struct Kind {
  const char* name;
  std::string first, unit, last;
};

const Kind kKinds[] = {
    {"nested references", "&", "amp;", ""},
    {"nested references after a letter", "é&", "amp;", "eacute;"},
    {"nested references in misread text", "Ã\u201aŒ &", "amp;", ""},
    {"ampersands", "", "&", ""},
    {"numbers of references", "", "&#1", ""},
    {"names of references", "", "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ""},
    {"marks to be ordered", "e", "\u0301\u0316", ""},
    {"marks in order", "a", "\u0301", ""},
    {"misread", "", "Ã©", ""},
    {"misread twice", "", "ÃƒÂ©", ""},
    {"misread beside others", "", "犬Ã©", ""},
    {"misread to the end but one", "", "Ã©", "犬"},
    {"half of misread", "", "â€™Ã", ""},
    {"lost spaces", "", "Ã ", ""},
    {"C1 controls", "", "\u0081\u0085", ""},
    {"C1 controls beside others", "", "\u0081犬", ""},
    {"replacement characters", "", "\uFFFDÃ", ""},
    {"escapes", "", "\x1b[", ""},
    {"one escape", "\x1b[", "1", ""},
    {"line feeds", "", "\n", ""},
    {"short lines", "", "Ã©\n", ""},
    {"short lines of quotes", "", "’\n", ""},
    {"returns", "", "\r", ""},
    {"ligatures", "", "ﬃ", ""},
    {"wide letters", "", "Ａ", ""},
    {"Hangul", "", "\u1112\u1161\u11ab", ""},
    {"ideographs", "", "犬が", ""},
    {"pictographs", "", "😀", ""},
    {"speech", "", "<S>", ""},
    {"sound", "", "<AUDCAP>", ""},
    {"brackets", "", "<", ""},
    {"one tag", "<", "a", ""},
    {"a word", "", "a", ""},
    {"words", "", "a ", ""},
    {"spaces", "", " ", ""},
    {"scripts", "", "aаα犬", ""},
    {"end tokens", "", "</s>", ""},
    {"unknown characters", "", "☃", ""},
    {"meta spaces", "", "\u2581", ""},
    {"zero bytes", "", std::string(1, '\0'), ""},
};

// Seconds of the processor, which other programs on the machine lengthen little.
double seconds_for(const std::string& text, const Tokenizer& tokenizer) {
  double best = 1e9;
  for (int i = 0; i < 2; ++i) {
    const std::clock_t start = std::clock();
    lint_prompt(text);
    format_prompt(text, AudioTag::kAudcap);
    format_prompt(text, AudioTag::kAudioColon);
    tokenizer.encode(clean_text(text));
    best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

// 1 MB takes up to 0.3 s where a core is free; a sanitizer or a busy machine may take ten times as
// long. What grows with the square takes 16 times as long for four times the text.
TEST(LongText, TakesTimeInProportion) {
  const Tokenizer tokenizer(tokenizer_folder() / "spiece.model");
  constexpr size_t kBytes = 1'000'000;
  clean_text("Ã© &amp;");  // fills the tables
  for (const Kind& kind : kKinds) {
    const auto text = [&](size_t bytes) {
      return kind.first + repeated(kind.unit, bytes) + kind.last;
    };
    const double quarter = seconds_for(text(kBytes / 4), tokenizer);
    const double whole = seconds_for(text(kBytes), tokenizer);
    EXPECT_LT(whole, 3.0) << kind.name;
    EXPECT_LT(whole, 10 * quarter + 0.1) << kind.name << ": " << quarter << " s for a quarter";
    RecordProperty(kind.name, std::to_string(whole));
  }
}

TEST(LongText, OpensAllLevelsOfReferences) {
  for (const size_t levels : {1, 2, 3, 4, 5, 6, 7, 50, 10'000}) {
    std::string nested = "&";
    for (size_t i = 0; i < levels; ++i) nested += "amp;";
    EXPECT_EQ(clean_text(nested), "&") << levels;
    EXPECT_EQ(clean_text(nested + "eacute; " + nested + "#x2019;"), "é '") << levels;
    EXPECT_EQ(clean_text("犬" + nested + "#38;#101;\u0301"), "犬é") << levels;
  }
}

TEST(LongText, OrdersLongRunsOfMarks) {
  std::string mixed = "q", ordered = "q";
  for (int i = 0; i < 50'000; ++i) mixed += "\u0301\u0316";
  ordered += repeated("\u0316", 100'000) + repeated("\u0301", 100'000);
  EXPECT_EQ(clean_text(mixed), ordered);
}

TEST(LongText, NamesNoMoreOfATagThanALine) {
  const auto warnings = lint_prompt("<" + std::string(100'000, 'x') + "> Audio: rain");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_LT(warnings[0].message.size(), 300u);
  EXPECT_EQ(warnings[0].message.rfind("<xxxx", 0), 0u);
}

}  // namespace
}  // namespace ovi::text
