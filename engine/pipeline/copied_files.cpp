// SPDX-License-Identifier: Apache-2.0
#include "pipeline/copied_files.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "runtime/error.h"
#include "weights/json_file.h"
#include "weights/layouts/shards.h"
#include "weights/mapped_file.h"
#include "weights/model_settings.h"
#include "weights/published.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{64} << 20;  // a published tokenizer.json has 17 MB

CopiedFile read_whole(const std::string& relative, const fs::path& source) {
  const auto file = MappedFile::open(source.string());
  if (file->size() > kMostBytes) {
    throw Error(ErrorKind::kFormat,
                "'" + source.string() + "' is larger than such a file may be: download it again.");
  }
  CopiedFile copied{relative, source.string(), std::string(file->size(), '\0')};
  file->read(0, copied.bytes.data(), copied.bytes.size());
  return copied;
}

/// ovi.json may speak of a variant that is not the one that goes along.
CopiedFile settings_of(const ModelFolder& folder) {
  CopiedFile copied = read_whole("ovi.json", folder.settings);
  const auto named = read_model_settings(folder.settings).variant_name;
  if (!named || *named == folder.spec.name) return copied;
  nlohmann::json json = read_json(folder.settings);
  json.erase("variant");
  copied.bytes = json.dump(2) + "\n";
  return copied;
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) > 0;
}

}  // namespace

std::vector<CopiedFile> files_beside_weights(const ModelFolder& folder) {
  std::vector<CopiedFile> files;
  files.push_back(read_whole(published_place::kSpieceModel, folder.spiece_model));
  const fs::path from = fs::path(folder.spiece_model).parent_path();
  const fs::path to = fs::path(published_place::kSpieceModel).parent_path();
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}) {
    if (is_there(from / name)) files.push_back(read_whole((to / name).string(), from / name));
  }
  if (!folder.settings.empty()) files.push_back(settings_of(folder));
  if (!folder.acceleration.empty()) {
    files.push_back(read_whole("acceleration.json", folder.acceleration));
  }
  // As it is, whatever becomes of the weights: it is small, and small in its own type. One that
  // holds something else too is not.
  if (const fs::path from = folder.preview_decoder;
      is_there(from) && !is_shard_index(from.string())) {
    std::error_code error;
    if (fs::file_size(from, error) <= kMostBytes) {
      files.push_back(read_whole(from.filename().string(), from));
    }
  }
  return files;
}

}  // namespace ovi
