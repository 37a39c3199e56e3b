// Ranks as threads of the test, over a store of the process.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "parallel/agreement.h"
#include "parallel/c10d_group.h"
#include "parallel/store.h"

namespace ovi::parallel {

using RankBody = std::function<void(const std::shared_ptr<Agreement>& agreement)>;

/// Runs `body` as each rank; what each has thrown, "" for nothing.
inline std::vector<std::string> on_ranks(int64_t size, const RankBody& body,
                                         Patience patience = {}) {
  const std::shared_ptr<Store> store = process_store();
  std::vector<std::string> thrown(static_cast<size_t>(size)), names;
  for (int64_t rank = 0; rank < size; ++rank) names.push_back("Rank " + std::to_string(rank));
  std::vector<std::thread> ranks;
  for (int64_t rank = 0; rank < size; ++rank) {
    ranks.emplace_back([&, rank] {
      try {
        const auto agreement = std::make_shared<Agreement>(store, rank, size, patience);
        agreement->all_came(names);
        body(agreement);
      } catch (const std::exception& error) {
        thrown[static_cast<size_t>(rank)] = error.what();
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
  return thrown;
}

/// The same with a group, in one round.
inline std::vector<std::string> in_group(
    int64_t size, const std::function<void(Group& group, Agreement& agreement)>& body) {
  return on_ranks(size, [&](const std::shared_ptr<Agreement>& agreement) {
    agreement->begin_round(1, nullptr);
    const std::shared_ptr<Group> group = join_group(agreement, "1", c10::kCPU);
    body(*group, *agreement);
  });
}

}  // namespace ovi::parallel
