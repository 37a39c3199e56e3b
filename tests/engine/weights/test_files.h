// Where the fixtures are, files that vanish with the test, and one way to expect
// an error.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/error.h"

namespace ovi::test {

/// The folder tests/parity.
inline std::filesystem::path parity_folder() {
  const char* folder = std::getenv("OVI_TEST_DATA");
  if (!folder) throw std::runtime_error("OVI_TEST_DATA is not set; run through meson test");
  return folder;
}

inline std::string tiny(const std::string& file) {
  return (parity_folder() / "models" / "tiny" / file).string();
}

inline std::string fixture(const std::string& file) {
  return (parity_folder().parent_path() / "engine" / "weights" / "data" / file).string();
}

inline std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("no test file " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A folder of its own, removed with everything in it.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ovi-weights-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    path_ = pattern;
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path(const std::string& name = {}) const {
    return name.empty() ? path_.string() : (path_ / name).string();
  }
  /// Writes a file, with the folders above it, and returns its path.
  std::string write(const std::string& name, std::string_view bytes) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file.string();
  }

 private:
  std::filesystem::path path_;
};

/// Root may read everything; while this lives, the process is not root.
class Unprivileged {
 public:
  Unprivileged() : before_(::geteuid()) {
    constexpr uid_t kNobody = 65534;
    if (before_ == 0 && ::seteuid(kNobody) != 0) throw std::runtime_error("cannot stop being root");
  }
  ~Unprivileged() {
    if (::geteuid() != before_ && ::seteuid(before_) != 0) std::abort();
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  uid_t before_;
};

/// Runs `action`, which has to throw an ovi::Error of that kind whose message
/// holds every one of `parts`. Returns the message.
template <typename Action, typename... Parts>
std::string expect_error(ErrorKind kind, Action action, const Parts&... parts) {
  try {
    action();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << message;
    const std::vector<std::string> wanted = {std::string(parts)...};
    for (const std::string& part : wanted) {
      EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in: " << message;
    }
    return message;
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

}  // namespace ovi::test
