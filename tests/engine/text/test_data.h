// Where the tests of this room find their data.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace ovi::text {

inline std::filesystem::path parity_folder() {
  const char* folder = std::getenv("OVI_TEST_DATA");
  if (!folder) throw std::runtime_error("OVI_TEST_DATA is not set: run the tests with meson test");
  return folder;
}

inline std::filesystem::path tokenizer_folder() {
  return parity_folder() / "models" / "tiny" / "Wan2.2-TI2V-5B" / "google" / "umt5-xxl";
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  return nlohmann::json::parse(file);
}

inline nlohmann::json read_case(const std::string& name) {
  return read_json(parity_folder() / "cases" / name / "case.json");
}

/// Texts with what Python makes of them; data/README.md says how.
inline nlohmann::json read_golden() { return read_json(TEXT_TEST_DATA "/golden.json"); }

}  // namespace ovi::text
