// Which memory plan is chosen, what is read for it and when, and the next one when it does
// not fit after all.
// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <string>

#include "memory_plans_fixture.h"

namespace ovi {
namespace {

using test::Clip;
using test::kMiB;
using test::MemoryPlans;
using test::RecordingSink;
using test::same;
namespace fake = test::fake;

// Never less than is used, and not so much more that a device is passed over.
TEST_F(MemoryPlans, WhatIsNeededIsKnownBeforehand) {
  // As long as a prompt may be, which plans count with.
  for (int i = 0; i < 600; ++i) request_.prompt += " a word";
  for (const int64_t area : {64 * 64, 160 * 160}) {
    folder_.spec.area = area;
    for (const Memory memory : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
      const auto one = model(memory);
      const size_t before = fake::memory().used;
      const Clip clip = make(one);
      const double used = static_cast<double>(clip.stats.peak_device_bytes - before);
      const double needed = static_cast<double>(one->choice().needed);
      EXPECT_LE(used, needed) << memory_name(memory) << ", " << area;
      // Of a clip so small the text's stage is the fullest one of a streamed plan.
      EXPECT_LE(needed, 1.6 * used) << memory_name(memory) << ", " << area;
      RecordProperty(std::string(memory_name(memory)) + std::to_string(area),
                     std::to_string(used) + " of " + std::to_string(needed));
    }
  }
}

TEST_F(MemoryPlans, AutoGoesByWhatOthersLeave) {
  const Clip expected = make(model(Memory::kResident));
  std::map<Memory, int64_t> needed;
  for (const Memory memory : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
    const auto one = model(memory);
    make(one);
    needed[memory] = one->choice().needed;
  }
  constexpr size_t kTotal = 1024 * kMiB, kSpare = kTotal / 16;
  for (const auto& [memory, bytes] : needed) {
    const auto one = model(Memory::kAuto);
    const size_t free = static_cast<size_t>(bytes) + kSpare;
    fake::set_memory(kTotal, kTotal - fake::memory().used - free);
    RecordingSink sink;
    const Clip clip = make(one, sink);
    EXPECT_EQ(clip.stats.memory, memory) << one->choice().why;
    EXPECT_TRUE(same(clip, expected));
    ASSERT_EQ(sink.notes.size(), 1u);
    EXPECT_TRUE(sink.notes[0].starts_with(std::string("memory=") + memory_name(memory) + ":"));
  }
  fake::set_memory(kTotal, kTotal - fake::memory().used - kSpare);
  const auto none = model(Memory::kAuto);
  const Error error = failure(none);
  EXPECT_EQ(error.kind(), ErrorKind::kNoSpace);
  EXPECT_NE(std::string(error.what()).find("64 MiB are free. Close"), std::string::npos)
      << error.what();
  fake::set_memory(kTotal);  // the others are gone
  EXPECT_EQ(make(none).stats.memory, Memory::kResident);
}

TEST_F(MemoryPlans, OnlyWhatIsNeededIsReadAgain) {
  const auto one = model(Memory::kOffload);
  const Clip first = make(one);
  const int64_t once = one->bytes_read();
  const Clip second = make(one);
  EXPECT_TRUE(same(first, second));
  // Files are bfloat16; of the table of tokens a few rows are used, where it lies.
  const auto bytes = [](const TensorSource& source, bool blocks_only) {
    int64_t bytes = 0;
    for (const TensorInfo& tensor : source.tensors()) {
      if (tensor.name == "token_embedding.weight") continue;
      const bool streamed =
          block_of(tensor.name) >= 0 || tensor.name.starts_with("audio_model.patch_embedding.2.");
      if (blocks_only && !streamed) continue;
      int64_t count = 2;
      for (const int64_t n : tensor.shape) count *= n;
      bytes += count;
    }
    return bytes;
  };
  const int64_t text = bytes(*text_, false), blocks = bytes(*sources_.fusion, true);
  EXPECT_EQ(one->bytes_read() - once, once - text);  // the prompts were known

  const auto streamed = model(Memory::kStream);
  make(streamed);
  const int64_t filled = streamed->bytes_read();
  make(streamed);
  EXPECT_EQ(streamed->bytes_read() - filled, once - text - blocks);  // the host keeps those
}

TEST_F(MemoryPlans, LoadingIsReportedWhereItHappens) {
  const auto one = model(Memory::kOffload);
  RecordingSink sink;
  const Clip clip = make(one, sink);
  std::vector<Stage> begun;
  bool open = false;
  for (const auto& report : sink.reports) {
    if (report.done == 0) {
      EXPECT_FALSE(open);
      begun.push_back(report.stage);
    }
    EXPECT_EQ(report.stage, begun.back());
    EXPECT_LE(report.done, report.total);
    open = report.done != report.total;
  }
  EXPECT_FALSE(open);
  EXPECT_EQ(begun, (std::vector<Stage>{Stage::kLoad, Stage::kEncode, Stage::kLoad, Stage::kGenerate,
                                       Stage::kDecode}));
  EXPECT_GT(clip.stats.load, 0);
}

// Whoever let the model choose need not hear that its first choice was too much.
TEST_F(MemoryPlans, AutoMakesTheClipWithAPoorerPlanWhenMemoryEnds) {
  request_.seed = 5;
  const Clip expected = make(model(Memory::kResident));
  for (const auto& [stage, done] :
       {std::pair{Stage::kGenerate, 1}, {Stage::kDecode, 0}, {Stage::kDecode, 1}}) {
    const auto one = model(Memory::kAuto);
    RecordingSink sink;
    bool ended = false;
    sink.on_report = [&](const RecordingSink::Report& report) {
      if (ended || report.stage != stage || report.done != done) return;
      ended = true;
      leave_free(1000);
    };
    const Clip clip = make(one, sink);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(same(clip, expected));  // nothing twice
    EXPECT_EQ(clip.stats.memory, Memory::kOffload);
    const std::string note = sink.notes.at(1);
    EXPECT_TRUE(note.starts_with("Out of device memory with memory=resident")) << note;
    fake::set_memory(1024 * kMiB);
    EXPECT_EQ(make(one).stats.memory, Memory::kOffload);  // it has learnt
  }
}

TEST_F(MemoryPlans, AutoGivesUpAfterThePoorestPlan) {
  const auto one = model(Memory::kAuto);
  RecordingSink sink;
  sink.on_report = [&](const RecordingSink::Report& report) {
    if (report.stage == Stage::kLoad && report.done == 0) fake::set_memory(1024 * kMiB);
    if (report.stage == Stage::kGenerate) leave_free(1000);
  };
  const Error error = failure(one, sink);
  EXPECT_EQ(error.kind(), ErrorKind::kNoSpace);
  EXPECT_TRUE(std::string(error.what()).starts_with("Out of device memory with memory=stream"))
      << error.what();
  fake::set_memory(1024 * kMiB);
  EXPECT_EQ(make(one).stats.memory, Memory::kStream);
}

TEST_F(MemoryPlans, MemoryThatEndsBeforeThereIsAPlanIsNoPlansFault) {
  const auto one = model(Memory::kAuto);
  fake::set_memory(1024 * kMiB);
  const Error error = one->out_of_memory(MemoryOf::kDevice, "a probe");
  EXPECT_STREQ(error.what(),
               "Out of device memory before anything was loaded; 1024 MiB are free without this "
               "clip. Close what else uses the device.");
  EXPECT_EQ(make(one).stats.memory, Memory::kResident);
}

TEST_F(MemoryPlans, AFileThatFailsInTheMiddleIsNamedAndMayComeBack) {
  const auto one = model(Memory::kStream);
  text_->broken = "blocks.5.ffn.fc1.weight";
  const Error error = failure(one);
  EXPECT_EQ(error.kind(), ErrorKind::kRead);
  EXPECT_STREQ(error.what(), "blocks.5.ffn.fc1.weight cannot be read");
  text_->broken.clear();
  EXPECT_EQ(make(one).video.size(0), 9);
}

TEST(MemoryOnACpu, OffloadGivesTheSameAndStreamIsRefused) {
  const auto make = [](Memory memory) {
    ModelFolder folder = find_model(test::tiny_path(), Variant::kAuto);
    folder.spec.area = 64 * 64;
    folder.spec.video_latents = 2;
    folder.spec.audio_latents = 8;
    RecordingSink sink;
    Request request = test::small_request();
    request.image.fill_(77);
    const auto stats =
        Generator(std::make_shared<LoadedModel>(folder, c10::kCPU, at::kFloat, memory))
            .generate(request, sink, nullptr);
    return Clip{at::cat(sink.frames), sink.samples, stats};
  };
  const Clip resident = make(Memory::kAuto), offload = make(Memory::kOffload);
  EXPECT_EQ(resident.stats.memory, Memory::kResident);
  EXPECT_EQ(offload.stats.memory, Memory::kOffload);
  EXPECT_TRUE(same(resident, offload));
  try {
    make(Memory::kStream);
    FAIL() << "a CPU has nothing to stream to";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kSettings);
    EXPECT_NE(std::string(error.what()).find("memory=offload"), std::string::npos);
  }
}

}  // namespace
}  // namespace ovi
