// Shares of a clip on devices that are made up, worked out by hand.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/device_fit.h"

#include <gtest/gtest.h>

#include <map>

namespace ovi {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

// The first rank has the texts; the others' resident is 22 + 3, offload the same, stream 2 + 3.
const StageNeeds kDenoise = {"denoise", 22 * kGiB, 2 * kGiB, 4 * kGiB, 3 * kGiB};
const std::vector<StageNeeds> kFirst = {{"text", 11 * kGiB, 1 * kGiB, 1 * kGiB, 1 * kGiB}, kDenoise};
const std::vector<StageNeeds> kOther = {kDenoise};

c10::Device gpu(int index) { return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)}; }

std::vector<DeviceReport> on_gpus(const std::vector<int64_t>& free_gib, Memory wished) {
  std::vector<c10::Device> ranks;
  std::vector<std::vector<StageNeeds>> shares;
  for (size_t rank = 0; rank < free_gib.size(); ++rank) {
    ranks.push_back(gpu(static_cast<int>(rank)));
    shares.push_back(rank ? kOther : kFirst);
  }
  return fit(ranks, shares, wished, [&](const c10::Device& device) {
    return DeviceMemory{free_gib[static_cast<size_t>(device.index())] * kGiB, 80 * kGiB};
  });
}

std::map<Memory, int64_t> needed_gib(const DeviceReport& device) {
  std::map<Memory, int64_t> needed;
  for (const MemoryReport& plan : device.plans) needed[plan.memory] = plan.needed / kGiB;
  return needed;
}

TEST(DeviceFit, EachGpuIsHeldAgainstItsOwnShare) {
  const auto devices = on_gpus({80, 28, 7}, Memory::kAuto);
  ASSERT_EQ(devices.size(), 3u);
  EXPECT_EQ(devices[0].name, "cuda:0");
  EXPECT_EQ(devices[2].name, "cuda:2");
  EXPECT_EQ(needed_gib(devices[0]),
            (std::map<Memory, int64_t>{
                {Memory::kResident, 37}, {Memory::kOffload, 26}, {Memory::kStream, 5}}));
  EXPECT_EQ(needed_gib(devices[1]),
            (std::map<Memory, int64_t>{
                {Memory::kResident, 26}, {Memory::kOffload, 26}, {Memory::kStream, 5}}));
  EXPECT_EQ(devices[0].chosen, Memory::kResident);
  EXPECT_EQ(devices[1].chosen, Memory::kResident);
  EXPECT_EQ(devices[2].chosen, Memory::kStream);
  EXPECT_TRUE(devices[1].plans[0].fits);
  EXPECT_FALSE(devices[2].plans[1].fits);
  for (const DeviceReport& device : devices) {
    EXPECT_EQ(device.ranks, 1);
    EXPECT_FALSE(device.problem);
  }
  // What all of them can have.
  EXPECT_EQ(chosen_for_all(devices), Memory::kStream);
  EXPECT_EQ(chosen_for_all(on_gpus({80, 80}, Memory::kAuto)), Memory::kResident);
}

TEST(DeviceFit, WhoHasNoRoomIsNamed) {
  const auto devices = on_gpus({80, 4, 3}, Memory::kAuto);
  EXPECT_FALSE(devices[0].problem);
  for (const int i : {1, 2}) {
    ASSERT_TRUE(devices[i].problem) << i;
    EXPECT_EQ(devices[i].problem->kind(), ErrorKind::kNoSpace);
    EXPECT_EQ(std::string(devices[i].problem->what())
                  .rfind("cuda:" + std::to_string(i) + ": Not enough device memory", 0),
              0u)
        << devices[i].problem->what();
    EXPECT_EQ(devices[i].chosen, Memory::kAuto);
    EXPECT_EQ(devices[i].plans.size(), 3u);
  }
  EXPECT_EQ(chosen_for_all(devices), Memory::kAuto);
  // A wish that one of them cannot have.
  EXPECT_TRUE(on_gpus({80, 24}, Memory::kResident)[1].problem);
  // Alone it needs no name.
  const auto alone = on_gpus({4}, Memory::kAuto);
  EXPECT_EQ(std::string(alone[0].problem->what()).rfind("Not enough device memory", 0), 0u);
}

TEST(DeviceFit, RanksOnACpuShareItsMemory) {
  const auto on_cpu = [](int64_t free_gib) {
    return fit({c10::kCPU, c10::kCPU, c10::kCPU}, {kFirst, kOther, kOther}, Memory::kAuto,
               [&](const c10::Device&) {
                 return DeviceMemory{free_gib * kGiB, 128 * kGiB};
               });
  };
  const auto roomy = on_cpu(89);
  ASSERT_EQ(roomy.size(), 1u);
  EXPECT_EQ(roomy[0].name, "cpu");
  EXPECT_EQ(roomy[0].ranks, 3);
  EXPECT_EQ(needed_gib(roomy[0]),
            (std::map<Memory, int64_t>{{Memory::kResident, 89}, {Memory::kOffload, 78}}));
  EXPECT_EQ(roomy[0].chosen, Memory::kResident);
  EXPECT_EQ(on_cpu(88)[0].chosen, Memory::kOffload);
  const auto tight = on_cpu(77);
  ASSERT_TRUE(tight[0].problem);
  EXPECT_EQ(
      std::string(tight[0].problem->what()).rfind("3 ranks on the cpu: Not enough host memory", 0),
      0u)
      << tight[0].problem->what();
}

}  // namespace
}  // namespace ovi
