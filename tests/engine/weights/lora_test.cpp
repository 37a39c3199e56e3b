// LoRAs: what their files call things, what they may say wrongly, and that reading through them
// gives what merging beforehand gives, to the bit.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../lora_files.h"
#include "../memory_source.h"
#include "test_files.h"
#include "weights/lora_keys.h"
#include "weights/lora_product.h"
#include "weights/lora_tensors.h"

namespace ovi {
namespace {

using test::exact_values;
using test::expect_error;
using test::Halves;
using test::MemorySource;
using test::NamedTensors;

class LoraTest : public testing::Test {
 protected:
  LoraTest() : model_(open_tensors(test::tiny("Ovi/model.safetensors"))) {}

  std::string write(const NamedTensors& tensors, const std::string& name = "l.safetensors") {
    return test::save_safetensors(folder_.path(name), tensors);
  }
  std::shared_ptr<const TensorSource> with(const NamedTensors& tensors, double strength = 1) {
    warnings_.clear();
    return with_loras(model_, {{write(tensors), strength}}, &warnings_);
  }
  at::Tensor base(const std::string& name) const { return model_->view(name); }

  test::TempFolder folder_;
  std::shared_ptr<const TensorSource> model_;
  std::vector<std::string> warnings_;
};

// One layer by each program's name for it.
struct Style {
  const char *down, *up, *alpha, *tensor;
};

void PrintTo(const Style& style, std::ostream* out) { *out << style.down; }

class LoraStyles : public LoraTest, public testing::WithParamInterface<Style> {};

TEST_P(LoraStyles, FindTheirLayer) {
  const Style& style = GetParam();
  const at::Tensor before = base(style.tensor);
  const int64_t out = before.size(0), in = before.numel() / out;
  const Halves halves(out, in, 8, 3);
  NamedTensors tensors = {{style.down, halves.down}, {style.up, halves.up}};
  if (*style.alpha) tensors[style.alpha] = at::tensor(4.0f);
  const auto merged = with(tensors, -0.5);
  EXPECT_TRUE(warnings_.empty()) << warnings_.front();
  const double factor = *style.alpha ? -0.25 : -0.5;
  const at::Tensor expected = before + (halves.product() * factor).view(before.sizes());
  EXPECT_TRUE(merged->view(style.tensor).equal(expected));
  EXPECT_FALSE(expected.equal(before));
}

constexpr char kQ[] = "video_model.blocks.2.self_attn.q.weight";

INSTANTIATE_TEST_SUITE_P(
    Programs, LoraStyles,
    testing::Values(
        Style{"diffusion_model.blocks.2.self_attn.q.lora_A.weight",
              "diffusion_model.blocks.2.self_attn.q.lora_B.weight", "", kQ},
        Style{"diffusion_model.blocks.2.self_attn.q.lora_down.weight",
              "diffusion_model.blocks.2.self_attn.q.lora_up.weight",
              "diffusion_model.blocks.2.self_attn.q.alpha", kQ},
        Style{"blocks.2.self_attn.q.lora_down.weight", "blocks.2.self_attn.q.lora_up.weight",
              "blocks.2.self_attn.q.alpha", kQ},
        Style{"transformer.blocks.2.attn1.to_q.lora_A.weight",
              "transformer.blocks.2.attn1.to_q.lora_B.weight", "", kQ},
        Style{"transformer.blocks.2.attn2.to_out.0.lora.down.weight",
              "transformer.blocks.2.attn2.to_out.0.lora.up.weight", "",
              "video_model.blocks.2.cross_attn.o.weight"},
        Style{"transformer.blocks.0.ffn.net.0.proj.lora_A.weight",
              "transformer.blocks.0.ffn.net.0.proj.lora_B.weight", "",
              "video_model.blocks.0.ffn.0.weight"},
        Style{"transformer.blocks.0.ffn.net.2.lora_A.weight",
              "transformer.blocks.0.ffn.net.2.lora_B.weight", "",
              "video_model.blocks.0.ffn.2.weight"},
        Style{"transformer.condition_embedder.time_embedder.linear_1.lora_A.weight",
              "transformer.condition_embedder.time_embedder.linear_1.lora_B.weight", "",
              "video_model.time_embedding.0.weight"},
        Style{"transformer.condition_embedder.time_proj.lora_A.weight",
              "transformer.condition_embedder.time_proj.lora_B.weight", "",
              "video_model.time_projection.1.weight"},
        Style{"transformer.condition_embedder.text_embedder.linear_2.lora_A.weight",
              "transformer.condition_embedder.text_embedder.linear_2.lora_B.weight", "",
              "video_model.text_embedding.2.weight"},
        Style{"transformer.proj_out.lora_A.weight", "transformer.proj_out.lora_B.weight", "",
              "video_model.head.head.weight"},
        Style{"lora_unet_blocks_2_self_attn_q.lora_down.weight",
              "lora_unet_blocks_2_self_attn_q.lora_up.weight",
              "lora_unet_blocks_2_self_attn_q.alpha", kQ},
        Style{"lora_unet__head_head.lora_down.weight", "lora_unet__head_head.lora_up.weight",
              "lora_unet__head_head.alpha", "video_model.head.head.weight"},
        Style{"base_model.model.blocks.2.self_attn.q.lora_A.weight",
              "base_model.model.blocks.2.self_attn.q.lora_B.weight", "", kQ},
        Style{"base_model.model.blocks.2.self_attn.q.lora_A.default.weight",
              "base_model.model.blocks.2.self_attn.q.lora_B.default.weight", "", kQ},
        Style{"video_model.blocks.2.self_attn.q.lora_A.weight",
              "video_model.blocks.2.self_attn.q.lora_B.weight", "", kQ},
        Style{"video_model.blocks.1.cross_attn.v_fusion.lora_A.weight",
              "video_model.blocks.1.cross_attn.v_fusion.lora_B.weight", "",
              "video_model.blocks.1.cross_attn.v_fusion.weight"},
        Style{"base_model.model.audio_model.blocks.1.ffn.2.lora_A.weight",
              "base_model.model.audio_model.blocks.1.ffn.2.lora_B.weight", "",
              "audio_model.blocks.1.ffn.2.weight"},
        Style{"lora_unet_audio_model_blocks_1_cross_attn_k_fusion.lora_down.weight",
              "lora_unet_audio_model_blocks_1_cross_attn_k_fusion.lora_up.weight", "",
              "audio_model.blocks.1.cross_attn.k_fusion.weight"},
        Style{"diffusion_model.patch_embedding.lora_A.weight",
              "diffusion_model.patch_embedding.lora_B.weight", "",
              "video_model.patch_embedding.weight"},
        Style{"diffusion_model.audio_model.patch_embedding.2.w1.lora_down.weight",
              "diffusion_model.audio_model.patch_embedding.2.w1.lora_up.weight",
              "diffusion_model.audio_model.patch_embedding.2.w1.alpha",
              "audio_model.patch_embedding.2.w1.weight"}));

TEST_F(LoraTest, DifferencesOfWeightsBiasesNormsAndModulation) {
  const NamedTensors tensors = {
      {"diffusion_model.blocks.1.self_attn.q.diff", exact_values({48, 48}, 1)},
      {"diffusion_model.blocks.1.self_attn.q.diff_b", exact_values({48}, 2)},
      {"diffusion_model.blocks.1.norm3.diff", exact_values({48}, 3)},
      {"diffusion_model.blocks.1.diff_m", exact_values({1, 6, 48}, 4)},
      {"diffusion_model.blocks.0.modulation.diff", exact_values({1, 6, 48}, 5)},
      {"transformer.blocks.2.norm2.diff_b", exact_values({48}, 6)},
      {"diffusion_model.head.diff_m", exact_values({1, 2, 48}, 7)}};
  const auto merged = with(tensors, 2);
  EXPECT_TRUE(warnings_.empty()) << warnings_.front();
  const auto expect = [&](const std::string& name, const char* key) {
    EXPECT_TRUE(merged->view(name).equal(base(name) + 2 * tensors.at(key))) << name;
  };
  expect("video_model.blocks.1.self_attn.q.weight", "diffusion_model.blocks.1.self_attn.q.diff");
  expect("video_model.blocks.1.self_attn.q.bias", "diffusion_model.blocks.1.self_attn.q.diff_b");
  expect("video_model.blocks.1.norm3.weight", "diffusion_model.blocks.1.norm3.diff");
  expect("video_model.blocks.1.modulation.modulation", "diffusion_model.blocks.1.diff_m");
  expect("video_model.blocks.0.modulation.modulation", "diffusion_model.blocks.0.modulation.diff");
  expect("video_model.blocks.2.norm3.bias", "transformer.blocks.2.norm2.diff_b");
  expect("video_model.head.modulation", "diffusion_model.head.diff_m");
}

TEST_F(LoraTest, ABiasBesideTheProductIsScaledLikeIt) {
  const Halves halves(48, 48, 4, 9);
  const std::string layer = "base_model.model.blocks.0.self_attn.k.";
  const at::Tensor bias = exact_values({48}, 8);
  const auto merged = with({{layer + "lora_A.weight", halves.down},
                            {layer + "lora_B.weight", halves.up},
                            {layer + "lora_B.bias", bias},
                            {layer + "alpha", at::tensor(2.0f)}});
  const std::string name = "video_model.blocks.0.self_attn.k.";
  EXPECT_TRUE(merged->view(name + "weight").equal(base(name + "weight") + halves.product() / 2));
  EXPECT_TRUE(merged->view(name + "bias").equal(base(name + "bias") + bias / 2));
}

TEST_F(LoraTest, RanksAndDtypesMayDiffer) {
  NamedTensors tensors;
  std::map<std::string, at::Tensor> products;
  uint64_t seed = 0;
  for (const auto& [layer, rank, dtype] :
       {std::tuple{"blocks.0.self_attn.q", int64_t{1}, at::kBFloat16},
        std::tuple{"blocks.0.ffn.0", int64_t{7}, at::kHalf},
        std::tuple{"blocks.0.ffn.2", int64_t{100}, at::kFloat}}) {
    const at::Tensor before = base(std::string("video_model.") + layer + ".weight");
    const Halves halves(before.size(0), before.size(1), rank, seed += 2);
    tensors[std::string(layer) + ".lora_A.weight"] = halves.down.to(dtype);
    tensors[std::string(layer) + ".lora_B.weight"] = halves.up.to(dtype);
    products[std::string("video_model.") + layer + ".weight"] = before + halves.product();
  }
  tensors["blocks.0.ffn.2.alpha"] = at::tensor(int64_t{100});  // integers are numbers too
  const auto merged = with(tensors);
  for (const auto& [name, product] : products) {
    EXPECT_TRUE(merged->view(name).equal(product)) << name;
  }
}

TEST_F(LoraTest, SeveralAddUpAndAStrengthOf0IsNone) {
  const std::string layer = "blocks.2.self_attn.q.lora_";
  const Halves one(48, 48, 4, 1), other(48, 48, 6, 5);
  const std::string first =
      write({{layer + "A.weight", one.down}, {layer + "B.weight", one.up}}, "1.safetensors");
  const std::string second =
      write({{layer + "A.weight", other.down}, {layer + "B.weight", other.up}}, "2.safetensors");
  const auto merged = with_loras(model_, {{first, 1}, {second, -2}});
  EXPECT_TRUE(merged->view(kQ).equal(base(kQ) + one.product() - 2 * other.product()));

  const auto none = with_loras(model_, {{first, 0}});
  EXPECT_TRUE(none->is_mapped(kQ));
  EXPECT_EQ(none->view(kQ).const_data_ptr(), base(kQ).const_data_ptr());
  EXPECT_EQ(with_loras(model_, {}).get(), model_.get());
}

TEST_F(LoraTest, WhatIsNotTouchedIsTheFilesOwn) {
  const Halves halves(48, 48, 4, 1);
  const auto merged = with({{"blocks.2.self_attn.q.lora_A.weight", halves.down},
                            {"blocks.2.self_attn.q.lora_B.weight", halves.up}});
  EXPECT_FALSE(merged->is_mapped(kQ));
  size_t touched = 0;
  for (const TensorInfo& info : model_->tensors()) {
    EXPECT_EQ(merged->find(info.name)->shape, info.shape);
    if (merged->find(info.name) != model_->find(info.name)) {
      ++touched;
      continue;
    }
    EXPECT_TRUE(merged->is_mapped(info.name));
    EXPECT_EQ(merged->view(info.name).const_data_ptr(), base(info.name).const_data_ptr());
  }
  EXPECT_EQ(touched, 1u);
  EXPECT_EQ(merged->tensors().size(), model_->tensors().size());
  EXPECT_EQ(merged->path(), model_->path());
}

// Chunks may begin and end anywhere, and neither change the values nor round them twice.
TEST_F(LoraTest, APieceHasTheBitsOfTheWhole) {
  auto generator = at::detail::createCPUGenerator(5);
  const at::Tensor stored = at::randn({37, 53}, generator).to(at::kBFloat16);
  const auto model = std::make_shared<MemorySource>(NamedTensors{{kQ, stored}});
  const at::Tensor down = at::randn({19, 53}, generator), up = at::randn({37, 19}, generator);
  const auto merged =
      with_loras(model, {{write({{"blocks.2.self_attn.q.lora_A.weight", down},
                                 {"blocks.2.self_attn.q.lora_B.weight", up}}),
                          0.3}});
  const at::Tensor whole = merged->view(kQ);
  EXPECT_EQ(whole.scalar_type(), at::kFloat);
  EXPECT_EQ(merged->find(kQ)->dtype, at::kFloat);
  const at::Tensor truth =
      stored.to(at::kDouble) + 0.3 * at::mm(up.to(at::kDouble), down.to(at::kDouble));
  EXPECT_LT((whole.to(at::kDouble) - truth).abs().max().item<double>(), 1e-5);
  const at::Tensor flat = whole.view({-1});
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t length : {int64_t{1}, int64_t{50}, int64_t{53}, int64_t{200}, flat.numel()}) {
      for (int64_t first = 0; first + length <= flat.numel(); first += 97) {
        at::Tensor piece = at::zeros({length}, at::TensorOptions().dtype(dtype));
        merged->read(kQ, first, piece);
        ASSERT_TRUE(piece.equal(flat.narrow(0, first, length).to(dtype)))
            << first << " " << length;
      }
    }
  }
}

// Nor are they rounded to the 8 bits that a file may have.
TEST_F(LoraTest, AFileOf8BitsIsMergedInMore) {
  model_ = open_tensors(test::tiny("Ovi/model_fp8_e4m3fn.safetensors"));
  const Halves halves(48, 48, 4, 1);
  const auto merged = with({{"blocks.2.self_attn.q.lora_A.weight", halves.down},
                            {"blocks.2.self_attn.q.lora_B.weight", halves.up}});
  ASSERT_EQ(base(kQ).scalar_type(), at::kFloat8_e4m3fn);
  const at::Tensor expected = base(kQ).to(at::kFloat) + halves.product();
  EXPECT_TRUE(merged->view(kQ).equal(expected));
  at::Tensor read = at::zeros({48 * 48}, at::TensorOptions().dtype(at::kBFloat16));
  merged->read(kQ, 0, read);
  EXPECT_TRUE(read.equal(expected.to(at::kBFloat16).view({-1})));
}

TEST(LoraProduct, IsTheProductForEverySize) {
  auto generator = at::detail::createCPUGenerator(2);
  for (const int64_t rows : {1, 3, 4, 5, 17}) {
    for (const int64_t rank : {1, 2, 33}) {
      for (const int64_t columns : {1, 15, 16, 17, 64}) {
        const at::Tensor up = at::randn({rows, rank}, generator),
                         down = at::randn({rank, columns}, generator);
        at::Tensor to = at::randn({rows, columns}, generator);
        const at::Tensor truth =
            to.to(at::kDouble) - 0.5 * at::mm(up.to(at::kDouble), down.to(at::kDouble));
        add_product(up.const_data_ptr<float>(), down.const_data_ptr<float>(), rows, rank, columns,
                    -0.5f, to.mutable_data_ptr<float>());
        EXPECT_LT((to.to(at::kDouble) - truth).abs().max().item<double>(), 1e-5);
      }
    }
  }
}

TEST_F(LoraTest, WhatFitsNothingIsAWarningThatNamesIt) {
  const Halves halves(48, 48, 4, 1), large(50, 48, 4, 1);
  NamedTensors tensors = {{"blocks.2.self_attn.q.lora_A.weight", halves.down},
                          {"blocks.2.self_attn.q.lora_B.weight", halves.up},
                          {"blocks.1.self_attn.q.lora_A.weight", large.down},
                          {"blocks.1.self_attn.q.lora_B.weight", large.up},
                          {"lora_te_layers_0.lora_down.weight", halves.down},
                          {"just a name", halves.down}};
  auto merged = with(tensors);
  ASSERT_EQ(warnings_.size(), 1u);
  for (const char* part : {"l.safetensors", "4 of 6", "'blocks.1.self_attn.q.lora_A.weight'",
                           "'blocks.1.self_attn.q.lora_B.weight'",
                           "'lora_te_layers_0.lora_down.weight'", "'just a name'"}) {
    EXPECT_NE(warnings_[0].find(part), std::string::npos) << part << " in " << warnings_[0];
  }
  EXPECT_TRUE(merged->view(kQ).equal(base(kQ) + halves.product()));

  for (int i = 0; i < 40; ++i) tensors["extra " + std::to_string(i)] = at::zeros({1});
  with(tensors);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_[0].find("and 24 more."), std::string::npos) << warnings_[0];
  EXPECT_LT(warnings_[0].size(), 1000u);
}

TEST_F(LoraTest, WhereNothingFitsItIsAnError) {
  const Halves large(50, 60, 4, 1);
  expect_error(
      ErrorKind::kFormat,
      [&] {
        with({{"blocks.2.self_attn.q.lora_A.weight", large.down},
              {"blocks.2.self_attn.q.lora_B.weight", large.up}});
      },
      "l.safetensors", "'blocks.2.self_attn.q.lora_A.weight'", "[4, 60]", "[48, 48]", "Wan 2.2");
  expect_error(
      ErrorKind::kFormat, [&] { with({{"blocks.2.self_attn.q.weight", large.down}}); },
      "is no tensor of a LoRA");
  expect_error(
      ErrorKind::kFormat,
      [&] { with({{"blocks.77.self_attn.q.lora_A.weight", large.down}}); }, "no layer");
  expect_error(
      ErrorKind::kFormat, [&] { with({}); }, "holds no tensor");
  expect_error(
      ErrorKind::kNotFound, [&] { with_loras(model_, {{folder_.path("gone"), 1}}); }, "LoRA",
      "gone");
}

TEST_F(LoraTest, HostileFilesAreClearErrors) {
  const std::string layer = "blocks.2.self_attn.q.";
  const Halves halves(48, 48, 4, 1);
  const auto refuse = [&](const NamedTensors& tensors, const auto&... parts) {
    expect_error(
        ErrorKind::kFormat, [&] { with(tensors); }, "l.safetensors", parts...);
  };
  refuse({{layer + "lora_A.weight", halves.down}}, "without its other half", "lora_up");
  refuse({{layer + "lora_up.weight", halves.up}}, "without its other half", "lora_down");
  refuse({{layer + "lora_A.weight", at::zeros({0, 48})},
          {layer + "lora_B.weight", at::zeros({48, 0})}},
         "rank of 0");
  refuse({{layer + "lora_A.weight", at::zeros({2049, 48})},
          {layer + "lora_B.weight", at::zeros({48, 2049})}},
         "rank of 2049");
  refuse({{layer + "lora_A.weight", halves.down}, {layer + "lora_B.weight", at::zeros({48, 5})}},
         "two ranks", "[4, 48]", "[48, 5]");
  refuse({{layer + "lora_A.weight", at::zeros({48})}, {layer + "lora_B.weight", halves.up}},
         "no matrix");
  refuse({{layer + "lora_A.weight", halves.down.to(at::kLong)},
          {layer + "lora_B.weight", halves.up}},
         "integers");
  refuse({{layer + "lora_A.weight", halves.down},
          {layer + "lora_B.weight", halves.up},
          {"diffusion_model." + layer + "lora_A.weight", halves.down}},
         "has both");
  for (const at::Tensor& alpha :
       {at::tensor(std::numeric_limits<float>::infinity()), at::zeros({2})}) {
    refuse({{layer + "lora_A.weight", halves.down},
            {layer + "lora_B.weight", halves.up},
            {layer + "alpha", alpha}},
           "alpha");
  }
  for (const auto& [name, kind] : {std::pair{"dora_scale", "DoRA"}, std::pair{"lokr_w1", "LoKr"},
                                   std::pair{"hada_w1_a", "LoHa"}}) {
    refuse({{layer + name, halves.down}}, kind, "plain LoRA");
  }
  for (const double strength : {10.5, -11.0, std::nan(""), double{INFINITY}}) {
    expect_error(
        ErrorKind::kSettings, [&] { with({}, strength); }, "strength", "-10 to 10");
  }
}

TEST_F(LoraTest, NanAndOverflowAreToldWhenTheyAreRead) {
  const std::string layer = "blocks.2.self_attn.q.lora_";
  const Halves halves(48, 48, 4, 1);
  at::Tensor holed = halves.down.clone();
  holed[1][2] = std::nan("");
  const auto merged = with({{layer + "A.weight", holed}, {layer + "B.weight", halves.up}});
  at::Tensor piece = at::zeros({48});
  for (const auto& look : {std::function<void()>([&] { merged->view(kQ); }),
                           std::function<void()>([&] { merged->read(kQ, 48, piece); })}) {
    expect_error(ErrorKind::kFormat, look, "l.safetensors", layer + "A.weight", "NaN");
  }
  const auto large = with({{layer + "A.weight", at::full({4, 48}, 1e25f)},
                           {layer + "B.weight", at::full({48, 4}, 1e25f)}});
  expect_error(
      ErrorKind::kFormat, [&] { large->view(kQ); }, "l.safetensors", kQ, "too large");
}

TEST_F(LoraTest, AFileThatIsCutShortMeanwhileIsNoticed) {
  const Halves halves(48, 48, 4, 1);
  const auto merged = with({{"blocks.2.self_attn.q.lora_A.weight", halves.down},
                            {"blocks.2.self_attn.q.lora_B.weight", halves.up}});
  std::filesystem::resize_file(folder_.path("l.safetensors"), 300);
  expect_error(
      ErrorKind::kRead, [&] { merged->view(kQ); }, "l.safetensors");
  expect_error(
      ErrorKind::kRead, [&] { merged->check(); }, "l.safetensors");
}

}  // namespace
}  // namespace ovi
