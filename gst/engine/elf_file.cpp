// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/elf_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ovii2v::elf {

void truncated() { throw Wrong("is truncated: copy or install it again"); }
void damaged(const char* what) {
  throw Wrong(std::string("is damaged (") + what + "): copy or install it again");
}

File::File(const std::string& path) {
  // A FIFO nobody writes to would block.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor_ < 0) {
    if (errno == ENOENT || errno == ENOTDIR) throw Wrong(kNoSuchFile);
    if (errno == EACCES) throw Wrong("may not be read: give this user the right to");
    throw Wrong(std::string("cannot be opened: ") + strerror(errno));
  }
  struct stat status {};
  if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    throw Wrong(S_ISDIR(status.st_mode) ? "is a folder" : "is no regular file");
  }
  size_ = static_cast<uint64_t>(status.st_size);
}

File::~File() { ::close(descriptor_); }

void File::read(uint64_t offset, void* to, uint64_t size) const {
  if (!holds(offset, size)) truncated();
  auto* bytes = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = pread(descriptor_, bytes, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Wrong(std::string("cannot be read: ") + strerror(errno));
    if (got == 0) truncated();
    bytes += got;
    offset += static_cast<uint64_t>(got);
    size -= static_cast<uint64_t>(got);
  }
}

Headers::Headers(const File& file) {
  unsigned char mark[SELFMAG];
  if (!file.holds(0, SELFMAG)) throw Wrong("is no library");
  file.read(0, mark, SELFMAG);
  if (memcmp(mark, ELFMAG, SELFMAG) != 0) throw Wrong("is no library");
  file.read(0, &head, sizeof head);
  // What this machine is, the plug-in itself says.
  Dl_info self{};
  if (dladdr(reinterpret_cast<const void*>(&build_id_of_file), &self) && self.dli_fbase) {
    const auto* own = static_cast<const Ehdr*>(self.dli_fbase);
    if (memcmp(head.e_ident, own->e_ident, EI_VERSION) != 0 || head.e_machine != own->e_machine)
      throw Wrong("is made for another kind of machine: install the one for this processor");
  }
  if (head.e_type != ET_DYN) throw Wrong("is no shared library");
  if (head.e_phentsize != sizeof(Phdr) || head.e_phnum == 0) damaged("no segments");
  segments = file.table<Phdr>(head.e_phoff, head.e_phnum);
}

namespace {

std::string build_id(const File& file, const Headers& headers) {
  for (const Phdr& segment : headers.segments) {
    if (segment.p_type != PT_NOTE || segment.p_filesz > 65536) continue;
    const auto notes = file.table<uint8_t>(segment.p_offset, segment.p_filesz);
    if (std::string id = build_id_in_notes(notes.data(), notes.size()); !id.empty()) return id;
  }
  return {};
}

}  // namespace

std::string build_id_of_file(const std::string& path) {
  try {
    const File file(path);
    return build_id(file, Headers(file));
  } catch (const std::exception&) {
    return {};
  }
}

std::string build_id_in_notes(const uint8_t* notes, size_t size) {
  const auto padded = [](uint64_t bytes) { return (bytes + 3) & ~uint64_t{3}; };
  ElfW(Nhdr) note;
  for (uint64_t at = 0; at <= size && size - at >= sizeof note;) {
    memcpy(&note, notes + at, sizeof note);
    const uint64_t name = at + sizeof note, content = name + padded(note.n_namesz);
    if (content > size || note.n_descsz > size - content) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0)
      return {reinterpret_cast<const char*>(notes + content), note.n_descsz};
    at = content + padded(note.n_descsz);
  }
  return {};
}

}  // namespace ovii2v::elf
