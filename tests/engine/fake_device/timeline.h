// What the fake device's streams did, in which order, and what the host knows of it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "fake_device.h"

namespace ovi::test::fake {

inline constexpr int kStreams = 33;            // the default stream and a pool of 32
using Clock = std::array<uint64_t, kStreams>;  // how much of each stream is known to be done

enum class Kind { kDevice, kPinned };

/// Memory and who touched it.
struct Block {
  struct Access {
    int stream;
    uint64_t time;  // the stream's clock
    size_t begin, end;
    bool write;
  };
  Kind kind;
  size_t bytes;
  int stream;  // the one it was allocated for
  std::unique_ptr<char[]> data;
  std::vector<Access> accesses;
  std::set<int> recorded;  // streams that it was recorded on
  Clock done_at{};         // once freed: when those streams no longer use it
};

struct Event {
  Clock clock{};
  int stream = 0;
  int queries = 0;
};

class Timeline {
 public:
  static Timeline& get();

  /// LibTorch starts a device before its first operation.
  void start() { started_ = true; }
  bool started() const { return started_; }

  // Streams: the current one is the thread's own.
  int current_stream() const;
  int exchange_stream(int stream);
  int next_stream();

  // Memory.
  Block* allocate(size_t bytes, Kind kind);
  void release(Block* block);
  void record_stream(const void* data, int stream);
  bool is_pinned(const void* data);
  void empty_cache();
  void empty_pinned_cache();
  void reset_peaks();
  void set_memory(size_t total, size_t others);
  size_t total_bytes() const { return total_; }
  size_t free_bytes();

  /// Something more for the current stream: its time there.
  uint64_t launch();
  /// The same on `stream`, for what may read or write anything. It finds done what the
  /// stream is ordered after, and no more.
  void launch_unknown(int stream);
  /// What is launched at `time` reads or writes these bytes; unknown memory is the host's.
  void touch(const void* data, size_t bytes, bool write, uint64_t time, const std::string& what);
  /// A copy of the current stream at `time` that may run late.
  void defer(const void* from, void* to, size_t bytes, uint64_t time);

  // Events and waits.
  void record(Event& event, int stream);
  void block(const Event& event, int stream);
  bool query(Event& event);
  bool query_stream(int stream);
  void wait_event(const Event& event);
  void wait_stream(int stream);
  void wait_device();
  void wait_copy();   // of the current stream
  void wait_value();  // of the current stream

  void break_down() { broken_ = true; }

  Memory memory();
  Waits waits();
  int64_t launches();
  std::vector<std::string> violations();
  void reset();

 private:
  struct Late {
    int stream;
    uint64_t time;
    std::shared_ptr<Block> from, to;
    std::function<void()> run;
  };

  std::shared_ptr<Block> find(const void* data);
  void run_late_of(const Block& block, bool write);
  void run_late_before(const Clock& clock);
  void host_learns(const Clock& clock, int64_t Waits::*kind);
  bool outstanding(const Clock& clock) const;
  bool idle() const;
  void reap();
  void forget(Block* block);
  void complain(const std::string& what);
  void check_alive() const;

  std::atomic<bool> started_ = false, broken_ = false;
  std::recursive_mutex mutex_;
  std::array<Clock, kStreams> clocks_{};
  Clock host_{};
  int last_pool_stream_ = 0;
  std::map<const char*, std::shared_ptr<Block>> blocks_;  // by address
  std::vector<Block*> freed_;                             // that a recorded stream may still use
  std::list<Late> late_;
  size_t total_ = size_t{64} << 30, others_ = 0;
  Memory memory_;
  Waits waits_;
  int64_t launches_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace ovi::test::fake
