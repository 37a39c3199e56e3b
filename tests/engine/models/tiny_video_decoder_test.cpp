// The small decoder of previews against TAEHV's own program, both variants.
// SPDX-License-Identifier: Apache-2.0
#include "models/tiny_video_decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "../../parity/hashed_weights.h"
#include "case_data.h"

namespace ovi {
namespace {

using parity::hashed_preview_decoder;
using test::made_up;
using testing::CaseData;
using testing::max_difference;
using testing::seeded_normal;

class TinyVideo : public ::testing::TestWithParam<bool> {
 protected:
  const c10::InferenceMode inference_;
  const bool super_ = GetParam();
};

TEST_P(TinyVideo, MatchesReference) {
  const CaseData data(super_ ? "preview-decode-super" : "preview-decode");
  const TinyVideoDecoder decoder(made_up(hashed_preview_decoder(super_)));
  const at::Tensor picture = decoder.decode(data.input("latents"));
  EXPECT_TRUE(data.matches("picture", picture));
  // A picture of which all is black would match any other.
  EXPECT_GT(picture.gt(0).logical_and(picture.lt(1)).to(at::kFloat).mean().item<double>(), 0.3);
}

TEST_P(TinyVideo, EveryWeightCounts) {
  const auto weights = hashed_preview_decoder(super_);
  const at::Tensor latents = 2 * seeded_normal({1, 48, 2, 2}, 1);
  const at::Tensor picture = TinyVideoDecoder(made_up(weights)).decode(latents);
  for (const auto& [name, tensor] : weights) {
    auto changed = weights;
    changed[name] = tensor + 0.05;
    EXPECT_GT(max_difference(TinyVideoDecoder(made_up(changed)).decode(latents), picture), 1e-4)
        << name;
  }
}

// What a lone frame's blocks would multiply with zeros is not kept.
TEST_P(TinyVideo, NearlyTheSameInBfloat16) {
  const at::Tensor latents = seeded_normal({1, 48, 3, 2}, 2);
  const auto decode = [&](at::ScalarType dtype) {
    return TinyVideoDecoder(made_up(hashed_preview_decoder(super_), dtype)).decode(latents);
  };
  const at::Tensor exact = decode(at::kFloat), rounded = decode(at::kBFloat16);
  EXPECT_EQ(rounded.sizes(), (at::IntArrayRef{1, 3, 48, 32}));
  EXPECT_EQ(rounded.scalar_type(), at::kBFloat16);
  EXPECT_GT(testing::psnr(rounded, exact), 30);
}

TEST_P(TinyVideo, NamesWhatIsMissingOrOfAnotherShape) {
  const auto weights = hashed_preview_decoder(super_);
  for (const auto& [name, tensor] : weights) {
    auto less = weights, other = weights;
    less.erase(name);
    other[name] = at::cat({tensor, tensor});
    for (const auto& wrong : {less, other}) {
      try {
        const TinyVideoDecoder decoder(made_up(wrong));
        ADD_FAILURE() << "took weights without or with another " << name;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kFormat);
        // Without the name that tells the variants apart, it lacks what the other has.
        if (name != "decoder.1.conv.0.weight" || wrong.contains(name)) {
          EXPECT_NE((error.what() + error.detail()).find(name), std::string::npos) << error.what();
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, TinyVideo, ::testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Super" : "Plain");
});

}  // namespace
}  // namespace ovi
