// Ranks with memory plans, on a device whose memory ends: the same clip with each, and less of
// it on each rank.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>

#include <vector>

#include "../pipeline/memory_plans_fixture.h"
#include "thread_group.h"

namespace ovi {
namespace {

using test::Clip;
using test::MemoryPlans;
using test::RecordingSink;

class RanksWithPlans : public MemoryPlans {
 protected:
  Clip together(int64_t ranks, Memory memory) {
    Clip clip;
    test::on_ranks(ranks, [&](const std::shared_ptr<parallel::Group>& group) {
      const auto own = model(memory);
      RecordingSink sink;
      const GenerationStats stats = Generator(own).generate(request_, sink, nullptr, {}, group);
      EXPECT_EQ(stats.memory, memory);
      if (group->rank() == 0) clip = {at::cat(sink.frames), sink.samples, stats};
    });
    return clip;
  }
};

TEST_F(RanksWithPlans, EachGivesTheSameClip) {
  constexpr int64_t kRanks = 4;  // two halves of two
  const Clip resident = together(kRanks, Memory::kResident);
  EXPECT_TRUE(same(resident, together(kRanks, Memory::kOffload)));
  EXPECT_TRUE(same(resident, together(kRanks, Memory::kStream)));
  // bfloat16 rounds elsewhere; a broken clip is far away.
  const Clip alone = make(model(Memory::kResident));
  const at::Tensor apart = (resident.video.to(at::kFloat) - alone.video.to(at::kFloat)).abs();
  EXPECT_LT(apart.mean().item<float>(), 3);
}

TEST_F(RanksWithPlans, ARankNeedsLessThanOneDeviceAndOthersLessThanTheFirst) {
  ClipExtent clip = clip_extent(folder_.spec, {64, 64});
  const auto needed = [&](int64_t ranks, bool first) {
    clip.ranks = ranks;
    clip.first_rank = first;
    const auto one = model(Memory::kResident);
    Reading quietly;
    one->prepare(clip, quietly);
    EXPECT_EQ(quietly.done, quietly.total);
    return std::pair{one->choice().needed, one->bytes_read()};
  };
  const auto [alone, all_bytes] = needed(1, true);
  const auto [first, first_bytes] = needed(4, true);
  const auto [other, other_bytes] = needed(4, false);
  EXPECT_LT(other, first);
  EXPECT_LT(other, alone);
  EXPECT_EQ(first_bytes, all_bytes);
  EXPECT_LT(other_bytes, first_bytes);
}

TEST_F(RanksWithPlans, AModelOfAShareIsChosenForAnewWhenItHasTheWholeClip) {
  const auto one = model(Memory::kResident);
  ClipExtent clip = clip_extent(folder_.spec, {64, 64});
  clip.ranks = 4;
  clip.first_rank = false;
  Reading quietly;
  one->prepare(clip, quietly);
  const int64_t share = one->choice().needed;
  const Clip made = make(one);
  EXPECT_GT(one->choice().needed, share);
  EXPECT_TRUE(same(made, make(model(Memory::kResident))));
}

TEST_F(RanksWithPlans, MemoryThatEndsOnARankIsNotTriedAgain) {
  int reports = 0;
  try {
    test::on_ranks(2, [&](const std::shared_ptr<parallel::Group>& group) {
      const auto own = model(Memory::kAuto);
      RecordingSink sink;
      sink.on_report = [&](const RecordingSink::Report& report) {
        if (group->rank() != 0) return;
        if (report.stage == Stage::kLoad && report.done == 0) ++reports;
        if (report.stage == Stage::kGenerate && report.done == 1) leave_free(1000);
      };
      Generator(own).generate(request_, sink, nullptr, {}, group);
    });
    ADD_FAILURE() << "nothing failed";
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == ErrorKind::kNoSpace || error.kind() == ErrorKind::kFailed)
        << error.what();
  }
  EXPECT_LE(reports, 2);
}

}  // namespace
}  // namespace ovi
