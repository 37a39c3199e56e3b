// Frames whose columns several ranks decode, against one device.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/cpu/Utils.h>
#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <vector>

#include "../models/case_data.h"
#include "models/video_vae.h"
#include "parallel/columns.h"
#include "thread_group.h"
#include "weights/synthetic.h"

namespace ovi {
namespace {

using parallel::Columns;
using parallel::Group;
using test::on_ranks;
using testing::CaseData;
using testing::seeded_normal;

constexpr char kFile[] = "Wan2.2-TI2V-5B/Wan2.2_VAE.pth";

at::Tensor drain(VideoVaeDecoder::Stream stream) {
  std::vector<at::Tensor> chunks;
  while (!stream.done()) {
    const at::Tensor frames = stream.next();
    if (frames.defined()) chunks.push_back(frames);
  }
  return chunks.empty() ? at::Tensor() : at::cat(chunks, 2);
}

// oneDNN's convolutions for AVX-512 choose by the width in which order they sum.
bool sums_alike() { return !at::cpu::is_avx512_vnni_supported(); }

void expect_same_frames(const VideoVaeDecoder& decoder, const at::Tensor& latents,
                        double tolerance = 1e-5) {
  const c10::InferenceMode inference;
  const int64_t width = latents.size(4);
  const at::Tensor whole = drain(decoder.start(latents));
  for (const int64_t ranks : {2, 3, 4, 6, 8}) {
    std::vector<at::Tensor> made(static_cast<size_t>(ranks));
    std::vector<int64_t> bytes(static_cast<size_t>(ranks));
    on_ranks(ranks, [&](const std::shared_ptr<Group>& group) {
      const Columns columns(group, width);
      EXPECT_EQ(columns.none(), group->rank() >= width);
      if (!columns.none()) made[group->rank()] = drain(decoder.start(latents, nullptr, columns));
      bytes[group->rank()] = group->bytes_sent();
    });
    ASSERT_TRUE(made[0].defined());
    EXPECT_EQ(made[0].sizes(), whole.sizes());
    EXPECT_LE((made[0] - whole).abs().max().item<double>(), sums_alike() ? 0 : tolerance)
        << ranks << " ranks, " << width << " columns";
    for (int64_t r = 1; r < ranks; ++r) EXPECT_FALSE(made[r].defined());
    // Those in the middle lend to both sides.
    if (ranks > 2 && width >= ranks) {
      EXPECT_GT(bytes[1], bytes[0]);
    }
  }
}

TEST(DecodeSplit, OfTheTinyModelIsTheReferencesAndOneDevices) {
  const VideoVaeDecoder decoder(testing::tiny_weights(kFile));
  for (const char* name : {"video-vae-decode-1", "video-vae-decode-4"}) {
    const CaseData data(name);
    expect_same_frames(decoder, data.input("latents"));
  }
  at::Tensor made;
  const CaseData data("video-vae-decode-2");
  on_ranks(2, [&](const std::shared_ptr<Group>& group) {
    const Columns columns(group, data.input("latents").size(4));
    const at::Tensor frames = drain(decoder.start(data.input("latents"), nullptr, columns));
    if (group->rank() == 0) made = frames;
  });
  EXPECT_TRUE(data.matches("video", made));
}

// Odd widths, a single row, one column a rank, in both types and with channels that fill a
// vector register and more.
TEST(DecodeSplit, OfAnyWidthIsOneDevices) {
  const VideoVaeDecoder decoder(testing::tiny_weights(kFile));
  expect_same_frames(decoder, seeded_normal({1, 48, 2, 3, 5}, 1));
  expect_same_frames(decoder, seeded_normal({1, 48, 3, 1, 7}, 2));
  expect_same_frames(decoder, seeded_normal({1, 48, 2, 2, 13}, 3));
  const VideoVaeDecoder coarse(testing::tiny_weights(kFile, at::kBFloat16));
  expect_same_frames(coarse, seeded_normal({1, 48, 2, 2, 9}, 4), 0.02);
  SyntheticSize size;
  size.video_vae = {32, 32, 48};
  const VideoVaeDecoder wider(Weights(synthetic_video_vae(size), {}));
  expect_same_frames(wider, seeded_normal({1, 48, 2, 3, 11}, 5));
}

}  // namespace
}  // namespace ovi
