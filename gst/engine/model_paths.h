// What the property model-path names: folders and files.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <glib.h>

#include <algorithm>
#include <string>
#include <vector>

namespace ovii2v {

/// The folders and files of a model path, which has ':' between them; one that is there under
/// that very name is one.
inline std::vector<std::string> model_paths(const std::string& model_path) {
  if (g_file_test(model_path.c_str(), G_FILE_TEST_EXISTS)) return {model_path};
  std::vector<std::string> paths;
  for (size_t begin = 0; begin <= model_path.size();) {
    const size_t end = std::min(model_path.find(':', begin), model_path.size());
    if (end > begin) paths.push_back(model_path.substr(begin, end - begin));
    begin = end + 1;
  }
  if (paths.empty()) paths.push_back(model_path);
  return paths;
}

}  // namespace ovii2v
