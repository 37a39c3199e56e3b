// SPDX-License-Identifier: Apache-2.0
#include "runtime/host_memory.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

namespace ovi {
namespace {

using std::filesystem::path;

/// The number beside `name` in a file of "name number" lines.
std::optional<int64_t> entry(const path& file, std::string_view name) {
  std::ifstream stream(file);
  for (std::string line, word; std::getline(stream, line);) {
    std::istringstream fields(line);
    int64_t number = 0;
    if (fields >> word >> number && word == name) return number;
  }
  return {};
}

int64_t kibibytes(const path& file, std::string_view name) {
  return entry(file, name).value_or(0) * 1024;
}

/// A file that holds one number; none where it holds a word ("max").
std::optional<int64_t> number_in(const path& file) {
  std::ifstream stream(file);
  int64_t number = 0;
  if (stream >> number) return number;
  return {};
}

/// How one version of control groups names things.
struct Hierarchy {
  const char *mount, *limit, *usage, *inactive_cache, *active_cache;
};
constexpr Hierarchy kUnified = {"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file",
                                "active_file"};
constexpr Hierarchy kMemory = {"sys/fs/cgroup/memory", "memory.limit_in_bytes",
                               "memory.usage_in_bytes", "total_inactive_file", "total_active_file"};

void limit_to_group(const path& folder, const Hierarchy& names, DeviceMemory& memory) {
  const auto limit = number_in(folder / names.limit), usage = number_in(folder / names.usage);
  if (!limit || !usage) return;
  const path stat = folder / "memory.stat";
  const int64_t cache =
      entry(stat, names.inactive_cache).value_or(0) + entry(stat, names.active_cache).value_or(0);
  memory.total = std::min(memory.total, *limit);
  memory.free = std::clamp<int64_t>(*limit - *usage + cache, 0, memory.free);
}

bool names_memory(const std::string& controllers) {
  std::istringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');) {
    if (name == "memory") return true;
  }
  return false;
}

}  // namespace

DeviceMemory host_memory(const path& root) {
  const path meminfo = root / "proc/meminfo";
  DeviceMemory memory = {kibibytes(meminfo, "MemAvailable:"), kibibytes(meminfo, "MemTotal:")};
  // Lines of "number:controllers:path"; version 2 has no controllers.
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && !names_memory(controllers)) continue;
    const Hierarchy& names = controllers.empty() ? kUnified : kMemory;
    const path mount = root / names.mount;
    limit_to_group(mount, names, memory);
    // Every group above limits too. Of a container's path, seen from inside, only the
    // end or nothing is there; what is not there sets no limit.
    path folder = mount;
    for (const path& part : path(line.substr(second + 1)).relative_path()) {
      folder /= part;
      limit_to_group(folder, names, memory);
    }
  }
  return memory;
}

uint64_t peak_host_bytes() {
  // Not getrusage(): its peak outlives exec, so that it may be the launcher's.
  return static_cast<uint64_t>(kibibytes("/proc/self/status", "VmHWM:"));
}

}  // namespace ovi
