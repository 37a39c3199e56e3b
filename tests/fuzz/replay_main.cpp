// Runs a fuzz entry point over the files of some folders and over mutations of them, the same
// way each time and with the compiler of the users: usage: fuzz-TARGET ROUNDS FOLDER... Whatever
// the entry point does not survive ends the process; the input is then in
// last-input-of-fuzz-TARGET in the working folder.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "../sanitizers.h"
#include "fuzz_input.h"

namespace {

constexpr uint32_t kSeed = 1;
constexpr rlim_t kMemory = rlim_t{8} << 30;  // address space, LibTorch's libraries included

using Bytes = std::vector<uint8_t>;

std::string last_input;  // path

std::vector<Bytes> read_folders(char** begin, char** end) {
  std::vector<std::filesystem::path> paths;
  for (; begin != end; ++begin) {
    if (!std::filesystem::exists(*begin)) continue;  // nothing was found yet
    for (const auto& entry : std::filesystem::directory_iterator(*begin))
      paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> files;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  // From nothing no mutation is made.
  std::erase_if(files, [](const Bytes& bytes) { return bytes.empty(); });
  return files;
}

class Mutator {
 public:
  explicit Mutator(const std::vector<Bytes>& files) : files_(files), random_(kSeed) {}

  Bytes next() {
    Bytes bytes = files_[below(files_.size())];
    for (size_t count = 1 + below(4); count > 0 && !bytes.empty(); --count) change(bytes);
    return bytes;
  }

 private:
  size_t below(size_t limit) { return random_() % limit; }

  void change(Bytes& bytes) {
    const size_t at = below(bytes.size());
    switch (below(8)) {
      case 0:
        bytes[at] ^= static_cast<uint8_t>(1u << below(8));
        break;
      case 1:
        bytes[at] = static_cast<uint8_t>(random_());
        break;
      case 2: {  // an interesting number of 1, 2, 4 or 8 bytes
        static constexpr uint64_t kNumbers[] = {0,
                                                1,
                                                0x7f,
                                                0x80,
                                                0xff,
                                                0x7fff,
                                                0xffff,
                                                0x7fffffff,
                                                0xffffffff,
                                                uint64_t{1} << 62,
                                                ~uint64_t{0} >> 1,
                                                ~uint64_t{0}};
        uint64_t number = kNumbers[below(std::size(kNumbers))];
        for (size_t i = 0, width = size_t{1} << below(4); i < width && at + i < bytes.size(); ++i) {
          bytes[at + i] = static_cast<uint8_t>(number);
          number >>= 8;
        }
        break;
      }
      case 3:
        bytes.resize(at);
        break;
      case 4:  // leave out
        bytes.erase(bytes.begin() + static_cast<ptrdiff_t>(at),
                    bytes.begin() + static_cast<ptrdiff_t>(at + below(bytes.size() - at)));
        break;
      case 5: {  // repeat a part elsewhere
        const size_t from = below(bytes.size());
        const Bytes part(
            bytes.begin() + static_cast<ptrdiff_t>(from),
            bytes.begin() +
                static_cast<ptrdiff_t>(from + below(std::min<size_t>(64, bytes.size() - from))));
        bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), part.begin(), part.end());
        break;
      }
      case 6: {  // change a digit, where headers have their numbers
        const auto digit = std::find_if(bytes.begin() + static_cast<ptrdiff_t>(at), bytes.end(),
                                        [](uint8_t c) { return c >= '0' && c <= '9'; });
        if (digit != bytes.end()) *digit = static_cast<uint8_t>('0' + below(10));
        break;
      }
      default: {  // a part of another file
        const Bytes& other = files_[below(files_.size())];
        const size_t from = below(other.size());
        const size_t length =
            std::min({size_t{1} + below(32), other.size() - from, bytes.size() - at});
        std::copy_n(other.begin() + static_cast<ptrdiff_t>(from), length,
                    bytes.begin() + static_cast<ptrdiff_t>(at));
      }
    }
  }

  const std::vector<Bytes>& files_;
  std::mt19937 random_;
};

const Bytes* current_input = nullptr;

/// Leaves the input that ended the process in a file; only calls what a signal
/// handler may.
void keep_input(int signal) {
  const int file = ::open(last_input.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file >= 0 && current_input) {
    const ssize_t ignored = ::write(file, current_input->data(), current_input->size());
    (void)ignored;
    ::close(file);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const Bytes& bytes) {
  current_input = &bytes;
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  current_input = nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s ROUNDS FOLDER...\n", argv[0]);
    return 2;
  }
  const std::vector<Bytes> files = read_folders(argv + 2, argv + argc);
  const long rounds = std::strtol(argv[1], nullptr, 10);
  if (files.empty() || rounds <= 0) {
    std::fprintf(stderr, "no files in %s, or no rounds\n", argv[2]);
    return 2;
  }
  last_input = "last-input-of-" + std::filesystem::path(argv[0]).filename().string();
  // A wild allocation then fails, and what is not caught ends the test.
#ifndef OVI_ADDRESS_SANITIZER  // which maps terabytes of its own
  const rlimit limit{kMemory, kMemory};
  if (::setrlimit(RLIMIT_AS, &limit) != 0) std::perror("setrlimit");
#endif

  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, keep_input);

  const auto start = std::chrono::steady_clock::now();
  for (const Bytes& bytes : files) run(bytes);
  Mutator mutator(files);
  for (long i = 0; i < rounds; ++i) run(mutator.next());

  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%zu files and %ld mutations survived in %.1f s, %ld MiB at most\n", files.size(),
              rounds, seconds, usage.ru_maxrss / 1024);
  constexpr long kMostMiB = 1024;  // inputs are a few KB
  return usage.ru_maxrss / 1024 < kMostMiB ? 0 : 1;
}
