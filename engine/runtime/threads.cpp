// SPDX-License-Identifier: Apache-2.0
#include "runtime/threads.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <exception>
#include <future>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace ovi {
namespace {

constexpr int64_t kPerThread = 1 << 16;  // elements; more than ATen leaves to one thread

// GNU's libgomp spins for milliseconds at each barrier, unless it runs more threads
// than there are cores: then it sleeps at once. Its settings are read when it is
// loaded, which an encoder's plugin may have done before us. So a second set of
// threads is made, which sleeps for ever and thereby counts.
void keep_a_sleeping_team(std::promise<void> made) {
  leave_signals_to_the_application();
  try {
    try_threads();
    at::empty({kPerThread * at::get_num_threads()}, at::TensorOptions().dtype(at::kFloat)).fill_(0);
  } catch (const std::exception&) {
    made.set_value();  // they spin, which is no error
    return;
  }
  made.set_value();
  for (;;) pause();
}

// Never ends, and so is never destroyed.
class LastingThread {
 public:
  explicit LastingThread(const c10::Device& of) : device(of) {
    std::thread([this] { serve(); }).detach();
  }

  const c10::Device device;
  bool busy = true;  // whoever makes one uses it; guarded by LastingThreads

  /// One caller at a time.
  void run(const std::function<void()>& work) {
    std::unique_lock<std::mutex> lock(mutex_);
    work_ = &work;
    changed_.notify_all();
    changed_.wait(lock, [this] { return work_ == nullptr; });
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }

 private:
  [[noreturn]] void serve() {
    leave_signals_to_the_application();
    pthread_setname_np(pthread_self(), ("ovii2v " + device.str()).substr(0, 15).c_str());
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return work_ != nullptr; });
      lock.unlock();
      std::exception_ptr thrown;
      try {
        const c10::DeviceGuard guard(device);
        try_threads();
        (*work_)();
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      thrown_ = std::exchange(thrown, nullptr);
      work_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* work_ = nullptr;
  std::exception_ptr thrown_;
};

class LastingThreads {
 public:
  /// The first idle one: most likely it made such a clip before.
  LastingThread& take(const c10::Device& device) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (LastingThread& thread : threads_) {
      if (!thread.busy && thread.device == device) {
        thread.busy = true;
        return thread;
      }
    }
    try {
      return threads_.emplace_back(device);
    } catch (const std::system_error& error) {
      throw no_threads(error.what());
    }
  }
  void give_back(LastingThread& thread) {
    const std::lock_guard<std::mutex> lock(mutex_);
    thread.busy = false;
  }

 private:
  std::mutex mutex_;
  std::list<LastingThread> threads_;
};

LastingThreads& lasting_threads() {
  static auto* const threads = new LastingThreads;  // they wait until the process ends
  return *threads;
}

}  // namespace

void leave_signals_to_the_application() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

Error no_threads(const std::string& reason) {
  return Error(ErrorKind::kNoSpace,
               "Out of threads: the system starts no more for this program. Close what else runs, "
               "raise its limit (ulimit -u, TasksMax=, pids.max), or set OMP_NUM_THREADS=1.",
               reason);
}

void throw_no_threads(const std::exception_ptr& refused) {
  try {
    std::rethrow_exception(refused);
  } catch (const std::system_error& error) {
    throw no_threads(error.what());
  }
}

void try_threads() {
  thread_local bool tried = false;
  if (tried) return;
  std::mutex gate;
  std::vector<std::thread> crew;
  std::exception_ptr refused;  // thrown on when all that started have ended
  {
    const std::lock_guard<std::mutex> closed(gate);  // all of them at the same time
    try {
      for (int i = 1; i < at::get_num_threads(); ++i) {
        crew.emplace_back([&gate] {
          leave_signals_to_the_application();
          const std::lock_guard<std::mutex> opened(gate);
        });
      }
    } catch (...) {
      refused = std::current_exception();
    }
  }
  for (std::thread& one : crew) one.join();
  if (refused) throw_no_threads(refused);
  tried = true;
}

void wait_politely() {
  [[maybe_unused]] static const bool done = [] {
    if (at::get_num_threads() < 2) return true;
    std::promise<void> made;
    std::future<void> ready = made.get_future();
    try {
      std::thread(keep_a_sleeping_team, std::move(made)).detach();
    } catch (const std::system_error&) {
      return false;  // try_threads() tells
    }
    ready.wait();
    return true;
  }();
}

void on_lasting_thread(const c10::Device& device, const std::function<void()>& work) {
  if (device.is_cpu()) {
    try_threads();
    work();
    return;
  }
  struct Taken {
    ~Taken() { lasting_threads().give_back(thread); }
    LastingThread& thread;
  };
  const Taken taken{lasting_threads().take(device)};
  taken.thread.run(work);
}

}  // namespace ovi
