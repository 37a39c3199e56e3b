// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <iterator>

#include "runtime/error.h"
#include "test_data.h"
#include "text/tokenizer_json.h"

namespace ovi::text {
namespace {

namespace fs = std::filesystem;

std::string read_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// `text` with `from`, which must be in it, as `to` everywhere.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  size_t at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("there is no " + from);
  for (; at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// A sentencepiece model without bytes: the same pieces, of which the 256 are ordinary ones. The
// library asks for all or none.
std::string without_byte_types(const std::string& model) {
  using namespace std::string_literals;
  // Of a piece: the end of its text, its score (field 2) 0, its type (field 3) BYTE or NORMAL.
  const std::string ordinary = replaced(model, ">\x15\0\0\0\0\x18\x06"s, ">\x15\0\0\0\0\x18\x01"s);
  return ordinary + "\x12\x03\x98\x02\0"s;  // trainer_spec (2): byte_fallback (35) false
}

// The values of an I64 tensor of a safetensors file.
std::vector<int64_t> read_integers(const fs::path& path, const std::string& name) {
  const std::string file = read_bytes(path);
  uint64_t header = 0;
  std::memcpy(&header, file.data(), sizeof header);
  const auto entry = nlohmann::json::parse(file.substr(8, header)).at(name);
  if (entry.at("dtype") != "I64") throw std::runtime_error(name + " is not I64");
  const size_t begin = entry.at("data_offsets")[0], end = entry.at("data_offsets")[1];
  std::vector<int64_t> values((end - begin) / sizeof(int64_t));
  std::memcpy(values.data(), file.data() + 8 + header + begin, end - begin);
  return values;
}

std::vector<int64_t> used(const Tokens& tokens) {
  return {tokens.ids.begin(), tokens.ids.begin() + tokens.length};
}

class TokenizerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("ovi-text-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path model() const { return tokenizer_folder() / "spiece.model"; }
  fs::path copy_of_model() const {
    fs::copy_file(model(), folder_ / "spiece.model", fs::copy_options::overwrite_existing);
    return folder_ / "spiece.model";
  }
  void expect_error(const fs::path& path, ErrorKind kind, const std::string& named) const {
    try {
      Tokenizer tokenizer(path);
      ADD_FAILURE() << "opened " << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
    }
  }

  fs::path folder_;
};

TEST_F(TokenizerTest, GivesTheReferencesIds) {
  const auto texts = read_case("text-encode").at("expected_clean");
  const auto expected = parity_folder() / "cases" / "text-encode" / "expected.safetensors";
  const auto ids = read_integers(expected, "ids");
  const auto lengths = read_integers(expected, "lengths");
  ASSERT_EQ(lengths.size(), texts.size());
  ASSERT_EQ(ids.size(), texts.size() * kMaxTextTokens);
  const Tokenizer tokenizer(model());
  for (size_t i = 0; i < texts.size(); ++i) {
    const Tokens tokens = tokenizer.encode(texts[i].get<std::string>());
    const auto row = ids.begin() + static_cast<std::ptrdiff_t>(i * kMaxTextTokens);
    EXPECT_EQ(tokens.ids, std::vector<int64_t>(row, row + kMaxTextTokens)) << texts[i];
    EXPECT_EQ(tokens.length, lengths[i]) << texts[i];
  }
}

TEST_F(TokenizerTest, GivesWhatHuggingFaceGives) {
  const Tokenizer tokenizer(model());
  size_t raw = 0;
  for (const auto& entry : read_golden()) {
    EXPECT_EQ(used(tokenizer.encode(entry.at("clean").get<std::string>(), 2000)),
              entry.at("ids").get<std::vector<int64_t>>())
        << entry.at("clean").dump(-1, ' ', true);
    if (!entry.contains("raw_ids")) continue;
    ++raw;
    EXPECT_EQ(used(tokenizer.encode(entry.at("text").get<std::string>(), 2000)),
              entry.at("raw_ids").get<std::vector<int64_t>>())
        << entry.at("text").dump(-1, ' ', true);
  }
  EXPECT_GT(raw, 100u);
}

TEST_F(TokenizerTest, PadsAndCutsAndSaysWhere) {
  const Tokenizer tokenizer(model());
  const std::string text = "a, b </s>\u2603\u2603 犬";  // a , b </s> ▁ unk ▁ 犬
  const Tokens whole = tokenizer.encode(text);
  EXPECT_EQ(whole.ids.size(), 512u);
  EXPECT_EQ(whole.length, whole.uncut_length);
  EXPECT_EQ(whole.cut_at, -1);
  EXPECT_EQ(whole.ids[static_cast<size_t>(whole.length) - 1], 1);
  EXPECT_EQ(whole.ids[static_cast<size_t>(whole.length)], 0);
  ASSERT_EQ(whole.length, 9);

  // Bytes at which each token begins, worked out by hand; a prefix space begins where its word
  // does.
  const std::vector<int64_t> starts = {0, 1, 2, 5, 9, 9, 15, 16};
  for (int64_t room = 1; room <= whole.length; ++room) {
    const Tokens cut = tokenizer.encode(text, room);
    EXPECT_EQ(static_cast<int64_t>(cut.ids.size()), room);
    EXPECT_EQ(cut.length, room);
    EXPECT_EQ(cut.uncut_length, whole.length);
    EXPECT_EQ(cut.ids.back(), 1);
    EXPECT_TRUE(std::equal(cut.ids.begin(), cut.ids.end() - 1, whole.ids.begin()));
    EXPECT_EQ(cut.cut_at, room == whole.length ? -1 : starts[static_cast<size_t>(room) - 1]);
  }
  EXPECT_THROW(tokenizer.encode(text, 0), Error);
}

TEST_F(TokenizerTest, RefusesWhatIsNotUtf8) {
  EXPECT_THROW(Tokenizer(model()).encode("a\xFF"), Error);
}

TEST_F(TokenizerTest, NamesTheFileThatFails) {
  expect_error(folder_ / "spiece.model", ErrorKind::kNotFound, (folder_ / "spiece.model").string());
  expect_error(folder_, ErrorKind::kNotFound, folder_.string());
  const std::string whole = read_bytes(model());
  const fs::path broken = folder_ / "broken.model";
  for (const std::string& content :
       {std::string(), std::string("no model at all"), whole.substr(0, whole.size() / 2)}) {
    write_bytes(broken, content);
    expect_error(broken, ErrorKind::kFormat, broken.string());
  }
}

TEST_F(TokenizerTest, RefusesAModelOfAnotherKind) {
  // A second trainer_spec (field 2) with model_type (field 3) BPE (2) is merged into the first.
  const fs::path bpe = folder_ / "bpe.model";
  write_bytes(bpe, read_bytes(model()) + "\x12\x02\x18\x02");
  expect_error(bpe, ErrorKind::kFormat, "unigram");
}

TEST_F(TokenizerTest, KnowsSpecialTokensWithoutTheJson) {
  const Tokenizer tokenizer(copy_of_model());
  EXPECT_EQ(used(tokenizer.encode("</s><pad><unk>")), (std::vector<int64_t>{1, 0, 2, 1}));
}

TEST_F(TokenizerTest, HonoursTheFlagsOfSpecialTokens) {
  write_bytes(folder_ / "tokenizer.json",
              R"({"version": "1.0", "truncation": null, "added_tokens": [
    {"id": 500, "content": "<x>", "lstrip": true, "rstrip": true, "normalized": false},
    {"id": 501, "content": "<xy", "single_word": true, "normalized": false},
    {"id": 502, "content": "<xyz>", "normalized": false},
    {"id": 503, "content": "1/2", "normalized": true}
  ]})");
  const Tokenizer tokenizer(copy_of_model());
  const auto ids = [&](const std::string& text) { return used(tokenizer.encode(text)); };
  EXPECT_EQ(ids(" <x> \u00A0<x>"), (std::vector<int64_t>{500, 500, 1}));
  EXPECT_EQ(ids("<xyz>"), (std::vector<int64_t>{502, 1}));  // the longest
  EXPECT_EQ(ids("<xy"), (std::vector<int64_t>{501, 1}));
  EXPECT_NE(ids("<xya")[0], 501);
  EXPECT_NE(ids("é<xy")[1], 501);
  EXPECT_EQ(ids("1/2"), (std::vector<int64_t>{503, 1}));
  EXPECT_EQ(ids("１/２"), (std::vector<int64_t>{503, 1}));  // after normalisation
}

// Texts with unknown characters; data/README.md says where the ids come from.
TEST_F(TokenizerTest, GivesBytesWhereTheJsonAsksForThem) {
  const std::string plain = read_bytes(tokenizer_folder() / "tokenizer.json");
  const std::string bytes =
      replaced(plain, R"("byte_fallback": false)", R"("byte_fallback": true)");
  write_bytes(folder_ / "tokenizer.json", bytes);
  const Tokenizer all(copy_of_model());

  // A model without the piece of one byte: characters with it, and all that touch them, stay
  // unknown.
  const fs::path lacking = folder_ / "lacking";
  fs::create_directories(lacking);
  write_bytes(lacking / "tokenizer.json", bytes);
  write_bytes(lacking / "spiece.model",
              replaced(without_byte_types(read_bytes(model())), "<0xE2>", "<0xe2>"));
  const Tokenizer without_e2(lacking / "spiece.model");

  // No special tokens: those of the text go through the segmentation.
  const fs::path bare = folder_ / "bare";
  fs::create_directories(bare);
  write_bytes(bare / "tokenizer.json",
              R"({"model": {"byte_fallback": true, "vocab": [["{", 0]]}})");
  fs::copy_file(model(), bare / "spiece.model");
  const Tokenizer without_added(bare / "spiece.model");

  const auto entries = read_json(TEXT_TEST_DATA "/byte_fallback.json");
  size_t lack = 0, added = 0;
  for (const auto& entry : entries) {
    const auto text = entry.at("text").get<std::string>();
    const auto expect_ids = [&](const Tokenizer& tokenizer, const char* key) {
      const bool differs = entry.contains(key);
      EXPECT_EQ(used(tokenizer.encode(text)),
                entry.at(differs ? key : "ids").get<std::vector<int64_t>>())
          << key << ": " << text;
      return differs ? 1u : 0u;
    };
    expect_ids(all, "ids");
    lack += expect_ids(without_e2, "without_E2");
    added += expect_ids(without_added, "without_added");
  }
  EXPECT_GT(entries.size(), 50u);
  EXPECT_GT(lack, 20u);
  EXPECT_GT(added, 5u);
}

TEST_F(TokenizerTest, FollowsTheRulesOfTokenizerJson) {
  const auto published = read_json(tokenizer_folder() / "tokenizer.json");
  const Tokenizer usual(model());
  for (const auto& rules : read_json(TEXT_TEST_DATA "/text_rules.json")) {
    write_bytes(folder_ / "tokenizer.json",
                nlohmann::json{{"normalizer", rules.at("normalizer")},
                               {"pre_tokenizer", rules.at("pre_tokenizer")},
                               {"added_tokens", published.at("added_tokens")}}
                    .dump());
    const Tokenizer tokenizer(copy_of_model());
    for (const auto& [text, ids] : rules.at("ids").items()) {
      EXPECT_EQ(used(tokenizer.encode(text)), ids.get<std::vector<int64_t>>())
          << nlohmann::json(text).dump(-1, ' ', true) << " by " << rules.at("normalizer") << ", "
          << rules.at("pre_tokenizer");
    }
  }
  // Rules of other models are no reason to compute something else in silence.
  for (const char* unknown :
       {R"({"normalizer": {"type": "NFKC"}})",
        R"({"normalizer": {"type": "Replace", "pattern": {"Regex": "[a-z]"}, "content": ""}})",
        R"({"normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": "a"}})",
        R"({"pre_tokenizer": {"type": "ByteLevel"}})", R"({"pre_tokenizer": null})",
        R"({"pre_tokenizer": {"type": "Metaspace", "replacement": "_"}})"}) {
    write_bytes(folder_ / "tokenizer.json", unknown);
    expect_error(copy_of_model(), ErrorKind::kFormat, "which UMT5's tokeniser has not");
  }
  nlohmann::json growing = nlohmann::json::array();
  for (int i = 0; i < 8; ++i) {
    growing.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aaaa"}});
  }
  write_bytes(
      folder_ / "tokenizer.json",
      nlohmann::json{{"normalizer", {{"type", "Sequence"}, {"normalizers", growing}}}}.dump());
  expect_error(copy_of_model(), ErrorKind::kFormat, "makes texts much longer");
}

TEST_F(TokenizerTest, SaysWhichCharactersBytesWereCut) {
  write_bytes(folder_ / "tokenizer.json", R"({"model": {"byte_fallback": true}})");
  const Tokenizer tokenizer(copy_of_model());
  const std::string text = "\u2603\U0001F999";  // ▁, three bytes, four bytes
  const std::vector<int64_t> starts = {0, 0, 0, 0, 3, 3, 3, 3};
  ASSERT_EQ(tokenizer.encode(text).length, 9);
  for (size_t room = 1; room <= starts.size(); ++room) {
    EXPECT_EQ(tokenizer.encode(text, static_cast<int64_t>(room)).cut_at, starts[room - 1]) << room;
  }
}

TEST_F(TokenizerTest, ReadsTheJson) {
  const TokenizerJson settings =
      read_tokenizer_json((tokenizer_folder() / "tokenizer.json").string());
  ASSERT_EQ(settings.added_tokens.size(), 3u);
  EXPECT_EQ(settings.added_tokens[1].id, 1);
  EXPECT_EQ(settings.added_tokens[1].content, "</s>");
  EXPECT_FALSE(settings.added_tokens[1].normalized);
  EXPECT_FALSE(settings.byte_fallback);
}

// byte_fallback is the model's own, wherever it stands in it.
TEST_F(TokenizerTest, FindsByteFallback) {
  const fs::path json = folder_ / "tokenizer.json";
  const std::vector<std::pair<std::string, bool>> cases = {
      {R"({"model":{"type":"Unigram","vocab":[["a\"}]",-1.5],["\\",2]],"byte_fallback":true}})",
       true},
      {R"({"model": {"byte_fallback" : true , "vocab": []}, "added_tokens": [] })", true},
      {R"({"model": {"vocab": [], "byte_fallback": false}})", false},
      {R"({"model": {"vocab": [{"byte_fallback": true}], "x": "\"byte_fallback\": true"}})", false},
      {R"({"byte_fallback": true, "decoder": {"byte_fallback": true}, "model": {"vocab": []}})",
       false},
      {"{\n\t\"model\" :\r\n{ }\n}\n", false},
      {R"({})", false},
  };
  for (const auto& [text, expected] : cases) {
    write_bytes(json, text);
    EXPECT_EQ(read_tokenizer_json(json.string()).byte_fallback, expected) << text;
  }
}

TEST_F(TokenizerTest, RefusesADamagedJson) {
  const fs::path json = folder_ / "tokenizer.json";
  for (const std::string content :
       {"{", "[]", "true", R"({"added_tokens": [{"id": 1, "content": "a")",
        R"({"added_tokens": [{"id": 1}]})", R"({"added_tokens": [{"id": 1, "content": ""}]})",
        R"({"added_tokens": [{"id": "1", "content": "a"}]})", R"({"model": 1})",
        R"({"model": {"byte_fallback": null}})", R"({"model": {"byte_fallback": }})",
        R"({"model" {}})", R"({model: {}})"}) {
    write_bytes(json, content);
    expect_error(copy_of_model(), ErrorKind::kFormat, json.string());
  }
  write_bytes(json, "");
  expect_error(copy_of_model(), ErrorKind::kRead, json.string());
  write_bytes(json, R"({"version": "1.0"})");
  EXPECT_NO_THROW(Tokenizer{copy_of_model()});
}

TEST_F(TokenizerTest, RefusesAJsonThatEndsEarly) {
  const std::string whole =
      R"({"added_tokens": [{"id": 1, "content": "\"a"}], "model": {"vocab": [["\\", -1.5]], )"
      R"("byte_fallback": true}})";
  const fs::path json = folder_ / "tokenizer.json";
  for (size_t length = 1; length < whole.size(); ++length) {
    write_bytes(json, whole.substr(0, length));
    EXPECT_THROW(read_tokenizer_json(json.string()), Error) << length;
  }
  write_bytes(json, whole);
  EXPECT_TRUE(read_tokenizer_json(json.string()).byte_fallback);
}

TEST_F(TokenizerTest, RefusesNumbersThatTheEncoderHasNoRowFor) {
  const auto refusal = [](const Tokenizer& tokenizer, int64_t rows) -> std::string {
    try {
      tokenizer.check_ids(rows);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat);
      return error.what();
    }
    return {};
  };
  const auto expect_named = [&](const std::string& message, const std::string& file,
                                const std::string& token, int64_t id, int64_t last) {
    for (const std::string& part : {(folder_ / file).string(), token, std::to_string(id),
                                    "0 to " + std::to_string(last) + ":"}) {
      EXPECT_NE(message.find(part), std::string::npos) << part << " / " << message;
    }
  };
  EXPECT_EQ(refusal(Tokenizer(copy_of_model()), 544), "");
  const std::string few = refusal(Tokenizer(copy_of_model()), 543);
  expect_named(few, "spiece.model", "\"", 543, 542);
  for (const int64_t id : {int64_t{1} << 40, int64_t{-5}, int64_t{544}}) {
    write_bytes(folder_ / "tokenizer.json",
                R"({"added_tokens": [{"id": 1, "content": "</s>"}, {"id": )" + std::to_string(id) +
                    R"(, "content": "cat"}]})");
    expect_named(refusal(Tokenizer(copy_of_model()), 544), "tokenizer.json", "\"cat\"", id, 543);
  }
}

TEST_F(TokenizerTest, RefusesAFileTooLargeToBeOne) {
  write_bytes(folder_ / "tokenizer.json", "{}");
  std::filesystem::resize_file(folder_ / "tokenizer.json", uintmax_t{4} << 30);  // sparse
  expect_error(copy_of_model(), ErrorKind::kFormat, "4096 MiB");
}

TEST_F(TokenizerTest, RefusesAJsonOfManyLevels) {
  const std::string deep(200'000, '[');
  for (const std::string& text :
       {R"({"added_tokens": )" + deep,
        R"({"added_tokens": )" + deep + std::string(deep.size(), ']') + "}",
        R"({"model": {"byte_fallback": )" + deep + std::string(deep.size(), ']') + "}}", deep}) {
    write_bytes(folder_ / "tokenizer.json", text);
    expect_error(copy_of_model(), ErrorKind::kFormat, (folder_ / "tokenizer.json").string());
  }
}

}  // namespace
}  // namespace ovi::text
