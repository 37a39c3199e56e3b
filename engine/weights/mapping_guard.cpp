// The handler runs in whatever thread has faulted, LibTorch's own among them: it reads a list
// that only grows, makes one system call, and takes no lock.
// SPDX-License-Identifier: Apache-2.0
#include "weights/mapping_guard.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

namespace ovi {

/// Never freed, so that a handler may look at it at any time; used again when it is empty.
struct MappingGuard::Region {
  std::atomic<uintptr_t> begin{0}, end{0};  // whole pages
  std::atomic<bool> failed{false};
  Region* next = nullptr;
};

namespace {

std::atomic<MappingGuard::Region*> regions{nullptr};
std::atomic<uintptr_t> page_bytes{4096};

std::mutex mutex;  // of what follows; never taken by the handler
size_t mappings = 0;
bool installed = false;
struct sigaction before;  // written only while the handler is not installed

/// From the faulting page to the end: one fault a mapping, and one more entry in the system's
/// list of them, however long the missing part is.
bool cover(uintptr_t address) {
  for (MappingGuard::Region* region = regions.load(std::memory_order_acquire); region;
       region = region->next) {
    const uintptr_t begin = region->begin.load(), end = region->end.load();
    if (address < begin || address >= end) continue;
    const uintptr_t page = address / page_bytes.load() * page_bytes.load();
    region->failed.store(true);
    const long mapped = ::syscall(SYS_mmap, page, end - page, PROT_READ,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    return mapped == static_cast<long>(page);
  }
  return false;
}

void pass_on(int signal, siginfo_t* info, void* context) {
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(signal, info, context);
    return;
  }
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(signal);
    return;
  }
  const bool sent = info->si_code <= 0;  // by kill() or raise(), not by a fault
  if (sent && before.sa_handler == SIG_IGN) return;
  // The default: a fault happens again as soon as this returns, what was sent is sent again.
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  ::sigaction(signal, &fallback, nullptr);
  if (sent) ::raise(signal);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool covered = info->si_code > 0 && cover(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = error;
  if (!covered) pass_on(signal, info, context);
}

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == on_fault;
}

void install() {
  struct sigaction now;
  if (::sigaction(SIGBUS, nullptr, &now) != 0 || is_ours(now)) return;
  // Somebody's handler on top of ours may call ours: on top of it again, they would call each
  // other for ever.
  const bool plain =
      !(now.sa_flags & SA_SIGINFO) && (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN);
  if (installed && !plain) return;
  before = now;
  page_bytes.store(static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE)));
  struct sigaction ours = {};
  ours.sa_sigaction = on_fault;
  ours.sa_mask = now.sa_mask;
  // A thread may have a stack for signals because its own is small.
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (now.sa_flags & (SA_RESTART | SA_NODEFER));
  installed = ::sigaction(SIGBUS, &ours, nullptr) == 0;
}

void uninstall() {
  struct sigaction now;
  if (!installed || ::sigaction(SIGBUS, nullptr, &now) != 0 || !is_ours(now)) return;
  installed = ::sigaction(SIGBUS, &before, nullptr) != 0;
}

}  // namespace

MappingGuard::MappingGuard(const void* begin, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex);
  region_ = regions.load();
  while (region_ && region_->end.load() != 0) region_ = region_->next;
  const bool is_new = region_ == nullptr;
  if (is_new) {
    region_ = new Region;
    region_->next = regions.load();
  }
  if (mappings++ == 0 || !installed) install();
  const uintptr_t page = page_bytes.load();
  region_->failed.store(false);
  region_->begin.store(reinterpret_cast<uintptr_t>(begin));
  region_->end.store((reinterpret_cast<uintptr_t>(begin) + size + page - 1) / page * page);
  if (is_new) regions.store(region_, std::memory_order_release);
}

MappingGuard::~MappingGuard() {
  const std::lock_guard<std::mutex> lock(mutex);
  region_->end.store(0);
  region_->begin.store(0);
  if (--mappings == 0) uninstall();
}

bool MappingGuard::failed() const { return region_->failed.load(); }

FaultsTaken::FaultsTaken() {
  sigset_t taken;
  ::sigemptyset(&taken);
  ::sigaddset(&taken, SIGBUS);
  ::pthread_sigmask(SIG_UNBLOCK, &taken, &before_);
}

FaultsTaken::~FaultsTaken() {
  sigset_t taken;
  ::sigemptyset(&taken);
  ::sigaddset(&taken, SIGBUS);
  if (::sigismember(&before_, SIGBUS) == 1) ::pthread_sigmask(SIG_BLOCK, &taken, nullptr);
}

}  // namespace ovi
