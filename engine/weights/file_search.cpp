// SPDX-License-Identifier: Apache-2.0
#include "weights/file_search.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <deque>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "weights/layouts/shards.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 8;
constexpr size_t kMostEntries = 50'000, kMostInFolder = 5'000, kMostWeights = 1'000;

bool is_weight_file(const std::string& name) {
  constexpr std::array<std::string_view, 6> kEndings = {".safetensors", ".sft", ".pth",
                                                        ".pt",          ".bin", ".ckpt"};
  return is_shard_index(name) ||
         std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

bool is_tokenizer(const std::string& name) { return name == "spiece.model"; }

class Walk {
 public:
  void begin(const std::string& root) {
    std::error_code error;
    if (fs::is_directory(root, error)) {
      enter(root, 0);
    } else if (fs::exists(root, error)) {
      take(root, fs::path(root).filename().string());
    }
  }

  FoundFiles run() {
    while (!folders_.empty() && !ended_) {
      const auto [folder, depth] = folders_.front();
      folders_.pop_front();
      look_into(folder, depth);
    }
    return std::move(found_);
  }

 private:
  void enter(const fs::path& folder, int depth) {
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) return;
    if (entered_.emplace(status.st_dev, status.st_ino).second) folders_.emplace_back(folder, depth);
  }

  void take(const fs::path& file, const std::string& name) {
    (is_tokenizer(name) ? found_.tokenizers : found_.weights).push_back(file.string());
  }

  void look_into(const fs::path& folder, int depth) {
    std::vector<fs::directory_entry> entries;
    std::error_code error;
    size_t here = 0;
    for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator();
         it.increment(error)) {
      if (++seen_ > kMostEntries) {
        stop(std::to_string(kMostEntries) + " files and folders");
        break;
      }
      // Somebody's ten thousand pictures; the models are in the folder beside it.
      if (++here > kMostInFolder) {
        found_.stopped = "Of '" + folder.string() + "' only " + std::to_string(kMostInFolder) +
                         " files and folders were looked at.";
        break;
      }
      const std::string name = it->path().filename().string();
      if (name.starts_with('.')) continue;
      const bool wanted = is_weight_file(name) || is_tokenizer(name);
      if (wanted || !it->is_regular_file(error)) entries.push_back(*it);
      error.clear();
    }
    std::sort(entries.begin(), entries.end());
    for (const fs::directory_entry& entry : entries) {
      if (found_.weights.size() >= kMostWeights) {
        stop(std::to_string(kMostWeights) + " weight files");
        return;
      }
      const std::string name = entry.path().filename().string();
      std::error_code ignored;
      if (entry.is_directory(ignored)) {
        if (depth < kDeepest) enter(entry.path(), depth + 1);
      } else if ((is_weight_file(name) || is_tokenizer(name)) && entry.is_regular_file(ignored)) {
        take(entry.path(), name);
      }
    }
  }

  void stop(const std::string& after) {
    ended_ = true;
    found_.stopped = "The search ended after " + after +
                     ": name a folder further down, or the files themselves.";
  }

  FoundFiles found_;
  std::deque<std::pair<fs::path, int>> folders_;
  std::set<std::pair<dev_t, ino_t>> entered_;
  size_t seen_ = 0;
  bool ended_ = false;
};

}  // namespace

FoundFiles find_weight_files(const std::vector<std::string>& roots) {
  Walk walk;
  for (const std::string& root : roots) walk.begin(root);
  return walk.run();
}

}  // namespace ovi
