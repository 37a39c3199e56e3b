// Time in proportion to the length, whatever the text is made of.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>
#include <utility>
#include <vector>

#include "../../sanitizers.h"
#include "runtime/cancel.h"
#include "runtime/error.h"
#include "test_data.h"
#include "text/charsmap.h"
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
    {"a sentence in a character", "", "\uFDFA", ""},
    {"a word in a character", "", "\u3316", ""},
    {"fractions", "", "\u00BD", ""},
    {"notes that decompose", "", "\U0001D1C0", ""},
    {"references to a sentence", "", "&#xFDFA;", ""},
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

// 1 MB takes up to 0.2 s where a core is free; a busy machine may take ten times as long, and a
// sanitizer thirty. What grows with the square takes 16 times as long for four times the text.
#if defined(OVI_ADDRESS_SANITIZER) || defined(OVI_THREAD_SANITIZER)
constexpr double kMostSeconds = 6;
#else
constexpr double kMostSeconds = 2;
#endif

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
    EXPECT_LT(whole, kMostSeconds) << kind.name;
    EXPECT_LT(whole, 10 * quarter + 0.1) << kind.name << ": " << quarter << " s for a quarter";
    RecordProperty(kind.name, std::to_string(whole));
  }
}

// Long texts are mapped in portions: that is not to be seen in what comes out.
TEST(LongText, HasTheTokensOfItsParts) {
  const Tokenizer tokenizer(tokenizer_folder() / "spiece.model");
  for (const std::string part : {"A street", "犬が 走る", "Ａ\u2003１", "ﬃ \u00A0 x\u3000y",
                                 "\uFDFA", "\u3316☃", "e\u0301  \u2009 f"}) {
    const Tokens one = tokenizer.encode(part);
    ASSERT_LT(one.length, 100);
    const std::vector<int64_t> ids(one.ids.begin(), one.ids.begin() + one.length - 1);
    const auto count = static_cast<int64_t>(ids.size()), parts = kMostCounted / count;
    std::string text = part;
    std::vector<int64_t> expected = ids;
    for (int64_t i = 1; i < parts; ++i) {
      text += " " + part;
      expected.insert(expected.end(), ids.begin(), ids.end());
    }
    const Tokens all = tokenizer.encode(text + "  \u2003 ", kMostCounted + 2);
    ASSERT_EQ(all.uncut_length, parts * count + 1) << part;
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), all.ids.begin())) << part;
    EXPECT_EQ(all.cut_at, -1);
    for (const int64_t kept : {int64_t{1}, parts / 2, parts - 1}) {
      const Tokens cut = tokenizer.encode(text, kept * count + 1);
      EXPECT_EQ(cut.cut_at, kept * static_cast<int64_t>(part.size() + 1) - 1) << part;
    }
  }
}

// However few characters a text has, what they stand for is bounded.
TEST(LongText, DoesNotGrowByAModelsRules) {
  const auto rules = [](size_t bytes) {
    return std::string("\4\0\0\0\0\0\0\0", 8) + "b" + '\0' + std::string(bytes, 'a') + '\0';
  };
  EXPECT_NO_THROW(CharsMap(rules(64)));
  EXPECT_THROW(CharsMap(rules(65)), Error);
}

TEST(LongText, IsCountedToALimit) {
  const Tokenizer tokenizer(tokenizer_folder() / "spiece.model");
  const auto length = [&](const std::string& text) { return tokenizer.encode(text).uncut_length; };
  EXPECT_EQ(length(repeated("</s>", 4 * 8191)), 8192);
  EXPECT_EQ(length(repeated("</s>", 4 * 8192)), kMostCounted + 1);
  EXPECT_EQ(length(repeated("</s>", 4 * 9000)), kMostCounted + 1);
  EXPECT_EQ(length(repeated("犬 ", 200'000)), kMostCounted + 1);
  EXPECT_EQ(tokenizer.encode(repeated("犬 ", 200'000), 40'000).length, 40'000);
}

// What another thread wants is done long before the text is through.
TEST(LongText, CanBeCancelled) {
  const std::string text = repeated("Ã©\n&amp;amp;amp;amp;amp;\uFFFD\u0301", 4'000'000);
  const auto seconds = [](auto start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  auto start = std::chrono::steady_clock::now();
  clean_text(text);
  const double whole = seconds(start);
  Cancel cancel;
  std::thread other([&] { cancel.trigger(); });
  start = std::chrono::steady_clock::now();
  try {
    clean_text(text, &cancel);
    ADD_FAILURE() << "not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::kCancelled));
  }
  EXPECT_LT(seconds(start), whole / 2);
  other.join();
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
