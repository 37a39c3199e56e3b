// The stores of torch.distributed.
// SPDX-License-Identifier: Apache-2.0
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#include <vector>

#include "parallel/store.h"
#include "runtime/decimal.h"
#include "runtime/error.h"
#include "runtime/threads.h"

namespace ovi::parallel {
namespace {

using Milliseconds = std::chrono::milliseconds;
constexpr Milliseconds kAnswer(5000);  // a store that takes longer is gone
constexpr Milliseconds kAgain(100);    // between two tries to reach one

std::string message_of(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  return torch ? torch->what_without_backtrace() : error.what();
}

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

std::optional<std::string> look_in(c10d::Store& store, const std::string& key) {
  if (!store.check({key})) return std::nullopt;
  return text_of(store.get(key));
}

class ProcessStore final : public Store {
 public:
  void set(const std::string& key, const std::string& value) override {
    store_->c10d::Store::set(key, value);
  }
  std::optional<std::string> look(const std::string& key) override { return look_in(*store_, key); }
  std::string settle(const std::string& key, const std::string& value) override {
    return store_->c10d::Store::compareSet(key, "", value);
  }
  int64_t add(const std::string& key, int64_t number) override { return store_->add(key, number); }
  void erase(const std::string& key) override { store_->deleteKey(key); }

 private:
  const c10::intrusive_ptr<c10d::HashStore> store_ = c10::make_intrusive<c10d::HashStore>();
};

// A call of a TCPStore has no end where its server was stopped, and holds the connection
// meanwhile. So one thread asks, and whoever wants to know waits so long and no longer; a thread
// that still hangs then is left behind.
class TcpStore final : public Store {
 public:
  TcpStore(c10::intrusive_ptr<c10d::TCPStore> store, std::string where)
      : line_(std::make_shared<Line>()), where_(std::move(where)) {
    line_->store = std::move(store);
    asking_ = std::thread([line = line_] {
      leave_signals_to_the_application();
      line->serve();
    });
  }
  ~TcpStore() override {
    bool hangs = false;
    {
      const std::lock_guard<std::mutex> lock(line_->mutex);
      line_->over = true;
      hangs = !line_->gone.empty();
      line_->changed.notify_all();
    }
    if (hangs)
      asking_.detach();
    else
      asking_.join();
  }

  void set(const std::string& key, const std::string& value) override {
    ask<bool>([=](c10d::TCPStore& store) { return store.c10d::Store::set(key, value), true; });
  }
  std::optional<std::string> look(const std::string& key) override {
    return ask<std::optional<std::string>>(
        [=](c10d::TCPStore& store) { return look_in(store, key); });
  }
  std::string settle(const std::string& key, const std::string& value) override {
    return ask<std::string>(
        [=](c10d::TCPStore& store) { return store.c10d::Store::compareSet(key, "", value); });
  }
  int64_t add(const std::string& key, int64_t number) override {
    return ask<int64_t>([=](c10d::TCPStore& store) { return store.add(key, number); });
  }
  void erase(const std::string& key) override {
    ask<bool>([=](c10d::TCPStore& store) { return store.deleteKey(key); });
  }

 private:
  struct Line {
    c10::intrusive_ptr<c10d::TCPStore> store;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> asked;
    std::string gone;  // why
    bool over = false;

    void serve() {
      std::unique_lock<std::mutex> lock(mutex);
      for (;;) {
        changed.wait(lock, [this] { return over || !asked.empty(); });
        if (asked.empty()) return;
        const std::function<void()> one = std::move(asked.front());
        asked.pop_front();
        lock.unlock();
        one();
        lock.lock();
      }
    }
  };

  [[noreturn]] void gone(const std::string& why) const {
    throw Error(ErrorKind::kFailed, "The ranks' store at " + where_ + " is gone.", why);
  }

  template <typename Answer>
  Answer ask(std::function<Answer(c10d::TCPStore&)> question) {
    auto task = std::make_shared<std::packaged_task<Answer()>>(
        [store = line_->store, question = std::move(question)] { return question(*store); });
    std::future<Answer> answer = task->get_future();
    {
      const std::lock_guard<std::mutex> lock(line_->mutex);
      if (!line_->gone.empty()) gone(line_->gone);
      line_->asked.push_back([task] { (*task)(); });
      line_->changed.notify_all();
    }
    std::string why = "it does not answer";
    try {
      if (answer.wait_for(kAnswer) == std::future_status::ready) return answer.get();
    } catch (const std::exception& error) {
      why = message_of(error);
    }
    const std::lock_guard<std::mutex> lock(line_->mutex);
    line_->gone = why;
    gone(why);
  }

  const std::shared_ptr<Line> line_;
  const std::string where_;
  std::thread asking_;
};

// Whether somebody listens there; LibTorch's own tries take seconds each and say so on stderr.
bool listens(const std::string& host, uint16_t port, std::string& why) {
  addrinfo wish{}, *found = nullptr;
  wish.ai_socktype = SOCK_STREAM;
  const int wrong = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wish, &found);
  if (wrong != 0) {
    why = gai_strerror(wrong);
    return false;
  }
  bool heard = false;
  for (const addrinfo* one = found; one && !heard; one = one->ai_next) {
    const int file = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
    if (file < 0) continue;
    const timeval second{1, 0};
    setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);  // connect() takes it
    heard = connect(file, one->ai_addr, one->ai_addrlen) == 0;
    if (!heard) why = strerror(errno);
    close(file);
  }
  freeaddrinfo(found);
  return heard;
}

c10d::TCPStoreOptions options_for(uint16_t port, bool serves) {
  c10d::TCPStoreOptions options;
  options.port = port;
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = kAnswer;
  return options;
}

std::string address_of(const std::string& host, uint16_t port) {
  return host + ":" + std::to_string(port);
}

}  // namespace

std::shared_ptr<Store> process_store() { return std::make_shared<ProcessStore>(); }

std::shared_ptr<Store> serve_store(uint16_t& port) {
  try {
    auto store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options_for(port, true));
    port = store->getPort();
    return std::make_shared<TcpStore>(std::move(store), address_of("127.0.0.1", port));
  } catch (const std::exception& error) {
    const std::string why = message_of(error);
    const bool used = why.find("EADDRINUSE") != std::string::npos;
    throw Error(used ? ErrorKind::kSettings : ErrorKind::kFailed,
                "Rank 0 cannot listen on port " + std::to_string(port) +
                    (used ? ", which another program uses. Set MASTER_PORT to a free one, for all "
                            "ranks."
                          : ". Set MASTER_PORT to another one, for all ranks."),
                why);
  }
}

std::shared_ptr<Store> reach_store(const std::string& host, uint16_t port, Milliseconds patience,
                                   const Cancel* cancel) {
  const auto end = std::chrono::steady_clock::now() + patience;
  const std::string where = address_of(host, port);
  std::string why;
  const auto unreached = [&] {
    return Error(ErrorKind::kRankGone,
                 "Rank 0 is not there: nothing that it serves answers at " + where + " within " +
                     whole_seconds(patience) +
                     ". Start it, the element with devices=ranks, with the same MASTER_ADDR and "
                     "MASTER_PORT, or give it more time: OVI_RANKS_PATIENCE=SECONDS.",
                 why);
  };
  while (!listens(host, port, why)) {
    if (cancel) cancel->check();
    if (std::chrono::steady_clock::now() >= end) throw unreached();
    std::this_thread::sleep_for(kAgain);
  }
  // Who listens may be no store, and never say anything.
  using Made = c10::intrusive_ptr<c10d::TCPStore>;
  auto made = std::make_shared<std::promise<Made>>();
  std::future<Made> store = made->get_future();
  try {
    std::thread([made, host, port] {
      try {
        made->set_value(c10::make_intrusive<c10d::TCPStore>(host, options_for(port, false)));
      } catch (...) {
        made->set_exception(std::current_exception());
      }
    }).detach();
  } catch (...) {
    throw_no_threads(std::current_exception());
  }
  why = "who listens there is no store of ranks";
  try {
    if (store.wait_until(std::max(end, std::chrono::steady_clock::now() + Milliseconds(1000))) ==
        std::future_status::ready)
      return std::make_shared<TcpStore>(store.get(), where);
  } catch (const std::exception& error) {
    why = message_of(error);
  }
  throw unreached();
}

}  // namespace ovi::parallel
