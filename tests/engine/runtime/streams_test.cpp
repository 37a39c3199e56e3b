// Streams, events and copies of an accelerator, and their absence on a CPU.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>

#include "../fake_device/fake_device.h"
#include "runtime/device.h"
#include "runtime/host_copies.h"
#include "runtime/pacer.h"
#include "runtime/side_stream.h"

namespace ovi {
namespace {

namespace fake = test::fake;

class Streams : public testing::Test {
 protected:
  void SetUp() override { fake::reset(); }
  void TearDown() override {
    for (const std::string& violation : fake::violations()) ADD_FAILURE() << violation;
  }
  const at::TensorOptions there_ = at::TensorOptions().device(fake::device());
};

// In a process of its own, where nothing has run on the device: a clip begins with such
// questions.
TEST(FirstQuestions, StartTheDevice) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const c10::Device device = fake::device();
        reset_peak_memory(device);
        release_unused_memory(device);
        const bool right = peak_device_bytes(device) == 0 && device_memory(device).free > 0;
        std::exit(right ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(Streams, ThePacerWaitsOnlyForWhatLiesBack) {
  const at::Tensor x = at::ones({4}, there_);
  Pacer pacer(fake::device(), 3);
  for (int i = 0; i < 3; ++i) {
    x.add_(1);
    pacer.mark();
  }
  EXPECT_EQ(fake::waits().all(), 0);
  for (int64_t i = 1; i <= 10; ++i) {
    x.add_(1);
    pacer.mark();
    EXPECT_EQ(fake::waits().event, i);  // the host learns of one more, three back
  }
  EXPECT_EQ(fake::waits().drains, 0);
}

TEST_F(Streams, ThePacerOfACpuDoesNothing) {
  Pacer pacer(c10::kCPU, 2);
  for (int i = 0; i < 5; ++i) pacer.mark();
  EXPECT_EQ(fake::waits().all(), 0);
}

TEST_F(Streams, BothSidesSeeWhatWasBeforeAndAreSeenAfter) {
  const SideStream side(fake::device());
  const c10::impl::VirtualGuardImpl impl(c10::kPrivateUse1);
  at::Tensor x = at::ones({4}, there_);
  const at::Tensor a = at::ones({4}, there_), b = at::ones({4}, there_);
  for (int i = 0; i < 3; ++i) {
    x.add_(1);
    c10::Stream aside_on = impl.getStream(fake::device()), here_on = aside_on;
    const c10::Stream before = here_on;
    side.both(
        [&] {
          aside_on = impl.getStream(fake::device());
          a.add_(x * 2);
        },
        [&] {
          here_on = impl.getStream(fake::device());
          b.mul_(x);
        });
    EXPECT_EQ(here_on, before);
    EXPECT_NE(aside_on, before);
    EXPECT_EQ(impl.getStream(fake::device()), before);
    x = x + a + b;  // drops what both sides have read
  }
  EXPECT_EQ(fake::waits().all(), 0);
  EXPECT_EQ(x.cpu()[0].item<float>(), 1313);
}

TEST_F(Streams, AnErrorOnEitherSideLeavesOrder) {
  const SideStream side(fake::device());
  const auto fails = [] { throw std::runtime_error("fails"); };
  for (const bool aside_fails : {false, true}) {
    {
      const at::Tensor x = at::ones({4}, there_), y = at::ones({4}, there_);
      const auto aside = [&] {
        y.add_(x);
        if (aside_fails) fails();
      };
      EXPECT_THROW(side.both(aside, fails), std::runtime_error);
    }  // frees what the side may still be using, unless it was waited for
    const c10::impl::VirtualGuardImpl impl(c10::kPrivateUse1);
    EXPECT_EQ(impl.getStream(fake::device()), impl.getDefaultStream(fake::device()));
  }
}

TEST_F(Streams, ACpuHasOneSide) {
  const SideStream side(c10::kCPU);
  int order = 0;
  side.both([&] { EXPECT_EQ(order++, 0); }, [&] { EXPECT_EQ(order++, 1); });
  EXPECT_EQ(order, 2);
}

TEST_F(Streams, CopiesLeaveBesideTheWork) {
  const HostCopies copies(fake::device());
  HostCopy copy = [&] {
    at::Tensor x = at::full({2, 4}, 3.0, there_);
    HostCopy started = copies.start(x.t());
    x.fill_(9);
    return started;
  }();
  const at::Tensor later = at::ones({4}, there_) + 1;
  EXPECT_EQ(fake::waits().all(), 0);
  EXPECT_FALSE(copy.there());
  const at::Tensor host = copy.get();
  EXPECT_EQ(fake::waits().event, 1);
  EXPECT_EQ(fake::waits().drains, 0);  // `later` is still to be done
  EXPECT_TRUE(host.equal(at::full({4, 2}, 3.0)));
  EXPECT_TRUE(host.is_pinned());
  EXPECT_TRUE(copy.there());
}

TEST_F(Streams, ACopyOnACpuIsTheTensor) {
  const at::Tensor x = at::ones({2, 4});
  const HostCopy copy = HostCopies(c10::kCPU).start(x);
  EXPECT_TRUE(copy.there());
  EXPECT_TRUE(copy.get().is_same(x));
}

}  // namespace
}  // namespace ovi
