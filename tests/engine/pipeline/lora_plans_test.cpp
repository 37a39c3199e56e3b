// LoRAs in clips: with each memory plan and arithmetic the latents of a model whose weights were
// merged beforehand, to the bit.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/mm.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>

#include "../lora_files.h"
#include "../memory_source.h"
#include "memory_plans_fixture.h"
#include "pipeline/model_registry.h"

namespace ovi {
namespace {

using test::Clip;
using test::Halves;
using test::MemorySource;
using test::NamedTensors;
using test::same;
namespace fake = test::fake;

class LoraPlans : public test::MemoryPlans {
 protected:
  void SetUp() override {
    MemoryPlans::SetUp();
    path_ = std::filesystem::temp_directory_path() /
            ("ovi-lora-plans-" + std::to_string(::getpid()) + ".safetensors");
    // Every large matrix of every block, in both towers, a norm, a bias and a modulation.
    NamedTensors lora, merged = MemorySource::copy(*sources_.fusion);
    uint64_t seed = 1;
    for (auto& [name, tensor] : merged) {
      const bool weight = name.ends_with(".weight") && tensor.dim() == 2;
      if (name.find(".blocks.") == std::string::npos || !weight) continue;
      const int64_t rank = 3 + static_cast<int64_t>(seed % 5);
      const Halves halves(tensor.size(0), tensor.size(1), rank, seed += 2);
      const std::string layer = name.substr(0, name.size() - std::string(".weight").size());
      lora[layer + ".lora_A.weight"] = halves.down;
      lora[layer + ".lora_B.weight"] = halves.up;
      lora[layer + ".alpha"] = at::tensor(static_cast<float>(rank) / 2);
      tensor = tensor.to(at::kFloat) + halves.product() / 2;
    }
    for (const auto& [name, key] :
         {std::pair{"video_model.blocks.2.norm3.weight", "diffusion_model.blocks.2.norm3.diff"},
          std::pair{"video_model.blocks.0.self_attn.q.bias", "blocks.0.self_attn.q.diff_b"},
          std::pair{"audio_model.blocks.1.modulation.modulation", "audio_model.blocks.1.diff_m"}}) {
      at::Tensor& tensor = merged.at(name);
      lora[key] = test::exact_values(tensor.sizes(), seed += 2);
      tensor = tensor.to(at::kFloat) + lora[key];
    }
    test::save_safetensors(path_.string(), lora);
    merged_ = sources_;
    merged_.fusion = std::make_shared<MemorySource>(std::move(merged));
  }
  void TearDown() override {
    std::filesystem::remove(path_);
    MemoryPlans::TearDown();
  }

  std::shared_ptr<LoadedModel> model(Memory memory, const Arithmetic& arithmetic, bool beforehand,
                                     const c10::Device& device, double strength = 1) {
    ModelFolder folder = folder_;
    if (!beforehand) folder.loras = {{path_.string(), strength}};
    auto made = std::make_shared<LoadedModel>(folder, device, arithmetic, memory);
    made->set_sources(beforehand ? merged_ : sources_);
    return made;
  }

  /// Latents instead of frames and samples: what decodes them has no part in LoRAs, and takes most
  /// of a test's time.
  Clip latents(const std::shared_ptr<LoadedModel>& model) {
    Clip clip;
    Cancel cancel;
    Instruments instruments;
    instruments.observe = [&](const char* name, const at::Tensor& tensor) {
      if (std::string_view(name) == "video_latents") clip.video = tensor.cpu();
      if (std::string_view(name) != "audio_latents") return;
      clip.audio = tensor.cpu();
      cancel.trigger();
    };
    test::RecordingSink sink;
    EXPECT_THROW(Generator(model).generate(request_, sink, &cancel, instruments), Error);
    return clip;
  }

  std::filesystem::path path_;
  ModelSources merged_;
};

TEST_F(LoraPlans, EachGivesTheLatentsOfTheMergedModel) {
  for (const Arithmetic& arithmetic :
       {Arithmetic(at::kFloat), Arithmetic(at::kBFloat16), Arithmetic(at::kBFloat16, true)}) {
    const Clip expected = latents(model(Memory::kResident, arithmetic, true, fake::device()));
    for (const Memory memory : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
      const auto one = model(memory, arithmetic, false, fake::device());
      EXPECT_TRUE(same(latents(one), expected)) << memory_name(memory);
      EXPECT_TRUE(same(latents(one), expected)) << memory_name(memory);
    }
    EXPECT_FALSE(same(latents(MemoryPlans::model(Memory::kResident, arithmetic)), expected));
  }
}

TEST_F(LoraPlans, OnTheCpuToo) {
  for (const Arithmetic& arithmetic : {Arithmetic(at::kFloat), Arithmetic(at::kBFloat16)}) {
    const Clip expected = latents(model(Memory::kResident, arithmetic, true, c10::kCPU));
    for (const Memory memory : {Memory::kResident, Memory::kOffload}) {
      EXPECT_TRUE(same(latents(model(memory, arithmetic, false, c10::kCPU)), expected));
    }
    const auto without = std::make_shared<LoadedModel>(folder_, c10::kCPU, arithmetic);
    without->set_sources(sources_);
    const auto none = model(Memory::kAuto, arithmetic, false, c10::kCPU, 0);
    EXPECT_TRUE(same(latents(none), latents(without)));
  }
}

// On a CPU weights of the file's own type are mapped and take nothing; merged ones do.
TEST_F(LoraPlans, MergedWeightsAreCountedAsMemory) {
  const auto weights_of = [&](const std::shared_ptr<LoadedModel>& one) {
    for (const StageNeeds& stage : one->stage_needs({3, 4, 4, 8})) {
      if (stage.name == "denoise") return stage.weights;
    }
    return int64_t{-1};
  };
  const int64_t mapped = weights_of(model(Memory::kAuto, at::kBFloat16, false, c10::kCPU, 0));
  int64_t touched = 0;
  const auto base = sources_.fusion;
  for (const TensorInfo& info : base->tensors()) {
    if (merged_.fusion->find(info.name)->dtype != info.dtype) {
      touched += base->view(info.name).numel() * 2;
    }
  }
  const int64_t merged = weights_of(model(Memory::kAuto, at::kBFloat16, false, c10::kCPU));
  EXPECT_GT(touched, 0);
  EXPECT_GE(merged - mapped, touched);
  // In float32 the merged tensors are float32 too, and yet no mapping.
  const int64_t wide = weights_of(model(Memory::kAuto, at::kFloat, false, c10::kCPU));
  EXPECT_GE(wide, 2 * touched);
}

TEST_F(LoraPlans, ALoadedModelIsSharedByThoseOfTheSameLoras) {
  ModelFolder one = folder_, other = folder_;
  one.loras = {{path_.string(), 1}};
  other.loras = {{path_.string(), 0.5}};
  const auto model = shared_model(one, c10::kCPU, at::kFloat);
  EXPECT_EQ(shared_model(one, c10::kCPU, at::kFloat), model);
  EXPECT_NE(shared_model(other, c10::kCPU, at::kFloat), model);
  EXPECT_NE(shared_model(folder_, c10::kCPU, at::kFloat), model);
}

}  // namespace
}  // namespace ovi
