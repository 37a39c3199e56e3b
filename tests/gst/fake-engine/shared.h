// State that processes share: a lock and a condition that one of them may be killed in.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>

namespace fake {

/// For std::unique_lock. Whoever dies with it lets it go.
class Mutex {
 public:
  Mutex() {
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex_, &how);
    pthread_mutexattr_destroy(&how);
  }
  void lock() {
    if (pthread_mutex_lock(&mutex_) == EOWNERDEAD) pthread_mutex_consistent(&mutex_);
  }
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

/// A number that changes: nothing in it is broken by a process that dies while it waits.
class Condition {
 public:
  void notify_all() {
    ++changes_;
    syscall(SYS_futex, &changes_, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
  }
  template <typename Lock, typename Done>
  void wait(Lock& held, const Done& done) {
    while (!done()) wait_once(held, nullptr);
  }
  template <typename Lock, typename Done>
  bool wait_for(Lock& held, std::chrono::milliseconds time, const Done& done) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (!done()) {
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
          end - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      const timespec most{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
      wait_once(held, &most);
    }
    return true;
  }

 private:
  template <typename Lock>
  void wait_once(Lock& held, const timespec* most) {
    const uint32_t seen = changes_;
    held.unlock();
    syscall(SYS_futex, &changes_, FUTEX_WAIT, seen, most, nullptr, 0);
    held.lock();
  }
  std::atomic<uint32_t> changes_{0};
};

/// One in all processes for which OVI_FAKE_SHARED names the same file, at the same address, else
/// this process's own. `made` is set by who makes it.
template <typename State>
State* shared_state(bool& made) {
  void* const address = reinterpret_cast<void*>(0x5a0000000000);
  const char* named = getenv("OVI_FAKE_SHARED");
  const int file = named ? open(named, O_RDWR | O_CLOEXEC) : -1;
  if (named && file < 0) abort();
  // The first one to lock it finds it empty, and makes it as large as it has to be.
  if (named && lockf(file, F_LOCK, 0) != 0) abort();
  made = !named || lseek(file, 0, SEEK_END) < static_cast<off_t>(sizeof(State));
  if (named && made && ftruncate(file, sizeof(State)) != 0) abort();
  void* const memory =
      mmap(named ? address : nullptr, sizeof(State), PROT_READ | PROT_WRITE,
           named ? MAP_SHARED | MAP_FIXED_NOREPLACE : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
           file, 0);
  if (memory == MAP_FAILED) abort();
  State* const state = made ? new (memory) State : static_cast<State*>(memory);
  if (named) {
    lseek(file, 0, SEEK_SET);
    if (lockf(file, F_ULOCK, 0) != 0) abort();
    close(file);
  }
  return state;
}

/// What of a count belongs to a process that is there still.
struct Owned {
  pid_t process = 0;
  int engines = 0, buffers = 0;
  bool alive() const { return process && kill(process, 0) == 0; }
};

}  // namespace fake
