// Everything the header says is checked against the file before it is believed.
// SPDX-License-Identifier: Apache-2.0
#include "weights/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/error.h"
#include "weights/file_tensors.h"
#include "weights/json_file.h"
#include "weights/safetensors_dtypes.h"

namespace ovi {

namespace {

using Json = nlohmann::json;

constexpr size_t kLengthBytes = 8;
/// The largest published header has 0.3 MB; the format's own library reads 100 MB, which would
/// keep a reader busy for seconds and fill gigabytes.
constexpr uint64_t kMaxHeaderBytes = uint64_t{16} << 20;
constexpr size_t kMaxHeaderValues = size_t{1} << 20;
constexpr int kMaxDepth = 3;  // header, tensor, list

struct Entry {
  TensorInfo info;
  uint64_t begin, end;  // bytes from the first tensor
};

[[noreturn]] void damaged(const MappedFile& file, const std::string& what,
                          const std::string& detail = {}) {
  throw Error(
      ErrorKind::kFormat,
      "'" + file.path() + "' is a damaged safetensors file: " + what + ". Download it again.",
      detail);
}

[[noreturn]] void truncated(const MappedFile& file, uint64_t needed) {
  throw Error(ErrorKind::kRead, "'" + file.path() + "' is truncated: download it again.",
              "needs " + std::to_string(needed) + " bytes, has " + std::to_string(file.size()));
}

Json parse_header(const MappedFile& file, std::string_view text) {
  try {
    return parse_json(text, {kMaxDepth, kMaxHeaderBytes, kMaxHeaderValues});
  } catch (const JsonProblem& problem) {
    damaged(file, std::string("its header ") + problem.what(), problem.detail());
  }
}

uint64_t natural(const MappedFile& file, const Json& value, const std::string& what) {
  if (!value.is_number_unsigned()) damaged(file, what + " is not a natural number", brief(value));
  const uint64_t number = value.get<uint64_t>();
  if (number > static_cast<uint64_t>(INT64_MAX)) damaged(file, what + " is too large to be true");
  return number;
}

Entry read_entry(const MappedFile& file, const std::string& name, const Json& json) {
  const std::string what = "tensor '" + brief_name(name) + "'";
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets")) {
    damaged(file, what + " lacks dtype, shape or data_offsets");
  }
  const Json& dtype = json["dtype"];
  const Json& shape = json["shape"];
  const Json& offsets = json["data_offsets"];
  if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2) {
    damaged(file, what + " has a dtype, shape or data_offsets of the wrong kind");
  }
  const auto type = safetensors::dtype_named(dtype.get_ref<const std::string&>());
  if (!type) {
    throw Error(ErrorKind::kFormat, "Tensor '" + name + "' of '" + file.path() +
                                        "' has the dtype " + brief(dtype) +
                                        ", which is not supported.");
  }
  Entry entry{{name, *type, {}}, 0, 0};
  entry.info.shape.reserve(shape.size());
  for (const Json& size : shape) {
    entry.info.shape.push_back(static_cast<int64_t>(natural(file, size, "a size of " + what)));
  }
  entry.begin = natural(file, offsets[0], "an offset of " + what);
  entry.end = natural(file, offsets[1], "an offset of " + what);

  // Rank and product are checked before row_major, which trusts them.
  const std::vector<int64_t> flat(entry.info.shape.size(), 0);
  const uint64_t element = c10::elementSize(*type);
  span_in_elements(entry.info.shape, flat, element,
                   "Tensor '" + name + "' of '" + file.path() + "'");
  uint64_t bytes = element;
  for (const int64_t size : entry.info.shape) bytes *= static_cast<uint64_t>(size);
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    damaged(file, what + " has a shape that its bytes do not fit",
            "offsets " + std::to_string(entry.begin) + " to " + std::to_string(entry.end) +
                ", shape and dtype need " + std::to_string(bytes) + " bytes");
  }
  return entry;
}

uint64_t little_endian(const uint8_t* bytes) {
  uint64_t value = 0;
  for (size_t i = kLengthBytes; i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

}  // namespace

std::shared_ptr<TensorSource> read_safetensors(std::shared_ptr<const MappedFile> file) {
  if (file->size() < kLengthBytes) truncated(*file, kLengthBytes);
  const uint64_t header_bytes = little_endian(file->data());
  if (header_bytes > kMaxHeaderBytes) damaged(*file, "its header would be larger than 16 MiB");
  const uint64_t data_begin = kLengthBytes + header_bytes;
  if (data_begin > file->size()) truncated(*file, data_begin);

  // A copy: it is gone through twice, and another program may write to the file in between.
  std::string text(header_bytes, '\0');
  file->read(kLengthBytes, text.data(), text.size());
  const Json header = parse_header(*file, text);
  if (!header.is_object()) damaged(*file, "its header is not a JSON object");
  std::vector<Entry> entries;
  entries.reserve(header.size());
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") continue;
    entries.push_back(read_entry(*file, name, value));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.info.name) < std::tie(b.begin, b.end, b.info.name);
  });

  uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin < end) damaged(*file, "tensor '" + entry.info.name + "' overlaps another");
    if (entry.begin > end) damaged(*file, "there is a gap before '" + entry.info.name + "'");
    end = entry.end;
  }
  if (end > file->size() - data_begin) truncated(*file, data_begin + end);
  if (end < file->size() - data_begin) damaged(*file, "bytes follow its last tensor");

  auto tensors = std::make_shared<FileTensors>(file);
  for (Entry& entry : entries) {
    std::vector<int64_t> strides = row_major(entry.info.shape);
    tensors->add(std::move(entry.info), {data_begin + entry.begin, std::move(strides)});
  }
  return tensors;
}

}  // namespace ovi
