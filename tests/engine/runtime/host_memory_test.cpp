// SPDX-License-Identifier: Apache-2.0
#include "runtime/host_memory.h"

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <string>

#include "../weights/test_files.h"

namespace ovi {
namespace {

constexpr int64_t kMiB = 1 << 20, kGiB = int64_t{1} << 30;

/// Folders proc/ and sys/ of a machine of 64 GiB, half of it free.
class HostMemory : public testing::Test {
 protected:
  void SetUp() override {
    write("proc/meminfo",
          "MemTotal:       67108864 kB\nMemFree:         1048576 kB\n"
          "MemAvailable:   33554432 kB\n");
  }
  void write(const std::string& file, const std::string& text) { folder_.write(file, text); }
  void unified(const std::string& group, const std::string& limit, int64_t used, int64_t cache) {
    const std::string folder = "sys/fs/cgroup" + group + "/";
    write(folder + "memory.max", limit + "\n");
    write(folder + "memory.current", std::to_string(used) + "\n");
    write(folder + "memory.stat", "anon 4096\ninactive_anon 4096\ninactive_file " +
                                      std::to_string(cache / 4) + "\nactive_file " +
                                      std::to_string(cache / 4 * 3) + "\n");
  }
  void expect(int64_t free, int64_t total) {
    const DeviceMemory memory = host_memory(folder_.path());
    EXPECT_EQ(memory.free, free);
    EXPECT_EQ(memory.total, total);
  }

 private:
  test::TempFolder folder_;
};

TEST_F(HostMemory, IsTheMachinesWhereNoGroupLimitsIt) {
  expect(32 * kGiB, 64 * kGiB);
  write("proc/self/cgroup", "0::/user.slice/one.scope\n");
  unified("/user.slice", "max", 5 * kGiB, 0);
  expect(32 * kGiB, 64 * kGiB);
  unified("/user.slice", "99999999999999", 5 * kGiB, 0);
  expect(32 * kGiB, 64 * kGiB);
}

TEST_F(HostMemory, IsTheContainersAndItsPageCacheCountsAsFree) {
  write("proc/self/cgroup", "0::/\n");
  unified("", std::to_string(8 * kGiB), 6 * kGiB, 4 * kGiB);
  expect(6 * kGiB, 8 * kGiB);
  unified("", std::to_string(8 * kGiB), 9 * kGiB, 0);
  expect(0, 8 * kGiB);
}

TEST_F(HostMemory, TheTightestGroupAboveDecides) {
  write("proc/self/cgroup", "0::/pods/one/main\n");
  unified("/pods", std::to_string(40 * kGiB), 38 * kGiB, 0);
  unified("/pods/one", std::to_string(16 * kGiB), 2 * kGiB, 0);
  unified("/pods/one/main", "max", 2 * kGiB, 0);
  expect(2 * kGiB, 16 * kGiB);
}

TEST_F(HostMemory, KnowsTheFirstVersionOfGroups) {
  write("proc/self/cgroup",
        "9:name=systemd:/\n5:cpu,cpuacct:/docker/abc\n4:hugetlb,memory:/docker/abc\n0::/\n");
  // A container sees its own group at the mount, whatever its path says.
  const std::string folder = "sys/fs/cgroup/memory/";
  write(folder + "memory.limit_in_bytes", std::to_string(12 * kGiB));
  write(folder + "memory.usage_in_bytes", std::to_string(3 * kGiB));
  write(folder + "memory.stat", "inactive_file 1\ntotal_inactive_file " +
                                    std::to_string(512 * kMiB) + "\ntotal_active_file " +
                                    std::to_string(512 * kMiB) + "\n");
  expect(10 * kGiB, 12 * kGiB);
  write(folder + "memory.limit_in_bytes", "9223372036854771712");  // none was set
  expect(32 * kGiB, 64 * kGiB);
}

TEST(HostMemoryHere, IsNeitherNothingNorMoreThanThereIs) {
  const DeviceMemory memory = host_memory();
  EXPECT_GT(memory.free, 16 * kMiB);
  EXPECT_LT(memory.free, memory.total);
}

TEST(HostMemoryHere, MeasuresThePeakOfTheProcess) {
  const uint64_t before = peak_host_bytes();
  EXPECT_GT(before, uint64_t{10} << 20);
  const at::Tensor block = at::empty({int64_t{256} << 20}, at::TensorOptions().dtype(at::kByte));
  block.fill_(1);
  EXPECT_GE(peak_host_bytes(), before);
  EXPECT_GE(peak_host_bytes(), uint64_t{256} << 20);
  EXPECT_EQ(peak_device_bytes(c10::kCPU), 0u);
}

}  // namespace
}  // namespace ovi
