// Takes the place of the C library's functions for the whole process: what a program defines comes
// before every library. The library's own are called by the names that glibc has for that.
// SPDX-License-Identifier: Apache-2.0
#include "no_memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <memory>

namespace ovi::no_memory {
namespace {

constexpr size_t kLarge = 64 << 10;

enum class What { kNothing, kMemory, kThreads };
std::atomic<What> refused_now{What::kNothing};
std::atomic<bool> sticky{false}, hit{false};
std::atomic<int64_t> count{0}, limit{0};

bool is_refused(size_t size) {
  if (size < kLarge || refused_now != What::kMemory) return false;
  const int64_t number = ++count, wanted = limit;
  const bool fails = wanted > 0 && (number == wanted || (sticky && number > wanted));
  if (fails) hit = true;
  return fails;
}

/// One of the threads that are counted; also ends with pthread_exit().
class Counted {
 public:
  static bool is_refused() {
    if (refused_now != What::kThreads) return false;
    if (alive_ >= limit) {
      hit = true;
      return true;
    }
    const int64_t now = ++alive_;
    if (now > count) count = now;
    return false;
  }
  Counted(void* (*run)(void*), void* argument) : run_(run), argument_(argument) {}
  static void* start(void* given) {
    const std::unique_ptr<Counted> self(static_cast<Counted*>(given));
    return self->run_(self->argument_);
  }
  ~Counted() { --alive_; }

 private:
  static inline std::atomic<int64_t> alive_{0};
  void* (*run_)(void*);
  void* argument_;
};

void arm(What what, int64_t most, bool and_all_after) {
  count = 0;
  limit = most;
  sticky = and_all_after;
  hit = false;
  refused_now = what;
}

}  // namespace

void refuse_memory(int64_t nth, bool and_all_after) { arm(What::kMemory, nth, and_all_after); }
void refuse_threads(int64_t most) { arm(What::kThreads, most, false); }

int64_t stop() {
  refused_now = What::kNothing;
  return count;
}

bool refused() { return hit; }

}  // namespace ovi::no_memory

using ovi::no_memory::Counted;
using ovi::no_memory::is_refused;

extern "C" {
// NOLINTBEGIN: names of the C library
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

#define OVI_REPLACES __attribute__((visibility("default")))

static void* none() {
  errno = ENOMEM;
  return nullptr;
}

OVI_REPLACES void* malloc(size_t size) { return is_refused(size) ? none() : __libc_malloc(size); }
OVI_REPLACES void* calloc(size_t count, size_t size) {
  return is_refused(count * size) ? none() : __libc_calloc(count, size);
}
OVI_REPLACES void* realloc(void* old, size_t size) {
  return is_refused(size) ? none() : __libc_realloc(old, size);
}
OVI_REPLACES void* memalign(size_t alignment, size_t size) {
  return is_refused(size) ? none() : __libc_memalign(alignment, size);
}
OVI_REPLACES void* aligned_alloc(size_t alignment, size_t size) {
  return memalign(alignment, size);
}
OVI_REPLACES int posix_memalign(void** made, size_t alignment, size_t size) {
  void* const memory = memalign(alignment, size);
  if (!memory) return ENOMEM;
  *made = memory;
  return 0;
}
OVI_REPLACES void* mmap(void* at, size_t size, int protection, int flags, int file, off_t offset) {
  static const auto real = reinterpret_cast<decltype(&mmap)>(dlsym(RTLD_NEXT, "mmap"));
  if (!is_refused(size)) return real(at, size, protection, flags, file, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}
OVI_REPLACES int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                void* (*run)(void*), void* argument) {
  static const auto real =
      reinterpret_cast<decltype(&pthread_create)>(dlsym(RTLD_NEXT, "pthread_create"));
  if (ovi::no_memory::refused_now != ovi::no_memory::What::kThreads)
    return real(thread, attributes, run, argument);
  if (Counted::is_refused()) return EAGAIN;
  return real(thread, attributes, Counted::start, new Counted(run, argument));
}
// NOLINTEND
}
