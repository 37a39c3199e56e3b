// What LibTorch's process groups find each other through.
// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include "parallel/backend.h"
#include "runtime/error.h"

namespace ovi::parallel {
namespace {

constexpr std::chrono::milliseconds kPoll(2);

class GroupStore final : public c10d::Store {
 public:
  GroupStore(std::shared_ptr<Agreement> agreement, std::string prefix)
      : agreement_(std::move(agreement)), prefix_(std::move(prefix)) {}

  c10::intrusive_ptr<c10d::Store> clone() override {
    return c10::make_intrusive<GroupStore>(agreement_, prefix_);
  }
  void set(const std::string& key, const std::vector<uint8_t>& value) override {
    store().set(prefix_ + key, std::string(value.begin(), value.end()));
  }
  std::vector<uint8_t> compareSet(const std::string& key, const std::vector<uint8_t>& expected,
                                  const std::vector<uint8_t>& desired) override {
    if (!expected.empty()) C10_THROW_ERROR(NotImplementedError, "only of a key that is not there");
    const std::string found =
        store().settle(prefix_ + key, std::string(desired.begin(), desired.end()));
    return {found.begin(), found.end()};
  }
  std::vector<uint8_t> get(const std::string& key) override {
    const std::string found = await(key, timeout_);
    return {found.begin(), found.end()};
  }
  int64_t add(const std::string& key, int64_t value) override {
    return store().add(prefix_ + key, value);
  }
  bool deleteKey(const std::string& key) override {
    const bool there = check({key});
    store().erase(prefix_ + key);
    return there;
  }
  bool check(const std::vector<std::string>& keys) override {
    for (const std::string& key : keys) {
      if (!store().look(prefix_ + key)) return false;
    }
    return true;
  }
  int64_t getNumKeys() override { C10_THROW_ERROR(NotImplementedError, "not known"); }
  void wait(const std::vector<std::string>& keys) override { wait(keys, timeout_); }
  void wait(const std::vector<std::string>& keys,
            const std::chrono::milliseconds& timeout) override {
    for (const std::string& key : keys) await(key, timeout);
  }

 private:
  parallel::Store& store() const { return *agreement_->store(); }

  std::string await(const std::string& key, std::chrono::milliseconds timeout) const {
    const auto end = std::chrono::steady_clock::now() + timeout;
    for (;;) {
      agreement_->check();
      if (auto found = store().look(prefix_ + key)) return *found;
      if (std::chrono::steady_clock::now() >= end)
        C10_THROW_ERROR(DistStoreError, "no rank has set " + prefix_ + key);
      agreement_->wait(kPoll);
    }
  }

  const std::shared_ptr<Agreement> agreement_;
  const std::string prefix_;
};

}  // namespace

StorePtr group_store(std::shared_ptr<Agreement> agreement, const std::string& prefix) {
  return c10::make_intrusive<GroupStore>(std::move(agreement), prefix);
}

}  // namespace ovi::parallel
