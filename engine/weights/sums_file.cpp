// SPDX-License-Identifier: Apache-2.0
#include "weights/sums_file.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "runtime/error.h"
#include "weights/mapped_file.h"
#include "weights/new_file.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

constexpr size_t kDigits = 64, kMostBytes = size_t{1} << 20, kPiece = size_t{4} << 20;

bool stays_inside(const fs::path& path) {
  return path.is_relative() && !path.empty() &&
         std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

}  // namespace

std::string sums_text(const Sums& sums) {
  std::string text;
  for (const auto& [path, digits] : sums) text.append(digits).append("  ").append(path) += '\n';
  return text;
}

Sums read_sums(const std::string& folder) {
  const std::string path = (fs::path(folder) / kSumsFile).string();
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw Error(ErrorKind::kNotFound, "There is no '" + path +
                                          "': only a folder that was converted to has the digests "
                                          "to compare with.");
  }
  const auto file = MappedFile::open(path);
  const auto damaged = [&](const std::string& what) {
    throw Error(ErrorKind::kFormat, "'" + path + "' is damaged: " + what + ".");
  };
  if (file->size() > kMostBytes) damaged("it is larger than any list of a model's files");
  std::string text(file->size(), '\0');
  file->read(0, text.data(), text.size());
  Sums sums;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line(text.data() + begin, end - begin);
    begin = end + 1;
    if (line.empty()) continue;
    // "  " before a name that is read as text, " *" before one of bytes: the same here.
    const bool good =
        line.size() > kDigits + 2 && line[kDigits] == ' ' &&
        (line[kDigits + 1] == ' ' || line[kDigits + 1] == '*') &&
        line.substr(0, kDigits).find_first_not_of("0123456789abcdef") == std::string_view::npos;
    if (!good) damaged("a line is not 64 digits, two spaces and a name");
    const std::string name(line.substr(kDigits + 2));
    if (!stays_inside(name)) damaged("a name leads out of the folder");
    sums[name] = std::string(line.substr(0, kDigits));
  }
  if (sums.empty()) damaged("it names no file");
  if (text.back() != '\n') damaged("its last line has no end");
  return sums;
}

std::string sha256_of_file(const std::string& path,
                           const std::function<void(uint64_t bytes)>& on_bytes) {
  const auto file = MappedFile::open(path);
  Sha256 sum;
  std::vector<char> piece(std::min(kPiece, file->size()));
  for (size_t offset = 0; offset < file->size();) {
    const size_t length = std::min(piece.size(), file->size() - offset);
    file->read(offset, piece.data(), length);
    sum.add(piece.data(), length);
    offset += length;
    if (on_bytes) on_bytes(length);
  }
  return sum.digits();
}

}  // namespace ovi
