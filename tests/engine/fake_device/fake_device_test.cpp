// The fake device finds what a GPU would punish, and nothing else.
// SPDX-License-Identifier: Apache-2.0
#include "fake_device.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/polar.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/view_as_real.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

#include <limits>

namespace ovi::test::fake {
namespace {

class FakeDevice : public testing::Test {
 protected:
  void SetUp() override { reset(); }
  void TearDown() override {
    if (!violations_expected_) {
      for (const std::string& violation : violations()) ADD_FAILURE() << violation;
    }
  }
  void expect_violation(const std::string& part) {
    violations_expected_ = true;
    ASSERT_FALSE(violations().empty()) << "nobody noticed";
    EXPECT_NE(violations()[0].find(part), std::string::npos) << violations()[0];
  }
  bool violations_expected_ = false;

  const at::TensorOptions there_ = at::TensorOptions().device(device());
  const c10::impl::VirtualGuardImpl impl_{c10::kPrivateUse1};
  c10::Stream main_ = impl_.getDefaultStream(device());
  c10::Stream side_ = impl_.getStreamFromGlobalPool(device());
};

at::Tensor pinned(at::IntArrayRef shape, float value) {
  return at::empty(shape, at::TensorOptions().pinned_memory(true)).fill_(value);
}

TEST_F(FakeDevice, ComputesAsTheCpu) {
  const at::Tensor a = at::randn({4, 6}), b = at::randn({5, 6});
  const at::Tensor x = a.to(device()), y = b.to(device());
  EXPECT_TRUE(x.device() == device());
  EXPECT_TRUE((x * 2 + 1).cpu().equal(a * 2 + 1));
  EXPECT_TRUE(at::linear(x, y).cpu().allclose(at::linear(a, b)));
  EXPECT_TRUE(x.t().contiguous().cpu().equal(a.t()));
  EXPECT_TRUE(x.select(1, 2).cpu().equal(a.select(1, 2)));
  EXPECT_TRUE(at::cat({x, y}, 0).cpu().equal(at::cat({a, b}, 0)));
  EXPECT_TRUE(at::arange(7, there_).cpu().equal(at::arange(7)));
  EXPECT_TRUE(x.to(at::kBFloat16).cpu().equal(a.to(at::kBFloat16)));
  const at::Tensor z = at::polar(x.abs(), x);
  EXPECT_TRUE(at::view_as_real(z).cpu().equal(at::view_as_real(at::polar(a.abs(), a))));
}

TEST_F(FakeDevice, ChangesViewsInPlace) {
  const at::Tensor x = at::ones({3, 4}, there_);
  x.narrow(1, 1, 2).mul_(5).add_(x.select(0, 0).narrow(0, 0, 1));
  x.select(0, 2).fill_(7);
  const at::Tensor expected = at::tensor({1., 6., 6., 1., 1., 6., 6., 1., 7., 7., 7., 7.},
                                         at::TensorOptions().dtype(at::kFloat));
  EXPECT_TRUE(x.cpu().flatten().equal(expected));
  at::Tensor out = at::empty({0}, there_);
  at::add_out(out, x, x);
  EXPECT_TRUE(out.cpu().flatten().equal(expected * 2));
}

TEST_F(FakeDevice, TakesNoTensorOfTheHostButANumber) {
  const at::Tensor x = at::ones({3}, there_), here = at::ones({3});
  EXPECT_THROW(x + here, c10::Error);
  EXPECT_THROW(at::cat({x, here}), c10::Error);
  EXPECT_THROW(at::index_select(x, 0, at::tensor({0L, 1L})), c10::Error);
  EXPECT_THROW(x.normal_(0, 1, at::globalContext().defaultGenerator(c10::kCPU)), c10::Error);
  EXPECT_TRUE((x + at::tensor(2.0f).squeeze()).cpu().equal(here + 2));
  EXPECT_EQ(waits().all(), 1);  // cpu()
}

TEST_F(FakeDevice, NewMemoryIsNonsense) {
  EXPECT_TRUE(at::empty({8}, there_).cpu().isnan().all().item<bool>());
  EXPECT_TRUE(at::empty({8}, there_.dtype(at::kBFloat16)).cpu().isnan().all().item<bool>());
}

TEST_F(FakeDevice, CountsItsMemory) {
  const size_t before = memory().used;
  auto* allocator = at::getDeviceAllocator(c10::kPrivateUse1);
  {
    const at::Tensor a = at::empty({1000}, there_);
    EXPECT_EQ(memory().used, before + 4000);
    { const at::Tensor b = a + 1; }
    EXPECT_EQ(memory().used, before + 4000);
    EXPECT_EQ(memory().peak, before + 8000);
    EXPECT_EQ(allocator->getDeviceStats(0).allocated_bytes[0].peak,
              static_cast<int64_t>(before + 8000));
    const at::Tensor view = a.narrow(0, 0, 10);
    EXPECT_EQ(memory().used, before + 4000);
  }
  EXPECT_EQ(memory().used, before);
  EXPECT_EQ(memory().reserved, before + 8000);  // cached
  allocator->emptyCache();
  EXPECT_EQ(memory().reserved, before);
  allocator->resetPeakStats(0);
  EXPECT_EQ(memory().peak, before);
}

TEST_F(FakeDevice, MemoryEnds) {
  const size_t used = memory().used;
  set_memory(used + 10000, 2000);
  const auto [free, total] = at::getDeviceAllocator(c10::kPrivateUse1)->getMemoryInfo(0);
  EXPECT_EQ(total, used + 10000);
  EXPECT_EQ(free, 8000u);
  const at::Tensor a = at::empty({2000}, there_);
  EXPECT_THROW(at::empty({1}, there_), c10::OutOfMemoryError);
  EXPECT_THROW(a + 1, c10::OutOfMemoryError);
  EXPECT_EQ(memory().peak, used + 8000);
}

TEST_F(FakeDevice, CountsWaits) {
  const at::Tensor x = at::ones({4}, there_);
  EXPECT_EQ(waits().all(), 0);
  impl_.synchronizeDevice(0);
  impl_.synchronizeDevice(0);  // nothing more to wait for
  EXPECT_EQ(waits().device, 1);
  EXPECT_EQ(waits().drains, 1);
  EXPECT_EQ(x.sum().item<float>(), 4);
  EXPECT_EQ(waits().values, 1);
  x.copy_(at::ones({4}));                         // pageable
  x.copy_(at::ones({4}), /*non_blocking=*/true);  // pageable all the same
  x.copy_(pinned({4}, 1));                        // pinned, but waited for
  EXPECT_EQ(waits().copies, 3);
  const at::Tensor source = pinned({4}, 1);
  x.copy_(source, /*non_blocking=*/true);
  EXPECT_EQ(waits().copies, 3);
  x.add_(1).mul_(2.5);
  EXPECT_EQ(waits().all(), 5);
  EXPECT_EQ(waits().drains, 5);
  c10::Event event(c10::kPrivateUse1);
  event.record(main_);
  x.add_(1);
  event.synchronize();
  EXPECT_EQ(waits().event, 1);
  EXPECT_EQ(waits().drains, 5);  // the device had the last addition to do
}

TEST_F(FakeDevice, CopiesToTheHostArriveWhenWaitedFor) {
  const at::Tensor x = at::full({4}, 3.0, there_), host = pinned({4}, 0);
  host.copy_(x, /*non_blocking=*/true);
  x.fill_(9);  // in order: the copy has read before
  EXPECT_TRUE(host.isnan().all().item<bool>());
  c10::Event event(c10::kPrivateUse1);
  event.record(main_);
  EXPECT_FALSE(event.query());
  event.synchronize();
  EXPECT_TRUE(host.equal(at::full({4}, 3.0)));
}

TEST_F(FakeDevice, CopiesFromTheHostReadLate) {
  const at::Tensor source = pinned({4}, 1), early = at::empty({4}, there_),
                   late = at::empty({4}, there_);
  early.copy_(source, /*non_blocking=*/true);
  main_.synchronize();
  late.copy_(source, /*non_blocking=*/true);
  source.fill_(2);  // too early
  EXPECT_EQ(early.cpu()[0].item<float>(), 1);
  EXPECT_EQ(late.cpu()[0].item<float>(), 2);
}

TEST_F(FakeDevice, MemoryOfACopyOutlivesItsTensor) {
  const at::Tensor x = at::full({4}, 3.0, there_);
  at::Tensor y = at::empty({4}, there_);
  {
    const at::Tensor source = pinned({4}, 5);
    y.copy_(source, /*non_blocking=*/true);
  }
  EXPECT_EQ(memory().pinned, 16u);  // until the host knows that it has been read
  EXPECT_EQ(y.cpu()[0].item<float>(), 5);
  EXPECT_EQ(memory().pinned, 0u);
}

TEST_F(FakeDevice, FindsAReadBeforeTheWrite) {
  const at::Tensor x = at::ones({4}, there_);
  const c10::StreamGuard guard(side_);
  const at::Tensor y = x + 1;
  expect_violation("reads");
}

TEST_F(FakeDevice, FindsAWriteBeforeTheRead) {
  const at::Tensor x = at::ones({4}, there_);
  c10::Event written(c10::kPrivateUse1);
  written.record(main_);
  at::Tensor y;
  {
    const c10::StreamGuard guard(side_);
    written.block(side_);
    y = x + 1;
  }
  EXPECT_TRUE(violations().empty());
  x.fill_(2);
  expect_violation("writes");
}

TEST_F(FakeDevice, EventsMakeOrder) {
  const at::Tensor x = at::ones({4}, there_);
  c10::Event fork(c10::kPrivateUse1), join(c10::kPrivateUse1);
  fork.record(main_);
  at::Tensor y;
  {
    const c10::StreamGuard guard(side_);
    fork.block(side_);
    y = x + 1;
    join.record(side_);
  }
  join.block(main_);
  x.add_(y);
  impl_.recordDataPtrOnStream(y.storage().data_ptr(), main_);
  EXPECT_EQ(waits().all(), 0);
  EXPECT_EQ(x.cpu()[0].item<float>(), 3);
}

TEST_F(FakeDevice, PartsOfOneMemoryAreApart) {
  const at::Tensor x = at::empty({8}, there_);
  const at::Tensor left = x.narrow(0, 0, 4), right = x.narrow(0, 4, 4);
  c10::Event fork(c10::kPrivateUse1);
  fork.record(main_);
  {
    const c10::StreamGuard guard(side_);
    fork.block(side_);
    right.fill_(1);
  }
  left.fill_(2);
  EXPECT_TRUE(violations().empty());
  x.fill_(3);
  expect_violation("writes");
}

TEST_F(FakeDevice, FindsMemoryFreedTooEarly) {
  at::Tensor x = at::ones({4}, there_);
  c10::Event fork(c10::kPrivateUse1);
  fork.record(main_);
  at::Tensor y;
  {
    const c10::StreamGuard guard(side_);
    fork.block(side_);
    y = x + 1;
  }
  x.reset();
  expect_violation("freed");
}

TEST_F(FakeDevice, RecordedMemoryWaitsForItsStream) {
  const size_t before = memory().used;
  at::Tensor x = at::ones({1000}, there_);
  c10::Event fork(c10::kPrivateUse1);
  fork.record(main_);
  at::Tensor y;
  {
    const c10::StreamGuard guard(side_);
    fork.block(side_);
    y = x + 1;
  }
  x.record_stream(side_);
  x.reset();
  EXPECT_EQ(memory().used, before + 8000);  // the side may still read it
  side_.synchronize();
  EXPECT_EQ(memory().used, before + 4000);

  at::Tensor z = at::ones({1000}, there_);
  fork.record(main_);
  {
    const c10::StreamGuard guard(side_);
    fork.block(side_);
    y.add_(z);
  }
  z.record_stream(side_);
  z.reset();
  set_memory(before + 8000);
  const at::Tensor last = at::empty({1000}, there_);  // only by waiting for the side
  EXPECT_EQ(waits().memory, 1);
}

TEST_F(FakeDevice, FindsReusedMemoryOfAnotherStream) {
  const at::Tensor before = at::ones({4}, there_);
  const at::Tensor x = at::empty({4}, there_);  // may be what the default stream still uses
  const c10::StreamGuard guard(side_);
  x.fill_(1);
  expect_violation("writes");
}

TEST_F(FakeDevice, TheHostMakesOrderToo) {
  const at::Tensor x = at::ones({4}, there_);
  impl_.synchronizeDevice(0);
  {
    const c10::StreamGuard guard(side_);
    x.fill_(1);
  }
  side_.synchronize();
}

}  // namespace
}  // namespace ovi::test::fake
