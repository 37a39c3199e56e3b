// The threads of a block as coroutines of one thread of the host.
// SPDX-License-Identifier: Apache-2.0
#include "emulated_cuda.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <vector>

#include "coroutine.h"

emulated_cuda::Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulated_cuda {
namespace {

constexpr int kWarp = 32, kMostThreads = 1024;
constexpr int kInvalidConfiguration = 9;

enum class State { kReady, kAtBarrier, kShuffling, kEnded };

struct Thread {
  explicit Thread(void (*body)()) : coroutine(body) {}
  Coroutine coroutine;
  State state = State::kEnded;
  float given = 0, received = 0;
  int step = 0;
};

[[noreturn]] void refuse(const char* what) {
  std::fprintf(stderr, "Emulated GPU: block %u: %s.\n", blockIdx.x, what);
  std::fflush(stderr);
  std::abort();
}

class Block {
 public:
  void run(int threads, const std::function<void()>& kernel) {
    kernel_ = &kernel;
    count_ = threads;
    while (threads_.size() < static_cast<size_t>(threads))
      threads_.push_back(std::make_unique<Thread>(&Block::body));
    for (int i = 0; i < threads; ++i) at(i).state = State::kReady;
    while (count(State::kEnded) < threads) {
      const int warp = any_ready_warp();
      if (warp >= 0)
        advance(warp);
      else if (count(State::kAtBarrier) == threads)
        for (int i = 0; i < threads; ++i) at(i).state = State::kReady;
      else
        explain();
    }
  }

  // What a thread calls.
  void wait(State state) {
    Thread& self = at(current_);
    self.state = state;
    self.coroutine.leave();
  }
  Thread& self() { return at(current_); }

 private:
  Thread& at(int i) { return *threads_[static_cast<size_t>(i)]; }
  int count(State state) {
    int sum = 0;
    for (int i = 0; i < count_; ++i) sum += at(i).state == state;
    return sum;
  }

  // A thread's whole life: it runs one kernel after the other.
  static void body();

  // The first thread of one, -1 when there is none.
  int any_ready_warp() {
    ready_.clear();
    for (int i = 0; i < count_; ++i) {
      const int warp = i / kWarp * kWarp;
      if (at(i).state == State::kReady && (ready_.empty() || ready_.back() != warp))
        ready_.push_back(warp);
    }
    return ready_.empty() ? -1 : ready_[random_() % ready_.size()];
  }

  // As far as the warp comes without the others: they may be that late.
  void advance(int warp) {
    int order[kWarp];
    const int lanes = std::min(kWarp, count_ - warp);
    std::iota(order, order + lanes, warp);
    do {
      std::shuffle(order, order + lanes, random_);
      for (int i = 0; i < lanes; ++i) {
        if (at(order[i]).state == State::kReady) resume(order[i]);
      }
    } while (lanes == kWarp && exchange(warp));
  }

  void resume(int i) {
    current_ = i;
    threadIdx.x = static_cast<unsigned>(i);
    at(i).coroutine.resume();
  }

  bool exchange(int warp) {
    const int step = at(warp).step;
    for (int i = warp; i < warp + kWarp; ++i) {
      if (at(i).state != State::kShuffling) return false;
      if (at(i).step != step) refuse("the lanes of a warp shuffle over different distances");
    }
    for (int i = warp; i < warp + kWarp; ++i) at(i).received = at(i ^ step).given;
    for (int i = warp; i < warp + kWarp; ++i) at(i).state = State::kReady;
    return true;
  }

  [[noreturn]] void explain() {
    char text[160];
    std::snprintf(text, sizeof text,
                  "of %d threads %d wait at __syncthreads, %d in a shuffle, and %d have ended",
                  count_, count(State::kAtBarrier), count(State::kShuffling), count(State::kEnded));
    refuse(text);
  }

  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<int> ready_;  // warps
  std::minstd_rand random_;
  const std::function<void()>* kernel_ = nullptr;
  int count_ = 0, current_ = 0;
};

std::mutex turn;
int64_t run_count = 0;  // guarded by turn

Block& block() {
  static auto* const only = new Block;
  return *only;
}

void Block::body() {
  Coroutine::begun();
  for (;;) {
    (*block().kernel_)();
    block().wait(State::kEnded);
  }
}

}  // namespace

std::function<void()> on_run;

int run(int64_t blocks, int threads, const std::function<void()>& kernel) {
  if (blocks < 1 || blocks > INT32_MAX || threads < 1 || threads > kMostThreads)
    return kInvalidConfiguration;
  const std::lock_guard<std::mutex> mine(turn);
  if (on_run) on_run();
  ++run_count;
  gridDim.x = static_cast<unsigned>(blocks);
  blockDim.x = static_cast<unsigned>(threads);
  for (int64_t i = 0; i < blocks; ++i) {
    blockIdx.x = static_cast<unsigned>(i);
    block().run(threads, kernel);
  }
  return 0;
}

int64_t runs() {
  const std::lock_guard<std::mutex> mine(turn);
  return run_count;
}

void synchronize_threads() { block().wait(State::kAtBarrier); }

float shuffle_xor(unsigned lanes, float value, int step) {
  if (lanes != 0xffffffffu) refuse("a shuffle of a part of a warp");
  Thread& self = block().self();
  self.given = value;
  self.step = step;
  block().wait(State::kShuffling);
  return self.received;
}

}  // namespace emulated_cuda
