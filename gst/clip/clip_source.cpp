// The identity of a picture and of a model: what of them lies in a clip's record.
// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "clip/clip_record.h"
#include "engine/model_paths.h"

namespace ovii2v {
namespace {

/// More than a model has, less than takes a while: somebody may name a folder full of other things.
constexpr size_t kMostFiles = 64, kMostEntries = 4096;
constexpr int kDepth = 4;

bool belongs(const std::string& name) {
  for (const char* end : {".safetensors", ".pth", ".pt", ".model", ".json"})
    if (g_str_has_suffix(name.c_str(), end)) return true;
  return false;
}

void look(const std::string& folder, const std::string& below, int depth, size_t& entries,
          std::vector<std::string>& files) {
  GDir* dir = g_dir_open(folder.c_str(), 0, nullptr);
  if (!dir) return;
  while (const char* name = g_dir_read_name(dir)) {
    if (++entries > kMostEntries || files.size() >= kMostFiles) break;
    const std::string path = folder + "/" + name;
    struct stat info;
    if (name[0] == '.' || stat(path.c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode) && depth < kDepth)
      look(path, below + name + "/", depth + 1, entries, files);
    else if (S_ISREG(info.st_mode) && belongs(name))
      files.push_back(printable_line(below + name) + " " + std::to_string(info.st_size));
  }
  g_dir_close(dir);
}

}  // namespace

std::string files_of_model(const std::string& model_path) {
  std::vector<std::string> files;
  size_t entries = 0;
  for (const std::string& path : model_paths(model_path)) {
    struct stat info;
    if (stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      g_autofree char* name = g_path_get_basename(path.c_str());
      files.push_back(printable_line(name) + " " + std::to_string(info.st_size));
    } else {
      look(path, "", 0, entries, files);
    }
  }
  std::sort(files.begin(), files.end());
  std::string text;
  for (const std::string& file : files) {
    if (!text.empty()) text.append(", ");
    text.append(file);
  }
  return text;
}

std::string picture_digest(const Image& image, const std::atomic<bool>& cancelled) {
  constexpr size_t kPiece = size_t{4} << 20;  // bytes
  GChecksum* sum = g_checksum_new(G_CHECKSUM_SHA256);
  for (size_t at = 0; at < image.pixels.size() && !cancelled; at += kPiece)
    g_checksum_update(sum, image.pixels.data() + at,
                      static_cast<gssize>(std::min(kPiece, image.pixels.size() - at)));
  const std::string text = std::string("sha256:") + g_checksum_get_string(sum);
  g_checksum_free(sum);
  return text;
}

}  // namespace ovii2v
