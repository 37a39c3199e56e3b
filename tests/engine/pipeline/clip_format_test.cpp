// Pixels and samples as bytes, against values of ITU-R BT.709 worked out by hand.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/clip_format.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

namespace ovi {
namespace {

constexpr int64_t kHeight = 4, kWidth = 32;

// One colour, components 0..1, as [1, 3, 2, H, W] in -1..1.
at::Tensor flat(double r, double g, double b) {
  at::Tensor video = at::full({1, 3, 2, kHeight, kWidth}, 0.0);
  video.select(1, 0).fill_(2 * r - 1);
  video.select(1, 1).fill_(2 * g - 1);
  video.select(1, 2).fill_(2 * b - 1);
  return video;
}

std::vector<int> bytes_at(const at::Tensor& frames, std::vector<int64_t> offsets) {
  std::vector<int> values;
  for (const int64_t offset : offsets) values.push_back(frames[0][offset].item<int>());
  return values;
}

TEST(PackFrames, FillsEveryFormatAsItsLayoutSays) {
  const at::Tensor video = at::rand({1, 3, 4, kHeight, kWidth}) * 2 - 1;
  for (const PixelFormat format : {PixelFormat::kRgb, PixelFormat::kRgba, PixelFormat::kBgrx,
                                   PixelFormat::kI420, PixelFormat::kNv12}) {
    const at::Tensor frames = pack_frames(video, format);
    EXPECT_EQ(frames.sizes(),
              at::IntArrayRef({4, frame_layout(format, kHeight, kWidth).bytes}));
    EXPECT_TRUE(frames.is_contiguous());
    EXPECT_EQ(frames.scalar_type(), at::kByte);
  }
}

TEST(PackFrames, OrdersComponents) {
  const at::Tensor video = flat(1.0, 0.5, 0.0);
  EXPECT_EQ(bytes_at(pack_frames(video, PixelFormat::kRgb), {0, 1, 2, 3}),
            (std::vector<int>{255, 128, 0, 255}));
  EXPECT_EQ(bytes_at(pack_frames(video, PixelFormat::kRgba), {0, 1, 2, 3}),
            (std::vector<int>{255, 128, 0, 255}));
  EXPECT_EQ(bytes_at(pack_frames(video, PixelFormat::kBgrx), {0, 1, 2, 3}),
            (std::vector<int>{0, 128, 255, 255}));
}

TEST(PackFrames, KeepsRowsAndColumnsInOrder) {
  at::Tensor video = flat(0, 0, 0);
  video[0][1][1][2][5] = 1.0;  // green, frame 1, row 2, column 5
  const at::Tensor frames = pack_frames(video, PixelFormat::kRgb);
  EXPECT_EQ(frames[1][(2 * kWidth + 5) * 3 + 1].item<int>(), 255);
  EXPECT_EQ(frames.to(at::kInt).sum().item<int>(), 255);
}

struct Colour {
  double r, g, b;
  int y, cb, cr;
};

class YuvTest : public testing::TestWithParam<Colour> {};

TEST_P(YuvTest, IsBt709LimitedRange) {
  const auto [r, g, b, y, cb, cr] = GetParam();
  const int64_t luma = kHeight * kWidth;
  const at::Tensor i420 = pack_frames(flat(r, g, b), PixelFormat::kI420);
  EXPECT_EQ(bytes_at(i420, {0, luma - 1, luma, luma + luma / 4}), (std::vector<int>{y, y, cb, cr}));
  const at::Tensor nv12 = pack_frames(flat(r, g, b), PixelFormat::kNv12);
  EXPECT_EQ(bytes_at(nv12, {0, luma - 1, luma, luma + 1, luma + 2}),
            (std::vector<int>{y, y, cb, cr, cb}));
}

INSTANTIATE_TEST_SUITE_P(Colours, YuvTest,
                         testing::Values(Colour{0, 0, 0, 16, 128, 128},
                                         Colour{1, 1, 1, 235, 128, 128},
                                         Colour{1, 0, 0, 63, 102, 240},
                                         Colour{0, 1, 0, 173, 42, 26},
                                         Colour{0, 0, 1, 32, 240, 118},
                                         Colour{0.5, 0.5, 0.5, 126, 128, 128}));

TEST(PackFrames, SitesChromaLeftAndAveragesRows) {
  at::Tensor video = flat(0, 0, 0);
  // A blue column at 8: chroma sample 4 sits on it, 5 sits two columns to the right.
  video.select(1, 2).select(3, 8).fill_(1.0);
  const at::Tensor frames = pack_frames(video, PixelFormat::kI420);
  const int64_t luma = kHeight * kWidth;
  const auto cb = [&](int64_t column) { return frames[0][luma + column].item<int>() - 128; };
  EXPECT_EQ(cb(4), 56);  // half of 112
  EXPECT_EQ(cb(3), 0);
  EXPECT_EQ(cb(5), 0);
  video = flat(0, 0, 0);
  video.select(1, 2).select(3, 9).fill_(1.0);  // between 4 and 5: a quarter each
  const at::Tensor between = pack_frames(video, PixelFormat::kI420);
  EXPECT_EQ(between[0][luma + 4].item<int>() - 128, 28);
  EXPECT_EQ(between[0][luma + 5].item<int>() - 128, 28);
}

TEST(PackFrames, ClampsOvershoot) {
  EXPECT_EQ(bytes_at(pack_frames(flat(1.2, -0.3, 0.5), PixelFormat::kRgb), {0, 1}),
            (std::vector<int>{255, 0}));
}

TEST(PackSamples, ClipsIntegersAndKeepsFloats) {
  const at::Tensor audio = at::tensor({-2.0f, -1.0f, 0.0f, 0.5f, 1.0f, 1.5f});
  EXPECT_TRUE(pack_samples(audio, SampleFormat::kF32).equal(audio));
  const at::Tensor s16 = pack_samples(audio, SampleFormat::kS16);
  EXPECT_EQ(s16.scalar_type(), at::kShort);
  const std::vector<int> expected = {-32767, -32767, 0, 16384, 32767, 32767};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(s16[static_cast<int64_t>(i)].item<int>(), expected[i]) << i;
  }
}

}  // namespace
}  // namespace ovi
