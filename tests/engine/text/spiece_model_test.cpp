// What is read of a sentencepiece model, and what is refused.
// SPDX-License-Identifier: Apache-2.0
#include "text/spiece_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <iterator>

#include "runtime/error.h"
#include "test_data.h"

namespace ovi::text {
namespace {

using namespace std::string_literals;
namespace fs = std::filesystem;

class SpieceModelTest : public testing::Test {
 protected:
  void TearDown() override { fs::remove(path_); }
  SpieceModel read(const std::string& content) const {
    std::ofstream(path_, std::ios::binary) << content;
    return read_spiece_model(path_.string());
  }
  // The detail of the error.
  std::string refusal(const std::string& content) const {
    try {
      read(content);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat);
      EXPECT_NE(std::string(error.what()).find(path_.string()), std::string::npos);
      return error.detail();
    }
    ADD_FAILURE() << "was taken";
    return {};
  }

  fs::path path_ = fs::temp_directory_path() / ("ovi-spiece-" + std::to_string(getpid()));
};

// As wire format: a length, and what is so long.
std::string counted(const std::string& bytes) {
  std::string length;
  for (size_t left = bytes.size(); length.empty() || left > 0; left >>= 7) {
    length += static_cast<char>((left & 0x7F) | (left > 0x7F ? 0x80 : 0));
  }
  return length + bytes;
}
// A piece of text, score 0 and type.
std::string piece(const std::string& text, char type) {
  return "\x0a"s + counted("\x0a"s + counted(text) + "\x15\0\0\0\0\x18"s + type);
}
const std::string kSmall = piece("<unk>", 2) + piece("</s>", 3) + piece("a", 1);

// The numbers are what sentencepiece 0.1.97 says of the same file.
TEST_F(SpieceModelTest, IsWhatTheLibraryReads) {
  const SpieceModel model = read_spiece_model((tokenizer_folder() / "spiece.model").string());
  ASSERT_EQ(model.pieces.size(), 544u);
  EXPECT_EQ(model.unknown_id, 2);
  EXPECT_EQ(model.end_id, 1);
  EXPECT_EQ(model.pad_id, 0);
  EXPECT_EQ(model.pieces[1].text, "</s>");
  EXPECT_EQ(model.pieces[1].type, PieceType::kControl);
  EXPECT_EQ(model.pieces[2].type, PieceType::kUnknown);
  size_t bytes = 0;
  for (const auto& one : model.pieces) bytes += one.type == PieceType::kByte;
  EXPECT_EQ(bytes, 256u);
  EXPECT_FALSE(model.charsmap.empty());
}

TEST_F(SpieceModelTest, TakesAHandWrittenModel) {
  const SpieceModel model = read(kSmall);
  ASSERT_EQ(model.pieces.size(), 3u);
  EXPECT_EQ(model.unknown_id, 0);
  EXPECT_EQ(model.end_id, 1);
  EXPECT_EQ(model.pad_id, -1);
  // trainer_spec (2): unk_piece (45) "a" is no unknown piece.
  EXPECT_THROW(read(kSmall + "\x12\x04\xea\x02\x01"s + "a"), Error);
}

TEST_F(SpieceModelTest, SaysWhatIsDamaged) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "no pieces"},
      {kSmall + "\x0a\x7f", "a field of 127 bytes where 0 are left"},
      {kSmall + "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "where 0 are left"},
      {kSmall + std::string(11, '\xff'), "more than ten bytes"},
      {kSmall + "\x0b", "wire type 3"},
      {kSmall + "\x80", "inside a number"},
      {kSmall + "\x02\x00"s, "without number"},
      {kSmall + piece("", 1), "without text"},
      {kSmall + piece("a", 1), "there twice"},
      {kSmall + piece(std::string(257, 'b'), 1), "a piece of 257 bytes"},
      {kSmall + piece("\xff", 1), "not UTF-8"},
      {kSmall + piece("b", 7), "type 7"},
      {kSmall + "\x0a\x08\x0a\x01" + "b\x15\0\0\xc0\x7f"s, "no number"},
  };
  for (const auto& [content, named] : cases) {
    const std::string detail = content.empty() ? refusal(content) : refusal(content);
    EXPECT_NE(detail.find(named), std::string::npos) << detail << " / " << named;
    EXPECT_NE(detail.find("at byte "), std::string::npos) << detail;
  }
}

TEST_F(SpieceModelTest, SurvivesEveryCutAndEveryFlippedBit) {
  for (size_t length = 0; length < kSmall.size(); ++length) {
    EXPECT_THROW(read(kSmall.substr(0, length)), Error) << length;
    if (length > 22) break;  // from here on whole pieces may be left
  }
  for (size_t bit = 0; bit < 8 * kSmall.size(); ++bit) {
    std::string flipped = kSmall;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    try {
      EXPECT_LE(read(flipped).pieces.size(), 3u);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat);
    }
  }
}

}  // namespace
}  // namespace ovi::text
