// SPDX-License-Identifier: Apache-2.0
#include "text/spiece_model.h"

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "runtime/error.h"

namespace ovi::text {
namespace {

// Field numbers and values of sentencepiece_model.proto.
constexpr uint64_t kTrainerSpec = 2, kModelType = 3;
constexpr uint64_t kNormalizerSpec = 3, kPrecompiledCharsmap = 2;
constexpr uint64_t kUnigramType = 1;

// Appended to a model, this sets trainer_spec.model_type to WORD (protobuf merges messages that
// are written in pieces). The library then builds no trie for a search that we do not use, which
// is half of its loading time for UMT5's 256 000 pieces.
constexpr std::string_view kAsWordModel = "\x12\x02\x18\x03";

std::string read_file(const std::string& path) {
  std::error_code status;
  if (!std::filesystem::is_regular_file(path, status)) {
    throw Error(ErrorKind::kNotFound,
                "The tokeniser model " + path +
                    " is not there: the folder of the UMT5 text encoder must hold spiece.model.");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw Error(errno == EACCES ? ErrorKind::kNotAuthorized : ErrorKind::kOpenRead,
                "The tokeniser model " + path + " cannot be opened: check its permissions.");
  }
  std::ostringstream content;
  content << file.rdbuf();
  if (!file) throw Error(ErrorKind::kRead, "The tokeniser model " + path + " cannot be read.");
  return std::move(content).str();
}

std::optional<uint64_t> read_varint(std::string_view* message) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !message->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(message->front());
    message->remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

struct Field {
  std::optional<uint64_t> number;  // of a varint
  std::string_view bytes;          // of a string or message
};

// The last value of a field of a protobuf message; empty when it has none or is damaged.
Field read_field(std::string_view message, uint64_t wanted) {
  enum WireType { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };
  Field field;
  while (!message.empty()) {
    const auto tag = read_varint(&message);
    if (!tag) return {};
    const bool matches = *tag >> 3 == wanted;
    std::optional<uint64_t> length;
    switch (*tag & 7) {
      case kVarint: {
        const auto number = read_varint(&message);
        if (!number) return {};
        if (matches) field.number = number;
        length = 0;
        break;
      }
      case kFixed64:
        length = 8;
        break;
      case kFixed32:
        length = 4;
        break;
      case kLengthDelimited:
        length = read_varint(&message);
        break;
      default:
        return {};
    }
    if (!length || *length > message.size()) return {};
    if (matches && (*tag & 7) == kLengthDelimited) field.bytes = message.substr(0, *length);
    message.remove_prefix(*length);
  }
  return field;
}

}  // namespace

std::string load_spiece_model(const std::string& path,
                              sentencepiece::SentencePieceProcessor* model) {
  std::string content = read_file(path);
  const Field type = read_field(read_field(content, kTrainerSpec).bytes, kModelType);
  const std::string charsmap(
      read_field(read_field(content, kNormalizerSpec).bytes, kPrecompiledCharsmap).bytes);
  content += kAsWordModel;
  const auto status = model->LoadFromSerializedProto(content);
  if (!status.ok() || model->GetPieceSize() == 0) {
    throw Error(
        ErrorKind::kFormat,
        "The tokeniser model " + path + " is damaged or no sentencepiece model: fetch it again.",
        status.ToString());
  }
  if (type.number.value_or(kUnigramType) != kUnigramType || model->unk_id() < 0 ||
      model->eos_id() < 0) {
    throw Error(ErrorKind::kFormat,
                "The tokeniser model " + path +
                    " is not UMT5's: it must be a unigram model with unknown and end pieces.");
  }
  return charsmap;
}

}  // namespace ovi::text
