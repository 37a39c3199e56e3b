// Memory plans on a device whose memory ends: the same clip with each, within what each
// says it needs, and a usable model after every accident.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <thread>

#include "../fake_device/fake_device.h"
#include "../tiny_model.h"
#include "pipeline/generator.h"
#include "runtime/error.h"
#include "weights/synthetic.h"

namespace ovi {
namespace {

using test::RecordingSink;
namespace fake = test::fake;

constexpr size_t kMiB = size_t{1} << 20;

struct Clip {
  at::Tensor video, audio;
  GenerationStats stats;
};

bool same(const Clip& a, const Clip& b) { return a.video.equal(b.video) && a.audio.equal(b.audio); }

// Passes everything on, and fails when told to.
class Source final : public TensorSource {
 public:
  explicit Source(std::shared_ptr<const TensorSource> inner) : inner_(std::move(inner)) {}
  const std::string& path() const override { return inner_->path(); }
  const std::vector<TensorInfo>& tensors() const override { return inner_->tensors(); }
  const TensorInfo* find(const std::string& name) const override { return inner_->find(name); }
  at::Tensor view(const std::string& name) const override { return inner_->view(name); }
  void read(const std::string& name, int64_t first, at::Tensor to) const override {
    if (name == broken) throw Error(ErrorKind::kRead, name + " cannot be read");
    inner_->read(name, first, to);
  }
  std::string broken;

 private:
  std::shared_ptr<const TensorSource> inner_;
};

class MemoryPlans : public testing::Test {
 protected:
  void SetUp() override {
    fake::reset();
    // Deep enough that two blocks are much less than all of them.
    size_.dtype = at::kBFloat16;
    size_.fusion = {6, 128, 512, 64, 64, 48, 20};
    size_.text = {6, 64, 512, 2, 256384, 32};
    size_.video_vae = {16, 16, 48};
    size_.audio_vae.dim = 16;
    size_.vocoder.channels = 64;
    folder_ = find_model(test::tiny_path(), Variant::kAuto);
    folder_.spec.area = 64 * 64;
    folder_.spec.video_latents = 3;
    folder_.spec.audio_latents = 8;
    folder_.num_heads = 2;
    folder_.audio_rope_scaling.reset();
    text_ = std::make_shared<Source>(synthetic_text_encoder(size_));
    sources_ = {synthetic_fusion(size_), text_, synthetic_video_vae(size_),
                synthetic_audio_vae(size_), synthetic_vocoder(size_)};
    request_ = test::small_request();
    request_.image =
        at::arange(48 * 64 * 3, at::kInt).remainder(251).to(at::kByte).view({48, 64, 3});
  }
  void TearDown() override {
    for (const std::string& violation : fake::violations()) ADD_FAILURE() << violation;
  }

  std::shared_ptr<LoadedModel> model(Memory memory, const Arithmetic& arithmetic = at::kBFloat16) {
    auto made = std::make_shared<LoadedModel>(folder_, fake::device(), arithmetic, memory);
    made->set_sources(sources_);
    return made;
  }
  Clip make(const std::shared_ptr<LoadedModel>& model, RecordingSink& sink,
            const Cancel* cancel = nullptr) {
    Clip clip;
    clip.stats = Generator(model).generate(request_, sink, cancel);
    clip.video = at::cat(sink.frames);
    clip.audio = sink.samples;
    return clip;
  }
  Clip make(const std::shared_ptr<LoadedModel>& model) {
    RecordingSink sink;
    return make(model, sink);
  }
  /// The device has room for `bytes` beyond what is there now.
  void leave_free(size_t bytes) { fake::set_memory(fake::memory().used + bytes); }
  Error failure(const std::shared_ptr<LoadedModel>& model, RecordingSink& sink,
                const Cancel* cancel = nullptr) {
    try {
      make(model, sink, cancel);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing failed";
    return Error(ErrorKind::kFailed, "nothing failed");
  }
  Error failure(const std::shared_ptr<LoadedModel>& model) {
    RecordingSink sink;
    return failure(model, sink);
  }

  SyntheticSize size_;
  ModelFolder folder_;
  std::shared_ptr<Source> text_;
  ModelSources sources_;
  Request request_;
};

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

// Never less than is used, and not so much more that a device is passed over.
TEST_F(MemoryPlans, WhatIsNeededIsKnownBeforehand) {
  for (const int64_t area : {64 * 64, 160 * 160}) {
    folder_.spec.area = area;
    for (const Memory memory : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
      const auto one = model(memory);
      const size_t before = fake::memory().used;
      const Clip clip = make(one);
      const double used = static_cast<double>(clip.stats.peak_device_bytes - before);
      const double needed = static_cast<double>(one->choice().needed);
      EXPECT_LE(used, needed) << memory_name(memory) << ", " << area;
      EXPECT_LE(needed, 1.5 * used) << memory_name(memory) << ", " << area;
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
      if (blocks_only && block_of(tensor.name) < 0) continue;
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

TEST_F(MemoryPlans, AFileThatFailsInTheMiddleIsNamedAndMayComeBack) {
  const auto one = model(Memory::kStream);
  text_->broken = "blocks.5.ffn.fc1.weight";
  const Error error = failure(one);
  EXPECT_EQ(error.kind(), ErrorKind::kRead);
  EXPECT_STREQ(error.what(), "blocks.5.ffn.fc1.weight cannot be read");
  text_->broken.clear();
  EXPECT_EQ(make(one).video.size(0), 9);
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
