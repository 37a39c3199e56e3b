// SPDX-License-Identifier: Apache-2.0
#include "runtime/tasks.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/threads.h"

namespace ovi {

void run_tasks(size_t count, size_t threads, const std::function<void(size_t)>& task,
               const std::function<void(size_t)>& done) {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<size_t> ended;
  std::exception_ptr failure;
  size_t next = 0, running = std::min(threads, count);

  const auto work = [&] {
    const c10::InferenceMode inference;
    std::unique_lock<std::mutex> lock(mutex);
    while (!failure && next < count) {
      const size_t index = next++;
      lock.unlock();
      std::exception_ptr thrown;
      try {
        task(index);
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      try {
        if (!thrown) ended.push_back(index);
      } catch (...) {  // a thread that throws ends the process
        thrown = std::current_exception();
      }
      if (thrown && !failure) failure = thrown;
      changed.notify_one();
    }
    --running;
    changed.notify_one();
  };
  std::vector<std::thread> crew;
  crew.reserve(running);
  std::exception_ptr refused;
  for (size_t i = 0, n = running; i < n && !refused; ++i) {
    try {
      crew.emplace_back(work);
    } catch (...) {
      refused = std::current_exception();
    }
  }

  std::unique_lock<std::mutex> lock(mutex);
  // Fewer do it too.
  running -= std::min(threads, count) - crew.size();
  if (crew.empty() && refused) throw_no_threads(refused);
  while (running > 0 || !ended.empty()) {
    changed.wait(lock, [&] { return running == 0 || !ended.empty(); });
    while (!ended.empty()) {
      const size_t index = ended.front();
      ended.pop_front();
      if (!done || failure) continue;
      lock.unlock();
      std::exception_ptr thrown;
      try {
        done(index);
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      if (thrown && !failure) failure = thrown;
    }
  }
  lock.unlock();
  for (std::thread& one : crew) one.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace ovi
