// The collectives of a group of ranks, and the bytes they count.
// SPDX-License-Identifier: Apache-2.0
#include "parallel/group.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "thread_ranks.h"

namespace ovi::parallel {
namespace {

const std::vector<std::string> all_well(int64_t size) { return std::vector<std::string>(size); }

class Groups : public testing::TestWithParam<int64_t> {};

// Row `row` of what `from` sends to `to`: no two are alike.
at::Tensor rows_for(int64_t from, int64_t to, int64_t rows, at::ScalarType dtype) {
  return at::full({rows, 3}, static_cast<double>(from * 16 + to), at::TensorOptions().dtype(dtype));
}

TEST_P(Groups, ExchangeRowsOfUnevenCounts) {
  const int64_t size = GetParam();
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    // Rank f sends f + t rows to rank t, and so gets as many: some of them none.
    const auto rows = [](int64_t from, int64_t to) { return (from + to) % 3; };
    const auto thrown = in_group(size, [&](Group& group, Agreement&) {
      std::vector<at::Tensor> sent, expected;
      std::vector<int64_t> sent_rows, received_rows;
      int64_t handed = 0;
      for (int64_t other = 0; other < size; ++other) {
        sent_rows.push_back(rows(group.rank(), other));
        received_rows.push_back(rows(other, group.rank()));
        sent.push_back(rows_for(group.rank(), other, sent_rows.back(), dtype));
        expected.push_back(rows_for(other, group.rank(), received_rows.back(), dtype));
        if (other != group.rank()) handed += static_cast<int64_t>(sent.back().nbytes());
      }
      const at::Tensor wanted = at::cat(expected);
      at::Tensor received = at::empty_like(wanted);
      group.all_to_all(received, at::cat(sent), received_rows, sent_rows);
      EXPECT_TRUE(at::equal(received, wanted));
      EXPECT_EQ(group.bytes_sent(), handed);
    });
    EXPECT_EQ(thrown, all_well(size));
  }
}

TEST_P(Groups, GatherAndBroadcast) {
  const int64_t size = GetParam();
  const auto thrown = in_group(size, [&](Group& group, Agreement&) {
    EXPECT_EQ(group.size(), size);
    at::Tensor all = at::empty({size, 2, 5});
    group.all_gather(all, at::full({2, 5}, static_cast<double>(group.rank())));
    for (int64_t rank = 0; rank < size; ++rank)
      EXPECT_TRUE(at::equal(all[rank], at::full({2, 5}, static_cast<double>(rank))));
    EXPECT_EQ(group.bytes_sent(), 40 * (size - 1));

    const int64_t from = size - 1;
    at::Tensor told = at::full({7}, group.rank() == from ? 9.0 : 0.0);
    group.broadcast(told, from);
    EXPECT_TRUE(at::equal(told, at::full({7}, 9.0)));
    EXPECT_EQ(group.bytes_sent(), (group.rank() == from ? 68 : 40) * (size - 1));
  });
  EXPECT_EQ(thrown, all_well(size));
}

INSTANTIATE_TEST_SUITE_P(Sizes, Groups, testing::Values(1, 2, 3, 4, 6, 8));

TEST(Group, HasPartsOfItsRanks) {
  const auto thrown = in_group(4, [](Group& group, Agreement&) {
    const bool low = group.rank() < 2;
    const auto first = group.part({0, 1}), second = group.part({2, 3});
    EXPECT_EQ(first != nullptr, low);
    EXPECT_EQ(second != nullptr, !low);
    Group& own = *(low ? first : second);
    EXPECT_EQ(own.rank(), group.rank() % 2);
    EXPECT_EQ(own.size(), 2);
    at::Tensor told = at::full({4}, static_cast<double>(group.rank()));
    own.broadcast(told, 1);
    EXPECT_TRUE(at::equal(told, at::full({4}, low ? 1.0 : 3.0)));
    EXPECT_EQ(own.bytes_sent(), group.rank() % 2 == 1 ? 16 : 0);
    EXPECT_EQ(group.bytes_sent(), own.bytes_sent());
    EXPECT_EQ(group.part(low ? std::vector<int64_t>{0, 1} : std::vector<int64_t>{2, 3}).get(),
              &own);
  });
  EXPECT_EQ(thrown, all_well(4));
}

// Whose address is known, but who does not answer there: of an earlier group by the same name.
TEST(Group, AFailureEndsTheWaitForAConnection) {
  using Clock = std::chrono::steady_clock;
  for (const int64_t missing : {0, 1}) {
    std::atomic<int> left{0};
    const auto thrown = on_ranks(2, [&](const std::shared_ptr<Agreement>& agreement) {
      agreement->begin_round(1, nullptr);
      join_group(agreement, "1", c10::kCPU);
      ++left;
      while (left < 2) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (agreement->rank() == missing) {
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        throw agreement->fail(Error(ErrorKind::kFailed, "It does not come."));
      }
      const auto begin = Clock::now();
      try {
        join_group(agreement, "1", c10::kCPU);
        ADD_FAILURE() << "there is nobody";
      } catch (const Error&) {
        EXPECT_LT(Clock::now() - begin, std::chrono::seconds(8));
        throw;
      }
    });
    for (const std::string& one : thrown)
      EXPECT_NE(one.find("It does not come."), std::string::npos) << one;
  }
}

}  // namespace
}  // namespace ovi::parallel
