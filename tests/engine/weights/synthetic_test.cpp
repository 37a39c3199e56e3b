// The synthetic checkpoints have the names and shapes of the real ones: at the
// tiny model's sizes they equal its files, at the published sizes they have as
// many parameters as the published files.
// SPDX-License-Identifier: Apache-2.0
#include "weights/synthetic.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <gtest/gtest.h>

#include <map>

#include "test_files.h"
#include "weights/weights.h"

namespace ovi {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>>;

Shapes shapes_of(const TensorSource& source) {
  Shapes shapes;
  for (const TensorInfo& info : source.tensors()) shapes[info.name] = info.shape;
  EXPECT_EQ(shapes.size(), source.tensors().size());
  return shapes;
}

int64_t parameters(const TensorSource& source) {
  int64_t sum = 0;
  for (const TensorInfo& info : source.tensors()) {
    int64_t count = 1;
    for (const int64_t size : info.shape) count *= size;
    sum += count;
  }
  return sum;
}

SyntheticSize tiny_size() {
  SyntheticSize size;
  size.dtype = at::kFloat;
  size.fusion.layers = 3;
  size.fusion.dim = 48;
  size.fusion.ffn = 96;
  size.fusion.text_dim = 32;
  size.text = {.layers = 2, .dim = 32, .ffn = 64, .heads = 4, .vocabulary = 576, .buckets = 32};
  size.video_vae = {.encoder_dim = 8, .decoder_dim = 8, .channels = 48};
  size.audio_vae = {.dim = 16, .mel_bands = 80, .channels = 20};
  size.vocoder = {.channels = 64, .mel_bands = 80};
  return size;
}

TEST(Synthetic, EqualsTheTinyFiles) {
  const SyntheticSize size = tiny_size();
  const auto real = [](const char* file) { return shapes_of(*open_tensors(test::tiny(file))); };
  EXPECT_EQ(shapes_of(*synthetic_fusion(size)), real("Ovi/model.safetensors"));
  EXPECT_EQ(shapes_of(*synthetic_text_encoder(size)),
            real("Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth"));
  EXPECT_EQ(shapes_of(*synthetic_video_vae(size)), real("Wan2.2-TI2V-5B/Wan2.2_VAE.pth"));
  EXPECT_EQ(shapes_of(*synthetic_audio_vae(size)), real("MMAudio/ext_weights/v1-16.pth"));
  EXPECT_EQ(shapes_of(*synthetic_vocoder(size)), real("MMAudio/ext_weights/best_netG.pt"));
}

TEST(Synthetic, Float8KeepsTheSameTensorsWideAsTheRealFile) {
  SyntheticSize size = tiny_size();
  size.dtype = at::kFloat8_e4m3fn;
  const auto made = synthetic_fusion(size);
  const auto real = open_tensors(test::tiny("Ovi/model_fp8_e4m3fn.safetensors"));
  ASSERT_EQ(shapes_of(*made), shapes_of(*real));
  for (const TensorInfo& info : real->tensors()) {
    EXPECT_EQ(made->find(info.name)->dtype, info.dtype) << info.name;
    EXPECT_EQ(made->view(info.name).scalar_type(), info.dtype) << info.name;
  }
}

// Published: 11,660,753,108 parameters of the fusion model; v1-16.pth has 686,652,758
// bytes and best_netG.pt 449,217,313, in float32 with a few hundred bytes a tensor
// around the values.
TEST(Synthetic, HasThePublishedSizes) {
  const SyntheticSize size;
  EXPECT_EQ(parameters(*synthetic_fusion(size)), 11'660'753'108);
  const auto near = [](const TensorSource& source, int64_t file_bytes) {
    const int64_t around = file_bytes - 4 * parameters(source);
    EXPECT_GT(around, 0);
    EXPECT_LT(around, static_cast<int64_t>(500 * source.tensors().size()));
  };
  near(*synthetic_audio_vae(size), 686'652'758);
  near(*synthetic_vocoder(size), 449'217'313);
}

TEST(Synthetic, ValuesAreFiniteAndScaledByFanIn) {
  SyntheticSize size;
  size.dtype = at::kFloat;
  const auto fusion = synthetic_fusion(size);
  const std::string name = "video_model.blocks.7.ffn.0.weight";
  const at::Tensor weight = fusion->view(name).narrow(0, 0, 256);
  EXPECT_TRUE(at::isfinite(weight).all().item<bool>());
  EXPECT_NEAR(weight.std().item<double>(), 1.0 / std::sqrt(3072.0), 0.05 / std::sqrt(3072.0));
  EXPECT_NEAR(weight.mean().item<double>(), 0.0, 0.05 / std::sqrt(3072.0));
  EXPECT_FALSE(at::equal(weight[0], weight[1]));
  EXPECT_EQ(fusion->view("video_model.blocks.7.norm3.weight").min().item<float>(), 1.0f);
  // The largest table reaches the end of the shared block and not past it.
  const at::Tensor table = synthetic_text_encoder(size)->view("token_embedding.weight");
  EXPECT_EQ(table.sizes().vec(), (std::vector<int64_t>{256384, 4096}));
  EXPECT_TRUE(at::isfinite(table.narrow(0, 256383, 1)).all().item<bool>());
  EXPECT_EQ(synthetic_audio_vae(size)->view("decoder.learnable_gain").dim(), 0);
}

TEST(Synthetic, IsTheSameEveryTimeAndTakenContiguously) {
  const SyntheticSize size = tiny_size();
  const auto first = synthetic_video_vae(size), second = synthetic_video_vae(size);
  for (const TensorInfo& info : first->tensors()) {
    const at::Tensor taken = Weights(first, {}).get(info.name, info.shape);
    EXPECT_TRUE(taken.is_contiguous()) << info.name;
    EXPECT_TRUE(at::equal(taken, second->view(info.name))) << info.name;
  }
}

TEST(Synthetic, RefusesSizesThatLeaveNothing) {
  SyntheticSize size = tiny_size();
  size.vocoder.channels = 16;  // halved six times
  test::expect_error(
      ErrorKind::kSettings, [&] { synthetic_vocoder(size); }, "vocoder", "empty");
}

}  // namespace
}  // namespace ovi
