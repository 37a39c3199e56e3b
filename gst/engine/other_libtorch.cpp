// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/other_libtorch.h"

#include <glib.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>

#include "engine/elf_file.h"

namespace ovii2v {
namespace {

/// Those that hold its state, by the start of their names; the most telling first.
constexpr const char* kParts[] = {"libtorch_cpu",    "libc10",       "libtorch",   "libtorch_cuda",
                                  "libtorch_python", "libtorch_hip", "libc10_hip", "libc10_cuda"};

/// "libtorch_cpu" of "libtorch_cpu.so.1.13" and of "libtorch_cpu-8d7f.so"; else empty.
std::string part_of(const std::string& name) {
  const std::string stem = name.substr(0, name.find_first_of(".-"));
  const bool known = std::find(std::begin(kParts), std::end(kParts), stem) != std::end(kParts);
  return known && name.find(".so") != std::string::npos ? stem : "";
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

struct Loaded {
  std::string part, path, soname, build_id;
};

/// Some notes are in the file alone.
bool is_mapped(const dl_phdr_info& object, const ElfW(Phdr) & part) {
  return std::any_of(object.dlpi_phdr, object.dlpi_phdr + object.dlpi_phnum,
                     [&](const ElfW(Phdr) & segment) {
                       return segment.p_type == PT_LOAD && (segment.p_flags & PF_R) &&
                              part.p_vaddr >= segment.p_vaddr &&
                              part.p_vaddr + part.p_memsz <= segment.p_vaddr + segment.p_memsz;
                     });
}

/// One object of the process, by its headers in memory: its file may be gone.
Loaded describe(const dl_phdr_info& object) {
  Loaded made;
  made.path = object.dlpi_name ? object.dlpi_name : "";
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    const ElfW(Addr) at = object.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_NOTE && made.build_id.empty() && is_mapped(object, segment))
      made.build_id = elf::build_id_in_notes(reinterpret_cast<const uint8_t*>(at), segment.p_memsz);
    if (segment.p_type != PT_DYNAMIC) continue;
    ElfW(Addr) strings = 0, soname = 0;
    for (auto* entry = reinterpret_cast<const ElfW(Dyn)*>(at); entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_STRTAB) strings = entry->d_un.d_ptr;
      if (entry->d_tag == DT_SONAME) soname = entry->d_un.d_val;
    }
    // The linker writes addresses into it, but not where the section is read-only.
    if (strings != 0 && strings < object.dlpi_addr) strings += object.dlpi_addr;
    if (strings != 0 && soname != 0) made.soname = reinterpret_cast<const char*>(strings + soname);
  }
  made.part = part_of(made.soname);
  if (made.part.empty()) made.part = part_of(base_name(made.path));
  return made;
}

std::vector<Loaded> loaded_parts() {
  std::vector<Loaded> found;
  const auto look = [](dl_phdr_info* object, size_t, void* to) {
    Loaded one = describe(*object);
    if (!one.part.empty()) static_cast<std::vector<Loaded>*>(to)->push_back(std::move(one));
    return 0;
  };
  dl_iterate_phdr(look, &found);
  const auto rank = [](const Loaded& one) {
    return std::find(std::begin(kParts), std::end(kParts), one.part) - std::begin(kParts);
  };
  std::stable_sort(found.begin(), found.end(),
                   [&](const Loaded& a, const Loaded& b) { return rank(a) < rank(b); });
  return found;
}

/// What follows ".so." in the name of a file or library.
std::string version_in_name(const std::string& name) {
  const size_t at = name.find(".so.");
  return at == std::string::npos ? "" : name.substr(at + 4);
}

/// The LibTorch that a library's file belongs to says its version in one of three ways; empty
/// when in none.
std::string version_beside(const std::string& path) {
  const std::string above = folder_of(path) + "/..";
  g_autofree char* text = nullptr;
  // PyPI's wheel: lib/ beside version.py.
  if (g_file_get_contents((above + "/version.py").c_str(), &text, nullptr, nullptr)) {
    g_autoptr(GRegex) line = g_regex_new("^__version__\\s*=\\s*['\"]([^'\"]+)", G_REGEX_MULTILINE,
                                         static_cast<GRegexMatchFlags>(0), nullptr);
    g_autoptr(GMatchInfo) match = nullptr;
    if (g_regex_match(line, text, static_cast<GRegexMatchFlags>(0), &match)) {
      g_autofree char* version = g_match_info_fetch(match, 1);
      return version;
    }
  }
  g_clear_pointer(&text, g_free);
  // The archive for C++.
  if (g_file_get_contents((above + "/build-version").c_str(), &text, nullptr, nullptr))
    return g_strstrip(text);
  // Distributions: libtorch_cpu.so.1.13.0.
  g_autofree char* real = realpath(path.c_str(), nullptr);
  return version_in_name(base_name(real ? real : path));
}

/// "2.11.0" of "2.11.0+cu130": what is after it is what the same source was built for.
std::string release(const std::string& version) { return version.substr(0, version.find('+')); }

bool same_file(const std::string& one, const std::string& other) {
  struct stat a {
  }, b{};
  return stat(one.c_str(), &a) == 0 && stat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

/// Where the linker would find a library of the engine's; empty when nowhere that is known.
std::string resolve(const EngineFile& file, const std::string& name) {
  std::vector<std::string> folders = environment_folders();
  folders.insert(file.folders_first ? folders.begin() : folders.end(), file.folders.begin(),
                 file.folders.end());
  const std::vector<std::string> system = system_folders();
  folders.insert(folders.end(), system.begin(), system.end());
  for (const std::string& folder : folders) {
    const std::string path = folder + "/" + name;
    if (g_file_test(path.c_str(), G_FILE_TEST_IS_REGULAR)) return path;
  }
  return {};
}

/// Whether the linker can give the engine what is loaded in place of `own`.
bool fits(const Loaded& loaded, const std::string& own, const std::string& own_version) {
  const std::string id = elf::build_id_of_file(own);
  if (!id.empty() && id == loaded.build_id) return true;
  // What the folder of a file says is true of what was loaded only while it is that file.
  if (!g_file_test(loaded.path.c_str(), G_FILE_TEST_EXISTS) ||
      elf::build_id_of_file(loaded.path) != loaded.build_id)
    return false;
  if (same_file(loaded.path, own)) return true;
  const std::string version = version_beside(loaded.path);
  return !version.empty() && release(version) == release(own_version);
}

}  // namespace

std::string other_libtorch(const EngineFile& file) {
  const auto needs = std::find_if(file.needed.begin(), file.needed.end(),
                                  [](const std::string& name) { return !part_of(name).empty(); });
  if (needs == file.needed.end()) return {};
  std::string own_folder, own_version;
  for (const std::string& name : file.needed) {
    if (part_of(name).empty()) continue;
    const std::string path = resolve(file, name);
    if (path.empty()) continue;
    own_folder = folder_of(path);
    own_version = version_beside(path);
    break;
  }
  for (const Loaded& loaded : loaded_parts()) {
    std::string own;
    for (const std::string& name : file.needed)
      if (part_of(name) == loaded.part) own = resolve(file, name);
    // A part the engine opens later, or not at all, lies beside the others.
    if (own.empty() && !own_folder.empty()) own = own_folder + "/" + loaded.part + ".so";
    if (fits(loaded, own, own_version)) continue;
    std::string version = version_beside(loaded.path);
    if (version.empty()) version = version_in_name(loaded.soname);
    const std::string path = loaded.path.empty() ? loaded.soname : loaded.path;
    const bool gone = !g_file_test(path.c_str(), G_FILE_TEST_EXISTS);
    return "This process has loaded another LibTorch, " + path +
           (gone              ? " (deleted since)"
            : version.empty() ? " (of unknown version)"
                              : " (version " + version + ")") +
           "; the Ovi engine needs " +
           (own_folder.empty()
                ? std::string("its own")
                : (own_version.empty() ? "that" : "version " + own_version) + " in " + own_folder) +
           ". No order of loading helps: set isolation=process, which gives the engine a process of "
           "its own, or build the engine with the LibTorch of this application (LIBTORCH=FOLDER examples/setup.sh).";
  }
  return {};
}

}  // namespace ovii2v
