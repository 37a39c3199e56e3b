// The reader of JSON: what it refuses, what it says then, and that neither takes long.
// SPDX-License-Identifier: Apache-2.0
#include "weights/json_file.h"

#include <nlohmann/json.hpp>

#include "test_files.h"

namespace ovi {
namespace {

using test::expect_error;
using test::TempFolder;

std::string nested(const std::string& open, const std::string& close, size_t depth) {
  std::string text;
  for (size_t i = 0; i < depth; ++i) text.append(open);
  text += "0";
  for (size_t i = 0; i < depth; ++i) text += close;
  return text;
}

std::string problem_of(const std::string& text, const JsonLimits& limits = {}) {
  try {
    parse_json(text, limits);
  } catch (const JsonProblem& problem) {
    return problem.what();
  }
  return "";
}

TEST(JsonText, ReadsWhatKeepsToTheLimits) {
  EXPECT_EQ(parse_json(R"({"a":[1,{"a":2.5}],"b":"ä"})")["a"][1]["a"], 2.5);
  const JsonLimits limits{3, 100, 6};
  EXPECT_EQ(problem_of(nested("[", "]", 3), limits), "");
  EXPECT_EQ(problem_of(nested("{\"a\":", "}", 3), {3, 100, 7}), "");
  EXPECT_EQ(problem_of("[1,2,3,4,5]", limits), "");
  EXPECT_EQ(problem_of(std::string(1, '"').append(98, 'x').append(1, '"'), limits), "");
  // One name in two objects, in sequence and within each other.
  EXPECT_EQ(problem_of(R"([{"a":{"a":1}},{"a":1}])"), "");
}

TEST(JsonText, EachLimitIsNamed) {
  const JsonLimits limits{3, 100, 6};
  EXPECT_NE(problem_of(nested("[", "]", 4), limits).find("too deeply"), std::string::npos);
  EXPECT_NE(problem_of(nested("{\"a\":", "}", 4), {3, 100, 50}).find("too deeply"),
            std::string::npos);
  EXPECT_NE(problem_of("[1,2,3,4,5,6]", limits).find("more than 6 values"), std::string::npos);
  EXPECT_NE(problem_of(std::string(101, ' '), limits).find("101 bytes"), std::string::npos);
}

// What once ended the process: values so deep that whatever recurses over them overflows the
// stack. Whole and unclosed, of lists, of objects, and below a field that is known.
TEST(JsonText, DepthOfAMillionIsRefused) {
  constexpr size_t kDeep = 1'000'000;
  const JsonLimits roomy{8, size_t{1} << 30, size_t{1} << 30};
  for (const std::string& text :
       {nested("[", "]", kDeep), std::string(kDeep, '['), nested("{\"a\":", "}", kDeep),
        "{\"variant\":" + nested("[", "]", kDeep) + "}", nested("[1,[],", "]", kDeep)}) {
    EXPECT_NE(problem_of(text, roomy).find("too deeply"), std::string::npos);
  }
}

TEST(JsonText, NamesAreThereOnceAndShort) {
  EXPECT_EQ(problem_of(R"({"a":1,"b":2,"a":3})"), "has 'a' twice");
  EXPECT_EQ(problem_of(R"({"a":1,"\u0061":3})"), "has 'a' twice");
  EXPECT_EQ(problem_of(R"([0,{"x":{"a":1},"y":{"a":{},"a":[]}}])"), "has 'a' twice");
  EXPECT_EQ(problem_of("{\"" + std::string(1024, 'n') + "\":1}"), "");
  EXPECT_EQ(problem_of("{\"" + std::string(1025, 'n') + "\":1}"),
            "has a name longer than 1024 bytes");
}

TEST(JsonText, ErrorsSayWhereAndStayShort) {
  EXPECT_EQ(problem_of("{\"a\":}"), "is not JSON (at byte 6)");
  EXPECT_EQ(problem_of("1e400"), "is not JSON (at byte 5)");
  for (const std::string text : {"", "{", "[1,]", "\xff\xfe{}", "nan", "{}{}", "\"\xc3\""}) {
    EXPECT_NE(problem_of(text).find("not JSON"), std::string::npos) << text;
  }
  try {
    parse_json(std::string(1, '"').append(100'000, 'x'));
    FAIL();
  } catch (const JsonProblem& problem) {
    EXPECT_LE(std::string(problem.what()).size() + problem.detail().size(), 400u);
  }
  EXPECT_LE(brief(std::string(100'000, 'x')).size(), 80u);
  EXPECT_EQ(brief("\x1b[2Jä"), "\"\\u001b[2J\\u00e4\"");
}

TEST(JsonFile, ErrorsNameTheFileAndTheWayOut) {
  const TempFolder folder;
  expect_error(
      ErrorKind::kFormat, [&] { read_json(folder.write("deep.json", nested("[", "]", 100'000))); },
      "deep.json", "too deeply");
  expect_error(
      ErrorKind::kFormat,
      [&] { read_json(folder.write("twice.json", R"({"a":1,"a":2})"), "Remove it."); },
      "twice.json", "'a' twice", "Remove it.");
  // Its size alone: nothing of it is read.
  const std::string huge = folder.write("huge.json", "{");
  std::filesystem::resize_file(huge, uintmax_t{1} << 40);
  expect_error(
      ErrorKind::kFormat, [&] { read_json(huge); }, "huge.json", "too large");
  expect_error(
      ErrorKind::kNotFound, [&] { read_json(folder.path("none.json")); }, "none.json");
}

}  // namespace
}  // namespace ovi
