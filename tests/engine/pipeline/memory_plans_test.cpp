// Memory plans on a device whose memory ends: the same clip with each, within what each
// says it needs, and a usable model after every interruption.
// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <string>
#include <thread>

#include "../../parity/hashed_weights.h"
#include "../memory_source.h"
#include "memory_plans_fixture.h"

namespace ovi {
namespace {

using test::Clip;
using test::kMiB;
using test::MemoryPlans;
using test::MemorySource;
using test::RecordingSink;
using test::same;
namespace fake = test::fake;

TEST_F(MemoryPlans, EachGivesTheSameClipInLessMemory) {
  const Clip resident = make(model(Memory::kResident));
  const Clip offload = make(model(Memory::kOffload));
  const Clip stream = make(model(Memory::kStream));
  EXPECT_TRUE(same(resident, offload));
  EXPECT_TRUE(same(resident, stream));
  EXPECT_EQ(resident.stats.memory, Memory::kResident);
  EXPECT_EQ(offload.stats.memory, Memory::kOffload);
  EXPECT_EQ(stream.stats.memory, Memory::kStream);
  EXPECT_LT(offload.stats.peak_device_bytes, resident.stats.peak_device_bytes);
  EXPECT_LT(stream.stats.peak_device_bytes, offload.stats.peak_device_bytes);
}

TEST_F(MemoryPlans, MatricesIn8BitsAreStreamedAsSuch) {
  const Arithmetic float8(at::kBFloat16, true);
  const Clip resident = make(model(Memory::kResident, float8));
  const auto one = model(Memory::kStream, float8);
  const Clip stream = make(one), again = make(one);  // the second without making them anew
  EXPECT_TRUE(same(resident, stream));
  EXPECT_TRUE(same(resident, again));
  EXPECT_FALSE(same(resident, make(model(Memory::kResident))));
}

TEST_F(MemoryPlans, EachFitsInWhatItSaysAndTheRicherOneDoesNot) {
  const Clip expected = make(model(Memory::kResident));
  int64_t before = 0;
  for (const Memory memory : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
    const auto one = model(memory);
    Reading quietly;
    fake::set_memory(1024 * kMiB);
    one->prepare(clip_extent(folder_.spec, Generator(one).plan(request_, nullptr).size), quietly);
    const int64_t needed = one->choice().needed;
    if (before > 0) {
      EXPECT_LT(needed, before);
    }
    before = needed;
  }
  for (const Memory memory : {Memory::kOffload, Memory::kStream}) {
    const auto richer = static_cast<Memory>(static_cast<int>(memory) - 1);
    fake::set_memory(1024 * kMiB);
    const auto one = model(memory);
    make(one);
    const int64_t needed = one->choice().needed;
    const auto poorer = model(memory), refused = model(richer);
    leave_free(needed);
    const Error error = failure(refused);
    EXPECT_EQ(error.kind(), ErrorKind::kNoSpace);
    const std::string text = error.what();
    EXPECT_NE(text.find(std::string("Set memory=") + memory_name(memory)), std::string::npos)
        << text;
    const Clip clip = make(poorer);
    EXPECT_TRUE(same(clip, expected));
    EXPECT_EQ(clip.stats.peak_device_bytes, fake::memory().peak);
  }
}

TEST_F(MemoryPlans, StreamingAddsNoWaitToAStep) {
  request_.steps = 4;
  const auto waits = [&](Memory memory) {
    RecordingSink sink;
    int64_t first = 0, last = 0;
    sink.on_report = [&](const RecordingSink::Report& report) {
      if (report.stage != Stage::kGenerate) return;
      if (report.done == 1) first = fake::waits().all();
      if (report.done == 4) last = fake::waits().all();
    };
    make(model(memory), sink);
    return last - first;
  };
  EXPECT_EQ(waits(Memory::kStream), waits(Memory::kResident));
}

TEST_F(MemoryPlans, CountTheDecoderOfPreviews) {
  const Clip expected = make(model(Memory::kResident));
  sources_.preview_decoder.source =
      std::make_shared<MemorySource>(parity::hashed_preview_decoder(false));
  request_.preview = 1;
  for (const Memory memory : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
    const auto one = model(memory);
    const Clip clip = make(one);
    EXPECT_TRUE(same(clip, expected));
    EXPECT_LE(static_cast<int64_t>(clip.stats.peak_device_bytes), one->choice().needed)
        << memory_name(memory);
    EXPECT_FALSE(one->preview_fit);
  }
}

class Interrupted : public MemoryPlans, public testing::WithParamInterface<Memory> {};

TEST_P(Interrupted, ACancelledClipLeavesAUsableModel) {
  const Clip expected = make(model(Memory::kResident));
  const auto one = model(GetParam());
  for (const Stage stage : {Stage::kLoad, Stage::kGenerate, Stage::kDecode}) {
    Cancel cancel;
    RecordingSink sink;
    sink.on_report = [&](const RecordingSink::Report& report) {
      if (report.stage == stage) cancel.trigger();
    };
    EXPECT_EQ(failure(one, sink, &cancel).kind(), ErrorKind::kCancelled);
  }
  EXPECT_TRUE(same(make(one), expected));
}

TEST_P(Interrupted, MemoryThatEndsInTheMiddleIsAnErrorThatPasses) {
  const Clip expected = make(model(Memory::kResident));
  const auto one = model(GetParam());
  const size_t before = fake::memory().used;
  RecordingSink sink;
  sink.on_report = [&](const RecordingSink::Report& report) {
    if (report.stage == Stage::kGenerate && report.done == 1) leave_free(1000);
  };
  const Error error = failure(one, sink);
  EXPECT_EQ(error.kind(), ErrorKind::kNoSpace);
  const std::string text = error.what();
  EXPECT_TRUE(
      text.starts_with(std::string("Out of device memory with memory=") + memory_name(GetParam())))
      << text;
  EXPECT_NE(text.find(" MiB are free"), std::string::npos) << text;
  // All that can be read again is gone; a few embeddings of texts may stay.
  EXPECT_LT(fake::memory().used, before + kMiB);
  EXPECT_LE(fake::memory().reserved, fake::memory().used);
  fake::set_memory(1024 * kMiB);
  EXPECT_TRUE(same(make(one), expected));
}

INSTANTIATE_TEST_SUITE_P(Plans, Interrupted,
                         testing::Values(Memory::kResident, Memory::kOffload, Memory::kStream),
                         [](const auto& plan) { return std::string(memory_name(plan.param)); });

TEST_P(Interrupted, ADeviceThatFailsIsAnErrorAndNoMore) {
  const Clip expected = make(model(Memory::kResident));
  {
    const auto one = model(GetParam());
    RecordingSink sink;
    sink.on_report = [&](const RecordingSink::Report& report) {
      if (report.stage == Stage::kGenerate && report.done == 1) fake::break_down();
    };
    EXPECT_THROW(make(one, sink), c10::Error);
  }
  fake::reset();
  EXPECT_TRUE(same(make(model(GetParam())), expected));
}

TEST_F(MemoryPlans, TwoTakeTurnsWithOneModel) {
  const auto one = model(Memory::kOffload);
  const Clip alone = make(one);
  Clip first, second;
  std::thread a([&] { first = make(one); });
  std::thread b([&] { second = make(one); });
  a.join();
  b.join();
  EXPECT_TRUE(same(first, alone));
  EXPECT_TRUE(same(second, alone));
}

TEST_F(MemoryPlans, ClipsOfADeviceAreMadeOnOneThreadWhoeverAsks) {
  std::set<std::thread::id> makers;
  for (int i = 0; i < 2; ++i) {
    std::thread([&] {
      RecordingSink sink;
      sink.on_report = [&](const auto&) { makers.insert(std::this_thread::get_id()); };
      make(model(Memory::kOffload), sink);
      EXPECT_FALSE(makers.contains(std::this_thread::get_id()));
    }).join();
  }
  EXPECT_EQ(makers.size(), 1u);
}

}  // namespace
}  // namespace ovi
