// SPDX-License-Identifier: Apache-2.0
#include "runtime/threads.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <signal.h>
#include <unistd.h>

#include <future>
#include <thread>

namespace ovi {
namespace {

constexpr int64_t kPerThread = 1 << 16;  // elements; more than ATen leaves to one thread

// GNU's libgomp spins for milliseconds at each barrier, unless it runs more threads
// than there are cores: then it sleeps at once. Its settings are read when it is
// loaded, which an encoder's plugin may have done before us. So a second set of
// threads is made, which sleeps for ever and thereby counts.
void keep_a_sleeping_team(std::promise<void> made) {
  sigset_t all;  // signals are for the application's threads
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  at::empty({kPerThread * at::get_num_threads()}, at::TensorOptions().dtype(at::kFloat)).fill_(0);
  made.set_value();
  for (;;) pause();
}

}  // namespace

void wait_politely() {
  [[maybe_unused]] static const bool done = [] {
    if (at::get_num_threads() < 2) return true;
    std::promise<void> made;
    std::future<void> ready = made.get_future();
    std::thread(keep_a_sleeping_team, std::move(made)).detach();
    ready.wait();
    return true;
  }();
}

}  // namespace ovi
