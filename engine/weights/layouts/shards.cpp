// SPDX-License-Identifier: Apache-2.0
#include "weights/layouts/shards.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/error.h"
#include "weights/json_file.h"
#include "weights/layouts/arranged_tensors.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostShards = 256;
constexpr JsonLimits kLimits = {4, size_t{16} << 20, size_t{1} << 19};

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw Error(ErrorKind::kFormat, "'" + path + "' " + what);
}

/// Tensor names by shard.
using WeightMap = std::map<std::string, std::vector<std::string>>;

WeightMap read_index(const std::string& path) {
  const nlohmann::json json = read_json(path, "Download it again.", kLimits);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    refuse(path, "is no index of weight files: it has no \"weight_map\".");
  }
  WeightMap shards;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string()) refuse(path, "gives no file for '" + brief_name(tensor) + "'.");
    const fs::path name(file.get<std::string>());
    bool outside = name.empty() || name.is_absolute();
    for (const fs::path& step : name) outside = outside || step == "..";
    if (outside || name.string().find('\0') != std::string::npos) {
      refuse(path, "names the file " + brief(file) +
                       ", which is not in its own folder: it is not opened.");
    }
    shards[name.string()].push_back(tensor);
    if (shards.size() > kMostShards) {
      refuse(path, "names more than " + std::to_string(kMostShards) + " files.");
    }
  }
  if (shards.empty()) refuse(path, "names no files.");
  return shards;
}

std::string beside(const std::string& index, const std::string& file) {
  return (fs::path(index).parent_path() / file).string();
}

}  // namespace

bool is_shard_index(const std::string& path) { return path.ends_with(".index.json"); }

std::vector<std::string> shards_of(const std::string& index_path) {
  std::vector<std::string> paths;
  for (const auto& [file, tensors] : read_index(index_path)) {
    paths.push_back(beside(index_path, file));
  }
  return paths;
}

std::shared_ptr<const TensorSource> open_shards(const std::string& index_path) {
  const auto joined = std::make_shared<ArrangedTensors>(index_path);
  for (const auto& [file, tensors] : read_index(index_path)) {
    const std::string path = beside(index_path, file);
    const std::shared_ptr<const TensorSource> shard = open_tensors(path);
    for (const std::string& tensor : tensors) {
      if (!shard->find(tensor)) {
        refuse(index_path, "says that '" + brief_name(tensor) + "' is in '" + path +
                               "', which does not hold it: download both again.");
      }
      joined->add(tensor, shard, tensor);
    }
  }
  return joined;
}

std::vector<std::string> weight_files(const std::string& path) {
  std::vector<std::string> files = {path};
  if (!is_shard_index(path)) return files;
  for (std::string& shard : shards_of(path)) files.push_back(std::move(shard));
  return files;
}

}  // namespace ovi
