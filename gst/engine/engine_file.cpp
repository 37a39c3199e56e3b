// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/engine_file.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <optional>

#include "engine/elf_file.h"

namespace ovii2v {
namespace {

using elf::damaged;
using elf::Ehdr;
using elf::File;
using elf::Headers;
using elf::Phdr;
using elf::truncated;
using elf::Wrong;
using Shdr = ElfW(Shdr);
using Dyn = ElfW(Dyn);
using Sym = ElfW(Sym);
using Rela = ElfW(Rela);

/// Longer than any run in code or in the tables of unwinding.
constexpr size_t kZeroRun = 64;
/// Every function of ovi/engine.h that the plug-in calls.
constexpr const char* kDoor[] = {
    "ovi_engine_abi_version", "ovi_engine_version", "ovi_engine_create", "ovi_engine_plan",
    "ovi_engine_generate",    "ovi_engine_destroy", "ovi_cancel_new",    "ovi_cancel_trigger",
    "ovi_cancel_reset",       "ovi_cancel_free",    "ovi_buffer_release"};

/// The parts that are not empty; `text` may be null.
std::vector<std::string> split_path(const char* text, const char* separators) {
  std::vector<std::string> parts;
  while (text && *text) {
    const size_t length = strcspn(text, separators);
    if (length > 0) parts.emplace_back(text, length);
    text += length + (text[length] != '\0');
  }
  return parts;
}

bool has_zero_run(const std::vector<uint8_t>& bytes) {
  const size_t run = std::min(kZeroRun, bytes.size());
  size_t zeros = 0;
  for (const uint8_t byte : bytes) {
    zeros = byte == 0 ? zeros + 1 : 0;
    if (zeros == run) return true;
  }
  return false;
}

/// One library's tables as the dynamic linker follows them.
class Library {
 public:
  explicit Library(const std::string& path) : path_(path), file_(path), headers_(file_) {}

  EngineFile check() {
    check_segments();
    const auto sections = read_sections();
    read_dynamic();
    check_dynamic(sections);
    read_symbols();
    check_door();
    check_relocations();
    check_code(sections);
    return asked();
  }

 private:
  void check_segments() const {
    bool loads = false;
    for (const Phdr& segment : headers_.segments) {
      if (segment.p_type == PT_GNU_STACK) continue;
      if (!file_.holds(segment.p_offset, segment.p_filesz)) truncated();
      if (segment.p_type != PT_LOAD) continue;
      loads = true;
      if (segment.p_filesz > segment.p_memsz || segment.p_vaddr + segment.p_memsz < segment.p_vaddr)
        damaged("a segment's size");
    }
    if (!loads) damaged("no segments");
  }

  /// Sections lie behind what is loaded: a file that ends early has lost them first.
  std::vector<std::pair<std::string, Shdr>> read_sections() const {
    const Ehdr& head = headers_.head;
    if (head.e_shentsize != sizeof(Shdr) || head.e_shnum == 0 || head.e_shstrndx >= head.e_shnum)
      damaged("no sections");
    const auto sections = file_.table<Shdr>(head.e_shoff, head.e_shnum);
    for (const Shdr& section : sections) {
      if (section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL &&
          !file_.holds(section.sh_offset, section.sh_size))
        truncated();
    }
    const Shdr& text = sections[head.e_shstrndx];
    const auto names = file_.table<char>(text.sh_offset, text.sh_size);
    std::vector<std::pair<std::string, Shdr>> named;
    for (const Shdr& section : sections) {
      if (section.sh_name >= names.size() && section.sh_type != SHT_NULL) damaged("its sections");
      const char* name = names.data() + section.sh_name;
      named.emplace_back(section.sh_type == SHT_NULL
                             ? ""
                             : std::string(name, strnlen(name, names.size() - section.sh_name)),
                         section);
    }
    return named;
  }

  /// Where in the file an address is, with `size` bytes behind it.
  uint64_t offset_of(ElfW(Addr) address, uint64_t size) const {
    for (const Phdr& segment : headers_.segments) {
      if (segment.p_type != PT_LOAD || address < segment.p_vaddr) continue;
      const uint64_t within = address - segment.p_vaddr;
      if (within <= segment.p_filesz && size <= segment.p_filesz - within)
        return segment.p_offset + within;
    }
    damaged("a table lies outside");
  }

  std::optional<ElfW(Xword)> value(ElfW(Sxword) tag) const {
    for (const Dyn& entry : dynamic_)
      if (entry.d_tag == tag) return entry.d_un.d_val;
    return std::nullopt;
  }

  void read_dynamic() {
    for (const Phdr& segment : headers_.segments) {
      if (segment.p_type != PT_DYNAMIC) continue;
      // The linker reads it where it is mapped.
      const uint64_t offset = offset_of(segment.p_vaddr, segment.p_filesz);
      dynamic_ = file_.table<Dyn>(offset, segment.p_filesz / sizeof(Dyn));
    }
    const auto end = std::find_if(dynamic_.begin(), dynamic_.end(),
                                  [](const Dyn& entry) { return entry.d_tag == DT_NULL; });
    if (end == dynamic_.end()) damaged("its dynamic section has no end");
    dynamic_.erase(end, dynamic_.end());
  }

  /// Lost entries look like the end: what has a section is to have an entry.
  void check_dynamic(const std::vector<std::pair<std::string, Shdr>>& sections) const {
    for (const auto& named : sections) {
      const Shdr& section = named.second;
      switch (section.sh_type) {
        case SHT_DYNSYM:
        case SHT_GNU_HASH:
        case SHT_GNU_versym:
        case SHT_GNU_verneed:
        case SHT_INIT_ARRAY:
        case SHT_FINI_ARRAY:
          if (std::none_of(dynamic_.begin(), dynamic_.end(),
                           [&](const Dyn& entry) { return entry.d_un.d_ptr == section.sh_addr; }))
            damaged("its dynamic section");
      }
    }
  }

  void read_symbols() {
    const auto strings = value(DT_STRTAB), strings_size = value(DT_STRSZ),
               symbols = value(DT_SYMTAB), hash = value(DT_GNU_HASH);
    if (!strings || !strings_size || !symbols || !hash) damaged("no table of symbols");
    strings_ = file_.table<char>(offset_of(*strings, *strings_size), *strings_size);
    if (strings_.empty() || strings_.back() != '\0') damaged("its names");

    // How many symbols there are, only the hash table says.
    uint32_t sizes[4];  // buckets, first symbol, words of the filter, its shift
    file_.read(offset_of(*hash, sizeof sizes), sizes, sizeof sizes);
    const uint64_t words = sizes[2], buckets_at = *hash + sizeof sizes + words * sizeof(ElfW(Addr));
    if (sizes[0] == 0 || words == 0 || (words & (words - 1)) != 0) damaged("its hash table");
    const auto buckets = file_.table<uint32_t>(
        offset_of(buckets_at, uint64_t{sizes[0]} * sizeof(uint32_t)), sizes[0]);
    uint64_t last = *std::max_element(buckets.begin(), buckets.end());
    if (last < sizes[1]) damaged("its hash table");
    const uint64_t chains_at = buckets_at + buckets.size() * sizeof(uint32_t);
    for (const uint32_t bucket : buckets)
      if (bucket != 0 && bucket < sizes[1]) damaged("its hash table");
    for (uint32_t chain = 0; (chain & 1) == 0; ++last) {
      const ElfW(Addr) at = chains_at + (last - sizes[1]) * sizeof chain;
      file_.read(offset_of(at, sizeof chain), &chain, sizeof chain);
    }
    symbols_ = file_.table<Sym>(offset_of(*symbols, last * sizeof(Sym)), last);
    for (const Sym& symbol : symbols_) {
      const bool empty = symbol.st_name == 0 && symbol.st_info == 0;
      if (symbol.st_name >= strings_.size() || (empty && &symbol != symbols_.data()))
        damaged("its symbols");
    }
  }

  void check_door() const {
    for (const char* name : kDoor) {
      const bool there = std::any_of(symbols_.begin(), symbols_.end(), [&](const Sym& symbol) {
        return symbol.st_shndx != SHN_UNDEF && strcmp(strings_.data() + symbol.st_name, name) == 0;
      });
      if (there) continue;
      if (name == kDoor[0]) throw Wrong(std::string("has no ") + name + ", so it is no Ovi engine");
      throw Wrong(std::string("lacks the function ") + name);
    }
  }

  /// A relocation is a write that the linker does where it is told to.
  void check_relocations() const {
    for (const auto& [at, size_at] : {std::pair{DT_RELA, DT_RELASZ}, {DT_JMPREL, DT_PLTRELSZ}}) {
      const auto address = value(at), size = value(size_at);
      if (!address || !size) continue;
      const auto table = file_.table<Rela>(offset_of(*address, *size), *size / sizeof(Rela));
      // The first ones only add where the library came to lie, and the linker counts on that.
      const uint64_t alike = at == DT_RELA ? value(DT_RELACOUNT).value_or(0) : 0;
      if (alike > table.size()) damaged("its relocations");
      bool empty = false;
      for (const Rela& entry : table) {
        const auto index = static_cast<uint64_t>(&entry - table.data());
        if (index < alike && entry.r_info != table.front().r_info) damaged("its relocations");
        // Spare ones are at the end.
        const bool spare = entry.r_info == 0 && entry.r_offset == 0;
        if ((spare && index == 0) || (empty && !spare) || symbol_of(entry) >= symbols_.size() ||
            (!spare && !is_writable(entry.r_offset)))
          damaged("its relocations");
        empty = spare;
        if (at == DT_JMPREL && !spare && !binds_now()) check_slot(entry.r_offset);
      }
    }
  }

  static uint64_t symbol_of(const Rela& entry) {
#if __SIZEOF_POINTER__ == 8
    return ELF64_R_SYM(entry.r_info);
#else
    return ELF32_R_SYM(entry.r_info);
#endif
  }

  bool binds_now() const {
    return (value(DT_FLAGS).value_or(0) & DF_BIND_NOW) ||
           (value(DT_FLAGS_1).value_or(0) & DF_1_NOW) || value(DT_BIND_NOW);
  }

  /// Until the linker binds a function, its first call goes where the file says.
  void check_slot(ElfW(Addr) address) const {
    ElfW(Addr) first = 0;
    file_.read(offset_of(address, sizeof first), &first, sizeof first);
    if (first == 0) damaged("its calls");
  }

  bool is_writable(ElfW(Addr) address) const {
    return std::any_of(headers_.segments.begin(), headers_.segments.end(),
                       [&](const Phdr& segment) {
                         return segment.p_type == PT_LOAD && (segment.p_flags & PF_W) &&
                                address >= segment.p_vaddr && segment.p_memsz >= sizeof(void*) &&
                                address - segment.p_vaddr <= segment.p_memsz - sizeof(void*);
                       });
  }

  /// Blocks that a disc or a copy lost are zeros.
  void check_code(const std::vector<std::pair<std::string, Shdr>>& sections) const {
    bool code = false;
    for (const auto& [name, section] : sections) {
      const bool runs = section.sh_flags & SHF_EXECINSTR;
      const bool unwinds = name.starts_with(".eh_frame") || name == ".gcc_except_table";
      if (section.sh_type != SHT_PROGBITS || section.sh_size == 0 || !(runs || unwinds)) continue;
      code = code || runs;
      if (has_zero_run(file_.table<uint8_t>(section.sh_offset, section.sh_size)))
        damaged(runs ? "zeros in its code" : "zeros in its tables");
    }
    if (!code) damaged("no code");
  }

  EngineFile asked() const {
    EngineFile made;
    std::string origin = path_.substr(0, path_.rfind('/'));
    if (char* real = realpath(path_.c_str(), nullptr)) {
      origin = std::string(real).substr(0, std::string(real).rfind('/'));
      free(real);
    }
    const bool runpath = value(DT_RUNPATH).has_value();
    made.folders_first = !runpath;
    for (const Dyn& entry : dynamic_) {
      if (entry.d_tag != DT_NEEDED && entry.d_tag != (runpath ? DT_RUNPATH : DT_RPATH)) continue;
      if (entry.d_un.d_val >= strings_.size()) damaged("its names");
      std::string text = strings_.data() + entry.d_un.d_val;
      if (entry.d_tag == DT_NEEDED) {
        made.needed.push_back(text);
        continue;
      }
      for (const char* token : {"${ORIGIN}", "$ORIGIN"})
        for (size_t at; (at = text.find(token)) != std::string::npos;)
          text.replace(at, strlen(token), origin);
      for (const std::string& folder : split_path(text.c_str(), ":"))
        made.folders.push_back(folder);
    }
    return made;
  }

  std::string path_;
  File file_;
  Headers headers_;
  std::vector<Dyn> dynamic_;
  std::vector<char> strings_;
  std::vector<Sym> symbols_;
};

}  // namespace

std::string check_engine_file(const std::string& path, EngineFile& file) {
  try {
    file = Library(path).check();
    return {};
  } catch (const std::bad_alloc&) {
    return "cannot be read: out of memory";
  } catch (const Wrong& wrong) {
    return wrong.what();
  }
}

std::vector<std::string> environment_folders() {
  std::vector<std::string> folders = split_path(secure_getenv("LD_LIBRARY_PATH"), ":;");
  std::erase_if(folders, [](const std::string& folder) { return folder[0] != '/'; });
  return folders;
}

std::vector<std::string> system_folders() {
  std::vector<std::string> folders = {"/usr/local/lib", "/usr/lib64", "/usr/lib"};
  // Debian's has the machine's name in it: there libc is.
  Dl_info libc{};
  if (dladdr(reinterpret_cast<const void*>(&secure_getenv), &libc) && libc.dli_fname &&
      libc.dli_fname[0] == '/') {
    const std::string file = libc.dli_fname;
    folders.insert(folders.begin(), file.substr(0, file.rfind('/')));
  }
  return folders;
}

}  // namespace ovii2v
