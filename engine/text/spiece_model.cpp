// SPDX-License-Identifier: Apache-2.0
#include "text/spiece_model.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "runtime/error.h"
#include "text/unicode.h"
#include "weights/mapped_file.h"

namespace ovi::text {
namespace {

// UMT5's has 4.5 MB and 256 000 pieces.
constexpr size_t kMostBytes = size_t{16} << 20;
constexpr size_t kMostPieces = size_t{1} << 21;
constexpr size_t kLongestPiece = 256;  // bytes; a text is held against all pieces everywhere

// Field numbers and values of sentencepiece_model.proto.
constexpr uint64_t kPieces = 1, kPieceText = 1, kPieceScore = 2, kPieceType = 3;
constexpr uint64_t kTrainerSpec = 2, kModelType = 3, kUnknownPiece = 45, kEndPiece = 47,
                   kPadPiece = 48;
constexpr uint64_t kNormalizerSpec = 3, kPrecompiledCharsmap = 2;
constexpr uint64_t kUnigramType = 1;

std::string read_file(const std::string& path) {
  std::error_code status;
  if (!std::filesystem::is_regular_file(path, status)) {
    throw Error(ErrorKind::kNotFound,
                "The tokeniser model " + path +
                    " is not there: the folder of the UMT5 text encoder must hold spiece.model.");
  }
  if (std::filesystem::file_size(path, status) == 0 && !status) return {};  // read() says of what
  // Read, not mapped: small, and a file that is cut short meanwhile is an error here.
  const auto file = MappedFile::open(path);
  if (file->size() > kMostBytes) {
    throw Error(ErrorKind::kFormat,
                "The tokeniser model " + path + " is too large to be UMT5's: fetch it again.",
                std::to_string(file->size()) + " bytes; at most " + std::to_string(kMostBytes));
  }
  std::string content(file->size(), '\0');
  file->read(0, content.data(), content.size());
  return content;
}

struct Damage {
  size_t at;  // byte of the file
  std::string what;
};

// One field of a message of protobuf's wire format.
struct Field {
  uint64_t number = 0;
  enum Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 } wire = kVarint;
  uint64_t value = 0;      // kVarint
  std::string_view bytes;  // of everything else
};

// Goes over the fields of a message, which lies in `file`. Throws Damage.
class Fields {
 public:
  Fields(std::string_view file, std::string_view message) : file_(file), left_(message) {}

  std::optional<Field> next() {
    if (left_.empty()) return std::nullopt;
    Field field;
    const uint64_t tag = varint();
    field.number = tag >> 3;
    if (field.number == 0) fail("a field without number");
    switch (tag & 7) {
      case Field::kVarint:
        field.wire = Field::kVarint;
        field.value = varint();
        return field;
      case Field::kFixed64:
        field.wire = Field::kFixed64;
        field.bytes = take(8);
        return field;
      case Field::kBytes:
        field.wire = Field::kBytes;
        field.bytes = take(varint());
        return field;
      case Field::kFixed32:
        field.wire = Field::kFixed32;
        field.bytes = take(4);
        return field;
      default:
        fail("a field of wire type " + std::to_string(tag & 7));
    }
  }

  [[noreturn]] void fail(std::string what) const {
    throw Damage{static_cast<size_t>(left_.data() - file_.data()), std::move(what)};
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (left_.empty()) fail("it ends inside a number");
      const auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number of more than ten bytes");
  }
  std::string_view take(uint64_t length) {
    if (length > left_.size()) {
      fail("a field of " + std::to_string(length) + " bytes where " + std::to_string(left_.size()) +
           " are left");
    }
    const std::string_view bytes = left_.substr(0, static_cast<size_t>(length));
    left_.remove_prefix(static_cast<size_t>(length));
    return bytes;
  }

  std::string_view file_, left_;
};

SpieceModel::Piece read_piece(std::string_view file, std::string_view message) {
  SpieceModel::Piece piece;
  Fields fields(file, message);
  while (const auto field = fields.next()) {
    if (field->number == kPieceText && field->wire == Field::kBytes) {
      piece.text = field->bytes;
    } else if (field->number == kPieceScore && field->wire == Field::kFixed32) {
      uint32_t bits = 0;
      for (size_t i = 0; i < 4; ++i) {
        bits |= static_cast<uint32_t>(static_cast<unsigned char>(field->bytes[i])) << (8 * i);
      }
      std::memcpy(&piece.score, &bits, sizeof bits);
    } else if (field->number == kPieceType && field->wire == Field::kVarint) {
      if (field->value < 1 || field->value > 6) {
        fields.fail("a piece of type " + std::to_string(field->value));
      }
      piece.type = static_cast<PieceType>(field->value);
    }
  }
  if (piece.text.empty()) fields.fail("a piece without text");
  if (piece.text.size() > kLongestPiece) {
    fields.fail("a piece of " + std::to_string(piece.text.size()) + " bytes");
  }
  if (!try_decode_utf8(piece.text, false)) fields.fail("a piece that is not UTF-8");
  if (!std::isfinite(piece.score)) fields.fail("a piece whose score is no number");
  return piece;
}

struct Names {  // of the special pieces
  std::string_view unknown = "<unk>", end = "</s>", pad = "<pad>";
};

// Messages that are written in pieces are merged, and the last value of a field counts, as
// protobuf has it.
SpieceModel read(std::string_view file, uint64_t* model_type) {
  SpieceModel model;
  Names names;
  *model_type = kUnigramType;
  Fields fields(file, file);
  while (const auto field = fields.next()) {
    if (field->wire != Field::kBytes) continue;
    if (field->number == kPieces) {
      if (model.pieces.size() == kMostPieces) fields.fail("too many pieces");
      model.pieces.push_back(read_piece(file, field->bytes));
    } else if (field->number == kTrainerSpec) {
      Fields trainer(file, field->bytes);
      while (const auto setting = trainer.next()) {
        const bool is_text = setting->wire == Field::kBytes;
        if (setting->number == kModelType && setting->wire == Field::kVarint) {
          *model_type = setting->value;
        }
        if (setting->number == kUnknownPiece && is_text) names.unknown = setting->bytes;
        if (setting->number == kEndPiece && is_text) names.end = setting->bytes;
        if (setting->number == kPadPiece && is_text) names.pad = setting->bytes;
      }
    } else if (field->number == kNormalizerSpec) {
      Fields normalizer(file, field->bytes);
      while (const auto setting = normalizer.next()) {
        if (setting->number == kPrecompiledCharsmap && setting->wire == Field::kBytes) {
          model.charsmap = setting->bytes;
        }
      }
    }
  }
  if (model.pieces.empty()) fields.fail("it has no pieces");

  std::unordered_map<std::string_view, int64_t> ids;
  ids.reserve(model.pieces.size());
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (!ids.emplace(model.pieces[id].text, static_cast<int64_t>(id)).second) {
      fields.fail("the piece \"" + model.pieces[id].text + "\" is there twice");
    }
  }
  const auto find = [&](std::string_view name, PieceType type) -> int64_t {
    const auto found = ids.find(name);
    if (found == ids.end()) return -1;
    return model.pieces[static_cast<size_t>(found->second)].type == type ? found->second : -1;
  };
  model.unknown_id = find(names.unknown, PieceType::kUnknown);
  model.end_id = find(names.end, PieceType::kControl);
  model.pad_id = find(names.pad, PieceType::kControl);
  return model;
}

}  // namespace

SpieceModel read_spiece_model(const std::string& path) {
  const std::string content = read_file(path);
  uint64_t type = 0;
  SpieceModel model;
  try {
    model = read(content, &type);
  } catch (const Damage& damage) {
    throw Error(
        ErrorKind::kFormat,
        "The tokeniser model " + path + " is damaged or no sentencepiece model: fetch it again.",
        damage.what + ", at byte " + std::to_string(damage.at) + " of " +
            std::to_string(content.size()));
  }
  if (type != kUnigramType || model.unknown_id < 0 || model.end_id < 0) {
    throw Error(ErrorKind::kFormat,
                "The tokeniser model " + path +
                    " is not UMT5's: it must be a unigram model with unknown and end pieces.");
  }
  return model;
}

}  // namespace ovi::text
