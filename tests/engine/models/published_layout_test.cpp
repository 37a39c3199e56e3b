// The published checkpoints, as far as names, dtypes and shapes go: the synthetic ones are
// like them, and every model finds all that it needs in them.
// SPDX-License-Identifier: Apache-2.0
#include <c10/core/DeviceType.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "models/audio_vae.h"
#include "models/bigvgan.h"
#include "models/fusion_transformer.h"
#include "models/umt5_encoder.h"
#include "models/video_vae_decoder.h"
#include "models/video_vae_encoder.h"
#include "published_layout.h"
#include "runtime/error.h"
#include "weights/component.h"
#include "weights/manifest.h"
#include "weights/synthetic.h"
#include "weights/weights.h"

namespace ovi {
namespace {

using testing::Headers;
using testing::published_layout;
using testing::PublishedFile;
using Names = std::set<std::string>;

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t extent : shape) text += " " + std::to_string(extent);
  return text + " ]";
}

struct Compared {
  bool dtypes = false;
};

// One line for each difference.
std::vector<std::string> differences(const TensorSource& published, const TensorSource& made,
                                     Compared compared = {}) {
  std::vector<std::string> lines;
  for (const TensorInfo& info : published.tensors()) {
    const TensorInfo* other = made.find(info.name);
    if (!other) {
      lines.push_back(info.name + " is not made");
    } else if (other->shape != info.shape) {
      lines.push_back(info.name + " is made as " + shape_text(other->shape) + ", published as " +
                      shape_text(info.shape));
    } else if (compared.dtypes && other->dtype != info.dtype) {
      lines.push_back(info.name + " is made as " + c10::toString(other->dtype) + ", published as " +
                      c10::toString(info.dtype));
    }
  }
  for (const TensorInfo& info : made.tensors()) {
    if (!published.find(info.name)) lines.push_back(info.name + " is not published");
  }
  return lines;
}

const std::vector<std::string> kNone;

TEST(PublishedLayout, SyntheticCheckpointsAreLikeIt) {
  const SyntheticSize size;
  EXPECT_EQ(differences(Headers(published_layout("fusion")), *synthetic_fusion(size), {true}),
            kNone);
  EXPECT_EQ(
      differences(Headers(published_layout("text_encoder")), *synthetic_text_encoder(size), {true}),
      kNone);
  EXPECT_EQ(differences(Headers(published_layout("video_vae")), *synthetic_video_vae(size)), kNone);
  EXPECT_EQ(differences(Headers(published_layout("audio_vae")), *synthetic_audio_vae(size)), kNone);
  EXPECT_EQ(differences(Headers(published_layout("vocoder")), *synthetic_vocoder(size)), kNone);
}

TEST(PublishedLayout, SyntheticFloat8IsLikeIt) {
  SyntheticSize size;
  size.dtype = at::kFloat8_e4m3fn;
  EXPECT_EQ(differences(Headers(published_layout("fusion", PublishedFile::kFloat8)),
                        *synthetic_fusion(size), {true}),
            kNone);
}

// What models ask for.
struct Asked {
  Names names;                                      // stored tensors
  std::map<std::string, at::ScalarType> placed_as;  // those that stay, and those that are derived
  std::vector<std::string> twice;
};

struct Precision {
  at::ScalarType dtype = at::kBFloat16;
  bool float8_matrices = false;
};

/// Runs `make` on weights without memory. It throws where a tensor is missing or has a shape
/// that does not fit.
Asked ask(const std::shared_ptr<Headers>& file, Precision precision,
          const std::function<void(const Weights&)>& make) {
  Placement placement;
  placement.dtype = precision.dtype;
  placement.float8_matrices = precision.float8_matrices;

  Asked asked;
  const auto note = [&](const std::string& name) {
    if (!asked.names.insert(name).second) asked.twice.push_back(name);
  };
  for (const WeightSpec& tensor : manifest_of(file, placement, make)) {
    if (tensor.use != WeightSpec::Use::kDerived) note(tensor.name);
    if (tensor.stays()) asked.placed_as[tensor.name] = tensor.dtype;
  }
  for (const std::string& name : file->viewed()) note(name);
  EXPECT_EQ(asked.twice, kNone);
  return asked;
}

Names never_asked(const TensorSource& file, const Names& asked) {
  Names names;
  for (const TensorInfo& info : file.tensors()) {
    if (!asked.contains(info.name)) names.insert(info.name);
  }
  return names;
}

Names matching(const TensorSource& file, const std::function<bool(const std::string&)>& matches) {
  Names names;
  for (const TensorInfo& info : file.tensors()) {
    if (matches(info.name)) names.insert(info.name);
  }
  return names;
}

std::shared_ptr<Headers> headers(const std::string& part,
                                 PublishedFile file = PublishedFile::kWide) {
  return std::make_shared<Headers>(published_layout(part, file));
}

// The matrices that a step multiplies its tokens with.
bool is_step_matrix(const std::string& name) {
  if (name.find(".blocks.") == std::string::npos || !name.ends_with(".weight")) return false;
  for (const char* matrix :
       {".self_attn.q.", ".self_attn.k.", ".self_attn.v.", ".self_attn.o.", ".cross_attn.q.",
        ".cross_attn.o.", ".cross_attn.k_fusion.", ".cross_attn.v_fusion.", ".ffn.0.", ".ffn.2."}) {
    if (name.find(matrix) != std::string::npos) return true;
  }
  return false;
}

class PublishedFusion : public ::testing::TestWithParam<std::tuple<PublishedFile, bool>> {};

TEST_P(PublishedFusion, HasAllThatTheTransformerAsksForAndNoMore) {
  const auto [kind, float8_matrices] = GetParam();
  const auto file = headers("fusion", kind);
  reject_wrong_component(*file, Component::kFusion);
  const Asked asked = ask(file, {at::kBFloat16, float8_matrices}, [](const Weights& weights) {
    const FusionTransformer model(weights, {});
    EXPECT_EQ(model.num_blocks(), 30);
    EXPECT_EQ(model.video_channels(), 48);
    EXPECT_EQ(model.audio_channels(), 20);
    EXPECT_EQ(model.text_dim(), 4096);
  });
  EXPECT_EQ(never_asked(*file, asked.names), Names());

  const Names big = matching(*file, is_step_matrix);
  EXPECT_EQ(big.size(), 2u * 30 * 10);
  Names in_8_bits, expected;
  for (const auto& [name, dtype] : asked.placed_as) {
    if (dtype == at::kFloat8_e4m3fn) in_8_bits.insert(name);
  }
  if (float8_matrices) {
    for (const std::string& name : big) {
      expected.insert(kind == PublishedFile::kFloat8 ? name : name + " values");
      EXPECT_EQ(asked.placed_as.at(name + " factors"), at::kFloat) << name;
    }
  }
  EXPECT_EQ(in_8_bits, expected);
}

std::string fusion_case(const ::testing::TestParamInfo<PublishedFusion::ParamType>& info) {
  const bool wide = std::get<0>(info.param) == PublishedFile::kWide;
  return std::string(wide ? "WideFile" : "Float8File") +
         (std::get<1>(info.param) ? "InFloat8" : "InBfloat16");
}

INSTANTIATE_TEST_SUITE_P(FilesAndPrecisions, PublishedFusion,
                         ::testing::Combine(::testing::Values(PublishedFile::kWide,
                                                              PublishedFile::kFloat8),
                                            ::testing::Bool()),
                         fusion_case);

TEST(PublishedLayout, TextEncoderUsesItAll) {
  const auto file = headers("text_encoder");
  reject_wrong_component(*file, Component::kTextEncoder);
  const Asked asked =
      ask(file, {}, [](const Weights& weights) { EXPECT_EQ(Umt5Encoder(weights).dim(), 4096); });
  EXPECT_EQ(never_asked(*file, asked.names), Names());
}

class PublishedCodec : public ::testing::TestWithParam<at::ScalarType> {};

// The first frame is encoded alone: nothing halves time.
TEST_P(PublishedCodec, VideoVaeLeavesTheEncodersTimeConvolutions) {
  const auto file = headers("video_vae");
  reject_wrong_component(*file, Component::kVideoVae);
  const Asked encoder =
      ask(file, {GetParam()}, [](const Weights& weights) { VideoVaeEncoder model(weights); });
  const Asked decoder =
      ask(file, {GetParam()}, [](const Weights& weights) { VideoVaeDecoder model(weights); });
  Names either = encoder.names;
  either.insert(decoder.names.begin(), decoder.names.end());
  EXPECT_EQ(either.size(), encoder.names.size() + decoder.names.size());
  EXPECT_EQ(never_asked(*file, either),
            (Names{"encoder.downsamples.1.downsamples.2.time_conv.bias",
                   "encoder.downsamples.1.downsamples.2.time_conv.weight",
                   "encoder.downsamples.2.downsamples.2.time_conv.bias",
                   "encoder.downsamples.2.downsamples.2.time_conv.weight"}));
}

// Nothing but the shapes tells a norm how wide its input is.
TEST(PublishedLayout, VideoVaeRefusesNormsOfAnotherWidth) {
  const std::vector<TensorInfo> published = published_layout("video_vae");
  int norms = 0;
  for (size_t i = 0; i < published.size(); ++i) {
    if (!published[i].name.ends_with(".gamma")) continue;
    ++norms;
    std::vector<TensorInfo> changed = published;
    changed[i].shape[0] -= 16;
    const auto file = std::make_shared<Headers>(changed);
    const bool encodes = published[i].name.starts_with("encoder.");
    EXPECT_THROW(ask(file, {},
                     [&](const Weights& weights) {
                       if (encodes)
                         VideoVaeEncoder model(weights);
                       else
                         VideoVaeDecoder model(weights);
                     }),
                 Error)
        << published[i].name;
  }
  // Of blocks two each, and of each half's middle five and head one.
  EXPECT_EQ(norms, 4 * 2 * 2 + 4 * 3 * 2 + 2 * (5 + 1));
}

TEST_P(PublishedCodec, AudioVaeLeavesItsEncoder) {
  const auto file = headers("audio_vae");
  reject_wrong_component(*file, Component::kAudioVae);
  const Asked asked =
      ask(file, {GetParam()}, [](const Weights& weights) { AudioVaeDecoder model(weights); });
  const Names unused =
      matching(*file, [](const std::string& name) { return name.starts_with("encoder."); });
  EXPECT_EQ(unused.size(), 25u);
  for (const char* table : {"data_mean", "data_std"}) {
    EXPECT_EQ(asked.placed_as.at(table), at::kFloat) << table;
  }
  EXPECT_EQ(never_asked(*file, asked.names), unused);
}

void expect_vocoder(const std::shared_ptr<Headers>& file, at::ScalarType dtype) {
  reject_wrong_component(*file, Component::kVocoder);
  const Asked asked = ask(file, {dtype}, [](const Weights& weights) { BigVgan model(weights); });
  const Names filters =
      matching(*file, [](const std::string& name) { return name.ends_with(".filter"); });
  EXPECT_EQ(filters.size(), 2u * (18 * 6 + 1));
  EXPECT_EQ(never_asked(*file, asked.names), filters);
}

TEST_P(PublishedCodec, VocoderMakesItsKaiserFiltersItself) {
  expect_vocoder(headers("vocoder"), GetParam());
}

TEST_P(PublishedCodec, VocoderTakesTheOlderNamesToo) {
  std::vector<TensorInfo> tensors = published_layout("vocoder");
  const std::map<std::string, std::string> older = {
      {"parametrizations.weight.original0", "weight_g"},
      {"parametrizations.weight.original1", "weight_v"}};
  int renamed = 0;
  for (TensorInfo& info : tensors) {
    for (const auto& [from, to] : older) {
      if (!info.name.ends_with(from)) continue;
      info.name.replace(info.name.size() - from.size(), from.size(), to);
      ++renamed;
    }
  }
  EXPECT_EQ(renamed, 2 * (1 + 6 + 18 * 6 + 1));
  expect_vocoder(std::make_shared<Headers>(tensors), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Precisions, PublishedCodec, ::testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) { return c10::toString(info.param); });

// The comparison above sees what it is there for.
TEST(PublishedLayout, ComparisonNamesEachDifference) {
  std::vector<TensorInfo> changed = published_layout("text_encoder");
  changed.front().name = "shared.weight";
  changed[1].shape = {4095};
  changed[2].dtype = at::kHalf;
  const std::string kept = Headers(published_layout("text_encoder")).tensors().front().name;
  const std::vector<std::string> lines =
      differences(Headers(changed), *synthetic_text_encoder({}), {true});
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0], "shared.weight is not made");
  EXPECT_EQ(lines[1], changed[1].name + " is made as [ 4096 ], published as [ 4095 ]");
  EXPECT_EQ(lines[2], changed[2].name + " is made as BFloat16, published as Half");
  EXPECT_EQ(lines[3], kept + " is not published");
}

}  // namespace
}  // namespace ovi
