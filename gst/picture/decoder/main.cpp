// ovii2v-picture: decodes one picture, in a process of its own, so that no file can harm the
// process that wants it. Input: descriptor 0, a regular file or memfd. Output: answer.h's.
// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <charconv>
#include <cstring>
#include <string_view>

#include "decoders.h"
#include "film.h"
#include "sandbox.h"
#include "still.h"

namespace ovii2v::picture {
namespace {

constexpr int kIn = STDIN_FILENO, kOut = STDOUT_FILENO;

constexpr const char* kOpenDoors = "the decoder's process cannot give up its rights here (seccomp)";

struct Options {
  Limits limits;
  uint64_t seconds = 10;
  uint64_t memory_mib = 3072;
  uint64_t parent = 0;  // whose end is this one's as well; 0: whoever it is
};

bool parse(int count, char** words, Options& options) {
  uint64_t* target = nullptr;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (target) {
      const auto [end, wrong] = std::from_chars(word.data(), word.data() + word.size(), *target);
      if (wrong != std::errc() || end != word.data() + word.size() || *target == 0) return false;
      target = nullptr;
      continue;
    }
    target = word == "--most-pixels"  ? &options.limits.most_pixels
             : word == "--most-bytes" ? &options.limits.most_bytes
             : word == "--seconds"    ? &options.seconds
             : word == "--memory-mib" ? &options.memory_mib
             : word == "--parent"     ? &options.parent
                                      : nullptr;
    if (!target) return false;
  }
  return !target;
}

/// At most `count` bytes from the input's begin; fewer where it ends or fails.
std::vector<uint8_t> read_input(size_t count) {
  std::vector<uint8_t> bytes(count);
  size_t at = 0;
  while (at < count) {
    const ssize_t got = pread(kIn, bytes.data() + at, count - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    at += static_cast<size_t>(got);
  }
  bytes.resize(at);
  return bytes;
}

bool write_all(const void* data, size_t count) {
  const auto* at = static_cast<const uint8_t*>(data);
  while (count) {
    const ssize_t put = write(kOut, at, count);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += put;
    count -= static_cast<size_t>(put);
  }
  return true;
}

std::string shown_bytes(uint64_t bytes) {
  constexpr uint64_t kKib = 1024, kMib = kKib * kKib;
  return bytes >= kMib   ? std::to_string(bytes / kMib) + " MiB"
         : bytes >= kKib ? std::to_string(bytes / kKib) + " KiB"
                         : std::to_string(bytes) + " bytes";
}

/// From here on the process does nothing but compute.
Decoded read_still(uint64_t bytes, const Limits& limits) {
  prepare_heif();
  if (!close_doors()) return no_picture(Outcome::kFailed, kOpenDoors);
  return decode_still(read_input(bytes), limits);
}

Decoded read_picture(const Options& options) {
  if (!limit_process(options.seconds, options.memory_mib << 20))
    return no_picture(Outcome::kFailed, "the decoder's process cannot be limited here");
  // It went before this process was bound to it.
  if (options.parent && options.parent != static_cast<uint64_t>(getppid()))
    return no_picture(Outcome::kFailed, "whoever asked is gone");
  struct stat info {};
  if (fstat(kIn, &info) != 0)
    return no_picture(Outcome::kFailed,
                      std::string("the decoder's input cannot be read: ") + std::strerror(errno));
  // Read at any place, more than once, and with an end.
  if (!S_ISREG(info.st_mode))
    return no_picture(Outcome::kFailed,
                      "the decoder's input is not a regular file (a pipe or a device): give it one "
                      "with <FILE");
  const auto bytes = static_cast<uint64_t>(info.st_size);
  if (bytes > options.limits.most_bytes)
    return no_picture(Outcome::kTooLarge, "it has " + shown_bytes(bytes) + ", more than the " +
                                              shown_bytes(options.limits.most_bytes) +
                                              " that are read");
  return is_still(read_input(kMagicBytes)) ? read_still(bytes, options.limits)
                                           : decode_film(kIn, options.limits, options.seconds);
}

int answer(Decoded decoded) {
  AnswerHead head;
  head.outcome = decoded.outcome;
  head.width = decoded.width, head.height = decoded.height;
  decoded.text.resize(std::min<size_t>(decoded.text.size(), AnswerHead::kMostText));
  head.text_bytes = static_cast<uint32_t>(decoded.text.size());
  return write_all(&head, sizeof head) && write_all(decoded.text.data(), decoded.text.size()) &&
                 write_all(decoded.rgb.data(), decoded.rgb.size())
             ? EXIT_SUCCESS
             : EXIT_FAILURE;
}

int run(const Options& options) {
  try {
    return answer(read_picture(options));
  } catch (const std::bad_alloc&) {
    return answer(no_picture(Outcome::kNoMemory, "it takes more memory than a picture may"));
  }
}

}  // namespace
}  // namespace ovii2v::picture

int main(int count, char** words) {
  ovii2v::picture::Options options;
  if (!ovii2v::picture::parse(count, words, options)) {
    std::fputs(
        "usage: ovii2v-picture [--most-pixels N] [--most-bytes N] [--seconds N] "
        "[--memory-mib N] [--parent PID] <FILE >ANSWER\n",
        stderr);
    return 2;
  }
  _exit(ovii2v::picture::run(options));
}
