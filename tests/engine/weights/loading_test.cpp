// How weights reach an accelerator: read ahead, or block by block. The fake device finds
// copies that are not in order.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

#include "../fake_device/fake_device.h"
#include "../memory_source.h"
#include "../passing_source.h"
#include "runtime/device.h"
#include "test_files.h"
#include "weights/prefetch_loader.h"
#include "weights/streaming_loader.h"

namespace ovi {
namespace {

namespace fake = test::fake;
using test::MemorySource;

class Loading : public testing::Test {
 protected:
  void SetUp() override { fake::reset(); }
  void TearDown() override {
    for (const std::string& violation : fake::violations()) ADD_FAILURE() << violation;
  }
  const c10::Device device_ = fake::device();
};

// Like MemorySource, but one tensor cannot be read.
class BrokenSource final : public test::PassingSource {
 public:
  BrokenSource(std::map<std::string, at::Tensor> tensors, std::string broken)
      : PassingSource(std::make_shared<MemorySource>(std::move(tensors))),
        broken_(std::move(broken)) {}
  void read(const std::string& name, int64_t first, at::Tensor to) const override {
    if (name == broken_ && fails) throw Error(ErrorKind::kRead, name + " cannot be read");
    PassingSource::read(name, first, to);
  }
  std::atomic<bool> fails = true;

 private:
  std::string broken_;
};

Manifest manifest_of_names(const std::shared_ptr<const TensorSource>& source,
                           const std::vector<std::string>& names, at::ScalarType dtype) {
  ManifestRecorder recorder;
  for (const std::string& name : names) EXPECT_TRUE(recorder.load(*source, name, dtype).is_meta());
  return recorder.manifest();
}

TEST(BlockOf, ReadsTheNumberOfABlock) {
  EXPECT_EQ(block_of("video_model.blocks.12.self_attn.q.weight"), 12);
  EXPECT_EQ(block_of("blocks.0.norm1.weight"), 0);
  EXPECT_EQ(block_of("blocks.count"), -1);
  EXPECT_EQ(block_of("superblocks.3.weight"), -1);
  EXPECT_EQ(block_of("superblocks.3.blocks.4.weight"), 4);
  EXPECT_EQ(block_of("head.weight"), -1);
}

TEST(Manifest, SaysWithWhichBlockATensorIsStreamed) {
  const auto of = [](std::vector<std::string> names) {
    Manifest manifest;
    for (std::string& name : names) {
      manifest.push_back({std::move(name), at::kFloat, {1}, WeightSpec::Use::kStored});
    }
    return streamed_with(manifest);
  };
  const std::string embedding = "audio_model.patch_embedding.";
  EXPECT_EQ(of({embedding + "2.w2.weight", "audio_model.blocks.0.norm3.weight",
                "video_model.blocks.1.norm3.weight", embedding + "2.w1.weight",
                embedding + "2.w3.weight", embedding + "0.weight", "video_model.head.head.weight"}),
            (std::vector<int64_t>{3, 0, 1, 2, 2, -1, -1}));
  EXPECT_EQ(of({embedding + "2.w1.weight"}), std::vector<int64_t>{-1});
  EXPECT_EQ(of({}), std::vector<int64_t>{});
}

TEST_F(Loading, PrefetchesInSmallChunksAndConvertsBothWays) {
  const std::map<std::string, at::Tensor> tensors = {
      {"a", at::randn({37, 11})},
      {"b", at::randn({5}).to(at::kBFloat16)},
      {"c", at::randn({64, 3}).to(at::kFloat8_e4m3fn)},
      {"d", at::randn({9, 4}).t()},  // not contiguous
      {"e", at::randn({}, at::TensorOptions().dtype(at::kDouble))}};
  const auto source = std::make_shared<MemorySource>(tensors);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    int64_t bytes = 0;
    PrefetchLoader prefetched(source, manifest_of_names(source, {"c", "a", "d", "b", "e"}, dtype),
                              device_, [&](int64_t n) { bytes += n; }, {3, 4, 64});
    for (const char* name : {"c", "a", "d", "b", "e"}) {
      const at::Tensor placed = prefetched.load(*source, name, dtype);
      EXPECT_TRUE(placed.device() == device_);
      EXPECT_TRUE(placed.cpu().equal(tensors.at(name).to(dtype).contiguous())) << name;
    }
    EXPECT_EQ(bytes, 37 * 11 * 4 + 5 * 2 + 64 * 3 + 9 * 4 * 4 + 8);
  }
  EXPECT_LE(fake::memory().pinned_peak, 2u * 4 * 64);  // what is staged has a limit
}

TEST_F(Loading, PrefetchingStopsForErrorsAndForTheCaller) {
  const std::map<std::string, at::Tensor> tensors = {{"a", at::randn({100, 100})},
                                                     {"b", at::randn({100, 100})}};
  const auto broken = std::make_shared<BrokenSource>(tensors, "b");
  {
    PrefetchLoader prefetched(broken, manifest_of_names(broken, {"a", "b"}, at::kFloat), device_,
                              {}, {2, 4, 1024});
    try {
      prefetched.load(*broken, "a", at::kFloat);
      prefetched.load(*broken, "b", at::kFloat);
      FAIL() << "nobody noticed";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "b cannot be read");
    }
  }
  // Within one tensor.
  const auto source = std::make_shared<MemorySource>(tensors);
  int64_t bytes = 0;
  PrefetchLoader prefetched(source, manifest_of_names(source, {"a", "b"}, at::kFloat), device_,
                            [&](int64_t n) {
                              bytes += n;
                              if (bytes >= 2048) throw Error(ErrorKind::kCancelled, "stop");
                            },
                            {2, 4, 1024});
  EXPECT_THROW(prefetched.load(*source, "a", at::kFloat), Error);
  EXPECT_EQ(bytes, 2048);
}

TEST_F(Loading, AModelMayAskInAnyOrderForWhatItsManifestNames) {
  const std::map<std::string, at::Tensor> tensors = {{"a", at::randn({30, 10})},
                                                     {"b", at::randn({5})},
                                                     {"c", at::randn({64, 3})},
                                                     {"d", at::randn({2})}};
  const auto source = std::make_shared<MemorySource>(tensors);
  int64_t bytes = 0;
  // "a" is needed twice, and in two types.
  Manifest manifest = manifest_of_names(source, {"a", "b", "a", "c"}, at::kFloat);
  manifest[2].dtype = at::kBFloat16;
  PrefetchLoader prefetched(source, manifest, device_, [&](int64_t n) { bytes += n; }, {2, 2, 64});
  for (const auto& [name, dtype] : {std::pair("c", at::kFloat), std::pair("a", at::kBFloat16),
                                    std::pair("b", at::kFloat), std::pair("a", at::kFloat)})
    EXPECT_TRUE(prefetched.load(*source, name, dtype).cpu().equal(tensors.at(name).to(dtype)))
        << name;
  EXPECT_EQ(bytes, 4 * (300 + 5 + 300 + 64 * 3));
  EXPECT_THROW(prefetched.load(*source, "d", at::kFloat), Error);  // not in it
  EXPECT_THROW(prefetched.load(*source, "a", at::kFloat), Error);  // not three times
}

// Three blocks of 3.3 MB, whose tensors lie across the pieces of a slab.
class Streaming : public Loading, public testing::WithParamInterface<bool> {
 protected:
  static constexpr int64_t kBlocks = 4;
  void SetUp() override {
    Loading::SetUp();
    for (int64_t i = 0; i < kBlocks; ++i) {
      const std::string block = "blocks." + std::to_string(i) + ".";
      tensors_[block + "large"] = at::randn({700, 1000}).to(at::kBFloat16);
      tensors_[block + "small"] = at::randn({7});
      tensors_[block + "wide"] = at::randn({1000, 450}).to(at::kBFloat16);
    }
    tensors_["head"] = at::randn({3, 3});
    source_ = std::make_shared<MemorySource>(tensors_);
  }
  /// Weights over streamed blocks, and what a model would hold of them.
  struct Model {
    std::vector<at::Tensor> large, small, wide, doubled;
    at::Tensor head;
    std::shared_ptr<BlockHooks> hooks;
  };
  Model make(const std::shared_ptr<WeightLoader>& loader, const c10::Device& device) {
    Placement placement;
    placement.dtype = at::kBFloat16;
    placement.device = device;
    placement.loader = loader;
    const Weights weights(source_, placement);
    Model model;
    model.hooks = weights.block_hooks();
    model.head = weights.get("head", {3, 3});
    for (int64_t i = 0; i < kBlocks; ++i) {
      const Weights block = weights.at("blocks").at(i);
      model.large.push_back(block.get("large", {700, 1000}));
      model.small.push_back(block.get_float("small", {7}));
      model.wide.push_back(block.get("wide", {kAny, 450}));
      model.doubled.push_back(block.derive({"doubled"}, [&] {
        ++made_;
        return std::vector<at::Tensor>{block.get_temporary("small", {7}) * 2};
      })[0]);
    }
    return model;
  }
  std::shared_ptr<HostBlocks> blocks(bool keep) {
    const auto recorder = std::make_shared<ManifestRecorder>();
    make(recorder, c10::kMeta);
    made_ = 0;
    return std::make_shared<HostBlocks>(source_, recorder->manifest(), device_, keep);
  }
  void expect_block(const Model& model, int64_t i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    const BlockScope here(model.hooks, i);
    // Copies stay in the device's order: what is looked at now was there.
    const at::Tensor large = model.large[i] * 1, small = model.small[i] * 1,
                     wide = model.wide[i] * 1, doubled = model.doubled[i] * 1;
    EXPECT_TRUE(large.cpu().equal(tensors_[block + "large"])) << i;
    EXPECT_TRUE(small.cpu().equal(tensors_[block + "small"])) << i;
    EXPECT_TRUE(wide.cpu().equal(tensors_[block + "wide"])) << i;
    EXPECT_TRUE(doubled.cpu().equal(tensors_[block + "small"].to(at::kBFloat16) * 2)) << i;
  }

  std::map<std::string, at::Tensor> tensors_;
  std::shared_ptr<const TensorSource> source_;
  int made_ = 0;
};

TEST_P(Streaming, GivesEachBlockItsWeights) {
  const bool keep = GetParam();
  const auto host = blocks(keep);
  EXPECT_EQ(host->count(), kBlocks);
  EXPECT_EQ(host->keeps(), keep);
  const size_t before = fake::memory().used;
  {
    const Model model = make(std::make_shared<StreamingLoader>(host, device_), device_);
    EXPECT_EQ(made_, kBlocks);
    int64_t read = 0;
    host->fill([&](int64_t bytes) { read += bytes; });
    EXPECT_EQ(read > 0, keep);
    EXPECT_TRUE(model.head.cpu().equal(tensors_["head"].to(at::kBFloat16)));
    // Two slots, and what is in no block.
    EXPECT_EQ(fake::memory().used - before, 2u * host->slab_bytes() + 3 * 3 * 2);
    for (int round = 0; round < 2; ++round) {
      for (int64_t i = 0; i < kBlocks; ++i) expect_block(model, i);
    }
    for (const int64_t i : {3, 1, 1, 0, 2}) expect_block(model, i);  // in any order
  }
  EXPECT_EQ(fake::memory().used, before);
  // Another model over the same bytes, as after an offload.
  const Model again = make(std::make_shared<StreamingLoader>(host, device_), device_);
  EXPECT_EQ(made_, keep ? kBlocks : 2 * kBlocks);
  for (int64_t i = 0; i < kBlocks; ++i) expect_block(again, i);
}

INSTANTIATE_TEST_SUITE_P(KeptOrReadAgain, Streaming, testing::Bool());

TEST_F(Streaming, CopiesAheadWithoutAWait) {
  const auto host = blocks(/*keep=*/true);
  const Model model = make(std::make_shared<StreamingLoader>(host, device_), device_);
  host->fill({});
  at::Tensor sum = model.head.sum();
  const auto before = fake::waits().all();
  for (int64_t i = 0; i < 3 * kBlocks; ++i) {
    const BlockScope here(model.hooks, i % kBlocks);
    sum = sum + model.large[i % kBlocks].sum();
  }
  EXPECT_EQ(fake::waits().all(), before);
}

TEST_F(Streaming, WhatWasPageLockedIsTheSystemsAgain) {
  auto host = blocks(/*keep=*/true);
  host->fill({});
  EXPECT_GE(fake::memory().pinned, static_cast<size_t>(kBlocks * host->slab_bytes()));
  host.reset();
  EXPECT_EQ(fake::memory().pinned_reserved, fake::memory().pinned);
}

// Both wait for copies when they go, and a destructor that throws would end the program.
TEST_F(Streaming, ADeviceThatFailsDoesNotEndTheProgram) {
  {
    const Model model = make(std::make_shared<StreamingLoader>(blocks(true), device_), device_);
    PrefetchLoader prefetched(source_, {{"head", at::kBFloat16, {3, 3}, WeightSpec::Use::kStored}},
                              device_, {}, {});
    prefetched.load(*source_, "head", at::kBFloat16);
    const BlockScope here(model.hooks, 0);
    fake::break_down();
    EXPECT_THROW(synchronize(device_), c10::Error);
  }
  fake::reset();
}

TEST_F(Streaming, PiecesArePowersOfTwo) {
  const HostSlab slab = HostSlab::allocate((int64_t{7} << 20) + 5, device_, false);
  std::vector<int64_t> sizes;
  for (const HostSlab::Piece& piece : slab.pieces()) sizes.push_back(piece.bytes.numel() >> 20);
  EXPECT_EQ(sizes, (std::vector<int64_t>{4, 2, 1, 1}));
}

TEST_F(Streaming, AnErrorOfACopyAheadComesWithTheNextBlock) {
  const auto broken = std::make_shared<BrokenSource>(tensors_, "blocks.1.wide");
  source_ = broken;
  const auto host = blocks(/*keep=*/false);
  const Model model = make(std::make_shared<StreamingLoader>(host, device_), device_);
  { const BlockScope here(model.hooks, 0); }
  EXPECT_THROW(const BlockScope here(model.hooks, 1), Error);
  broken->fails = false;
  for (int64_t i = 0; i < kBlocks; ++i) expect_block(model, i);
}

TEST(FileRead, AFileThatBecameShorterIsAnError) {
  const test::TempFolder folder;
  const std::string path = folder.path("model.safetensors");
  std::filesystem::copy_file(test::tiny("Ovi/model.safetensors"), path);
  const auto source = open_tensors(path);
  const TensorInfo& last = source->tensors().back();
  int64_t count = 1;
  for (const int64_t n : last.shape) count *= n;
  at::Tensor whole = at::empty({count}, at::TensorOptions().dtype(last.dtype));
  source->read(last.name, 0, whole);
  EXPECT_TRUE(whole.equal(source->view(last.name).flatten()));
  at::Tensor tail = at::empty({count - 1}, at::TensorOptions().dtype(at::kDouble));
  source->read(last.name, 1, tail);
  EXPECT_TRUE(
      tail.equal(source->view(last.name).flatten().narrow(0, 1, count - 1).to(at::kDouble)));
  ASSERT_EQ(::truncate(path.c_str(), 4096), 0);
  try {
    source->read(last.name, 0, whole);
    FAIL() << "nobody noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRead);
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos);
  }
}

}  // namespace
}  // namespace ovi
