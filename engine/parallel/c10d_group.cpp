// SPDX-License-Identifier: Apache-2.0
#include "parallel/c10d_group.h"

#include <atomic>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <new>
#include <numeric>
#include <thread>
#include <utility>

#include "parallel/backend.h"
#include "runtime/error.h"
#include "runtime/threads.h"

namespace ovi::parallel {
namespace {

constexpr std::chrono::milliseconds kPoll(50);

// Set when an operation is over.
struct Over {
  std::mutex mutex;
  std::condition_variable changed;
  bool is = false;
};

// Its end waits for operations that will never end where the other side is gone: not here.
void let_go(BackendPtr backend) {
  try {
    std::thread([backend = std::move(backend)]() mutable { backend.reset(); }).detach();
  } catch (const std::system_error&) {
    // No thread is given: it is left as it is.
  }
}

class C10dGroup final : public Group {
 public:
  /// `backend` is null where a rank is alone.
  C10dGroup(std::shared_ptr<Agreement> agreement, std::string name, const c10::Device& device,
            std::string address, int64_t rank, int64_t size, C10dGroup* whole)
      : agreement_(std::move(agreement)),
        name_(std::move(name)),
        device_(device),
        address_(std::move(address)),
        rank_(rank),
        size_(size),
        whole_(whole) {
    if (size_ == 1) return;
    guarded([&] {
      const StorePtr store = group_store(agreement_, "group/" + name_ + "/");
      backend_ = device_.is_cpu() ? connected(store) : nccl_backend(store, rank_, size_, device_);
    });
    aborts_ = agreement_->on_failure([this] {
      aborted_ = true;
      backend_->abort();
    });
  }

  ~C10dGroup() override {
    parts_.clear();
    aborts_.reset();
    if (aborted_) let_go(std::move(backend_));
  }

  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }
  int64_t bytes_sent() const override { return bytes_; }

  void all_to_all(at::Tensor& received, const at::Tensor& sent,
                  const std::vector<int64_t>& received_rows,
                  const std::vector<int64_t>& sent_rows) override {
    if (size_ == 1) return take_own(received, sent);
    run([&] {
      std::vector<int64_t> to = received_rows, from = sent_rows;
      at::Tensor given = sent;
      return backend_->alltoall_base(received, given, to, from);
    });
    const int64_t rows = std::accumulate(sent_rows.begin(), sent_rows.end(), int64_t{0});
    if (rows > 0) count(static_cast<int64_t>(sent.nbytes()) / rows * (rows - sent_rows[rank_]));
  }

  void all_gather(at::Tensor& all, const at::Tensor& own) override {
    if (size_ == 1) {
      at::Tensor only = all.select(0, 0);
      return take_own(only, own);
    }
    run([&] {
      at::Tensor given = own.view({-1}), taken = all.view({-1});  // Gloo wants the shapes alike
      return backend_->_allgather_base(taken, given);
    });
    count(static_cast<int64_t>(own.nbytes()) * (size_ - 1));
  }

  void broadcast(at::Tensor& tensor, int64_t from) override {
    if (size_ == 1) return agreement_->check();
    run([&] {
      std::vector<at::Tensor> one = {tensor};
      c10d::BroadcastOptions options;
      options.rootRank = from;
      return backend_->broadcast(one, options);
    });
    if (from == rank_) count(static_cast<int64_t>(tensor.nbytes()) * (size_ - 1));
  }

  std::shared_ptr<Group> part(const std::vector<int64_t>& ranks) override {
    std::string name = name_ + "/";
    int64_t place = -1;
    for (size_t i = 0; i < ranks.size(); ++i) {
      name += (i ? "," : "") + std::to_string(ranks[i]);
      if (ranks[i] == rank_) place = static_cast<int64_t>(i);
    }
    if (place < 0) return nullptr;
    // Connections are made once, and serve clip after clip.
    std::shared_ptr<C10dGroup>& known = parts_[ranks];
    if (!known) {
      known = std::make_shared<C10dGroup>(agreement_, name, device_, address_, place,
                                          static_cast<int64_t>(ranks.size()), this);
    }
    return known;
  }

 private:
  void take_own(at::Tensor& received, const at::Tensor& sent) {
    agreement_->check();
    received.copy_(sent);
  }

  void count(int64_t bytes) {
    bytes_ += bytes;
    if (whole_) whole_->count(bytes);
  }

  template <typename Body>
  void guarded(const Body& body) {
    agreement_->check();
    std::string why;
    try {
      return body();
    } catch (const c10::DistError& error) {
      why = error.what_without_backtrace();
    } catch (const Error&) {
      throw;
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const c10::Error& error) {
      agreement_->check();
      if (backend_) throw;  // the operation's own
      why = error.what_without_backtrace();
    } catch (const std::exception& error) {  // Gloo's own
      why = error.what();
    }
    throw agreement_->broken(why);
  }

  // Gloo waits for the others' connections, and does not see that one of them has failed: a thread
  // waits then that is left behind.
  BackendPtr connected(const StorePtr& store) {
    const auto made = std::make_shared<std::promise<BackendPtr>>();
    std::future<BackendPtr> backend = made->get_future();
    try {
      std::thread([made, store, rank = rank_, size = size_, address = address_] {
        leave_signals_to_the_application();
        try {
          made->set_value(gloo_backend(store, rank, size, address));
        } catch (...) {
          made->set_exception(std::current_exception());
        }
      }).detach();
    } catch (const std::system_error&) {
      throw_no_threads(std::current_exception());
    }
    while (backend.wait_for(kPoll) != std::future_status::ready) agreement_->check();
    return backend.get();
  }

  template <typename Start>
  void run(const Start& start) {
    guarded([&] {
      const c10::intrusive_ptr<c10d::Work> work = started(start);
      if (device_.is_cpu()) wait_for(*work);
      work->wait();  // a GPU's stream waits, not the host
    });
    agreement_->check();
  }

  // Ranks may be threads of one process, and LibTorch's recorder of operations, which is one for the
  // process, writes down a group's first one in a map that nothing guards. Gloo's operations begin
  // without waiting for anybody. (NCCL's may wait: ovii2v-worker does without the recorder.)
  template <typename Start>
  c10::intrusive_ptr<c10d::Work> started(const Start& start) {
    static std::mutex starting;
    std::unique_lock<std::mutex> lock(starting, std::defer_lock);
    if (device_.is_cpu()) lock.lock();
    return start();
  }

  // LibTorch's own wait ends with the operation, and that may be never.
  void wait_for(c10d::Work& work) {
    const auto over = std::make_shared<Over>();
    const auto tell = [over] {
      const std::lock_guard<std::mutex> lock(over->mutex);
      over->is = true;
      over->changed.notify_all();
    };
    const Agreement::Ticket failure = agreement_->on_failure(tell);
    work.getFuture()->addCallback([tell](c10::ivalue::Future&) { tell(); });
    std::unique_lock<std::mutex> lock(over->mutex);
    while (!over->is) over->changed.wait_for(lock, kPoll);
    lock.unlock();
    if (!work.isCompleted()) agreement_->check();
  }

  const std::shared_ptr<Agreement> agreement_;
  const std::string name_;
  const c10::Device device_;
  const std::string address_;
  const int64_t rank_, size_;
  C10dGroup* const whole_;  // that this one is a part of, and that outlives it
  BackendPtr backend_;
  Agreement::Ticket aborts_;
  std::atomic<bool> aborted_{false};
  std::atomic<int64_t> bytes_{0};
  std::map<std::vector<int64_t>, std::shared_ptr<C10dGroup>> parts_;
};

}  // namespace

std::shared_ptr<Group> join_group(std::shared_ptr<Agreement> agreement, const std::string& name,
                                  const c10::Device& device, const std::string& address) {
  const int64_t rank = agreement->rank(), size = agreement->size();
  return std::make_shared<C10dGroup>(std::move(agreement), name, device, address, rank, size,
                                     nullptr);
}

}  // namespace ovi::parallel
