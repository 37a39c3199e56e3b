// Looks at the engine's file before the dynamic linker does.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace ovii2v {

/// What an ELF file asks of the dynamic linker.
struct EngineFile {
  std::vector<std::string> needed;   // DT_NEEDED: names of libraries
  std::vector<std::string> folders;  // where they are looked for: DT_RUNPATH or else DT_RPATH
  bool folders_first = false;        // DT_RPATH: before LD_LIBRARY_PATH
};

/// The dynamic linker trusts a file: it maps what a truncated one no longer has, and runs code
/// that a damaged one lost, which ends the process. So headers, tables and relocations are
/// followed here with every offset checked, and code that is nothing but zeros is looked for.
/// Returns what is wrong with the file at `path` ("is ...", "has ..."), or an empty string;
/// `file` is filled when all is well. Reads a few MB, opens nothing but regular files.
std::string check_engine_file(const std::string& path, EngineFile& file);

/// Where a library is looked for that says nothing itself: the absolute folders of
/// LD_LIBRARY_PATH (none in a program that runs with more rights than its user has), and the
/// system's.
std::vector<std::string> environment_folders();
std::vector<std::string> system_folders();

}  // namespace ovii2v
