// Previews by a small decoder's file: that it is used, and that whatever is wrong with it costs no
// clip.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <limits>

#include "../../parity/hashed_weights.h"
#include "../damaged_model.h"
#include "../layout_files.h"
#include "../memory_source.h"
#include "pipeline/conversion.h"
#include "pipeline/inspection.h"
#include "pipeline/preview_painter.h"

namespace ovi {
namespace {

using parity::hashed_preview_decoder;
using test::DamagedModel;
using test::Tensors;

constexpr char kFile[] = "taew2_2.safetensors";
constexpr char kByMap[] = "Previews are made by a linear map: ";

struct Seen : test::RecordingSink {
  std::vector<at::Tensor> pictures;
  void preview(int64_t, int64_t, int64_t, const at::Tensor& rgb) override {
    pictures.push_back(rgb.clone());
  }
  std::string all_notes() const {
    std::string all;
    for (const std::string& note : notes) all += note + "\n";
    return all;
  }
};

bool equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return a.size() == b.size() && at::cat(a).equal(at::cat(b));
}

class PreviewDecoder : public testing::Test {
 protected:
  static Request request() {
    Request request = test::small_request();
    request.preview = 1;
    request.image = at::full({48, 64, 3}, 90, at::TensorOptions().dtype(at::kByte));
    return request;
  }
  /// As it is published.
  static const Tensors& published(bool super = false) {
    static const Tensors plain = test::in(hashed_preview_decoder(false), at::kHalf),
                         large = test::in(hashed_preview_decoder(true), at::kHalf);
    return super ? large : plain;
  }
  void put(const Tensors& tensors, const char* file = kFile) const {
    test::write_safetensors(files_.path(file), tensors);
  }
  Seen clip_of(const std::shared_ptr<LoadedModel>& model) const {
    Seen seen;
    Generator(model).generate(request_, seen, nullptr);
    return seen;
  }
  Seen clip() const { return clip_of(files_.load()); }

  /// The clip is that of a folder without the file, pictures included, and a note says why.
  void expect_the_map(const std::string& why) const {
    const Seen seen = clip();
    EXPECT_TRUE(equal(seen.pictures, by_map_.pictures));
    EXPECT_TRUE(equal(seen.frames, by_map_.frames));
    EXPECT_NE(seen.all_notes().find(kByMap), std::string::npos) << why << seen.all_notes();
    EXPECT_NE(seen.all_notes().find(why), std::string::npos) << why << seen.all_notes();
  }

  const DamagedModel files_;
  Request request_ = request();
  const Seen by_map_ = clip();
};

TEST_F(PreviewDecoder, MakesThePicturesAndLeavesTheClipAsItIs) {
  EXPECT_EQ(by_map_.all_notes().find("preview decoder"), std::string::npos);
  for (const bool super : {false, true}) {
    // Whatever it is called.
    put(test::prefixed(published(super), super ? "module." : ""),
        "models/vae_approx/a.safetensors");
    const auto model = files_.load();
    const Seen seen = clip_of(model);
    ASSERT_EQ(seen.pictures.size(), by_map_.pictures.size());
    for (size_t i = 0; i < seen.pictures.size(); ++i) {
      EXPECT_EQ(seen.pictures[i].sizes(), by_map_.pictures[i].sizes());
      EXPECT_FALSE(seen.pictures[i].equal(by_map_.pictures[i]));
    }
    EXPECT_FALSE(seen.pictures[0].equal(seen.pictures[1]));  // of two steps
    EXPECT_TRUE(equal(seen.frames, by_map_.frames));
    EXPECT_TRUE(seen.samples.equal(by_map_.samples));
    EXPECT_NE(seen.all_notes().find("preview decoder: '" + files_.path("models/vae_approx")),
              std::string::npos);
    EXPECT_EQ(seen.all_notes().find(kByMap), std::string::npos);
    EXPECT_FALSE(model->preview_fit);  // nothing was fitted for nobody
    EXPECT_TRUE(equal(clip_of(model).pictures, seen.pictures));
  }
}

TEST_F(PreviewDecoder, IsNotReadForAClipWithoutPreviews) {
  put(published());
  const auto model = files_.load();
  request_.preview = 0;
  clip_of(model);
  const int64_t before = model->bytes_read();
  request_.preview = 1;
  clip_of(model);
  EXPECT_GT(model->bytes_read(), before + (10 << 20));
  const int64_t after = model->bytes_read();
  clip_of(model);
  EXPECT_EQ(model->bytes_read(), after);  // it stays, as the other parts do
}

TEST_F(PreviewDecoder, GivesTheSamePicturesWhenItIsReadForEachClip) {
  put(published());
  const auto model = files_.load(at::kFloat, c10::kCPU, Memory::kOffload);
  const Seen first = clip_of(model), second = clip_of(model);
  EXPECT_TRUE(equal(first.pictures, clip().pictures));
  EXPECT_TRUE(equal(first.pictures, second.pictures));
}

TEST_F(PreviewDecoder, ThatWasHalfDownloadedIsLeft) {
  put(published());
  const size_t size = files_.bytes(kFile).size();
  for (const size_t bytes : {size_t{0}, size_t{7}, size_t{3000}, size / 2, size - 1}) {
    put(published());
    files_.cut(kFile, bytes);
    expect_the_map(files_.path(kFile));
  }
  std::filesystem::remove(files_.path(kFile));
  files_.write("taew2_2.pth", "<html>Not found</html>");
  expect_the_map(files_.path("taew2_2.pth"));
}

TEST_F(PreviewDecoder, ThatIsZerosInPartIsLeft) {
  put(published());
  const std::string whole = files_.bytes(kFile);
  files_.write(kFile, whole.substr(0, whole.size() / 2) + std::string(whole.size() / 2, '\0'));
  expect_the_map(files_.path(kFile));
}

TEST_F(PreviewDecoder, ThatLacksALayerOrHasAnotherIsLeft) {
  Tensors tensors = published();
  tensors.erase("decoder.16.conv.2.bias");
  put(tensors);
  expect_the_map("decoder.16.conv.2.bias");
  tensors = published();
  tensors["decoder.19.conv.weight"] = tensors["decoder.19.conv.weight"].narrow(0, 0, 64);
  put(tensors);
  expect_the_map("decoder.19.conv.weight");
}

// Which is seen only while it is read, after the fit would have been made.
TEST_F(PreviewDecoder, WithAWeightThatIsNoNumberIsLeft) {
  Tensors tensors = published();
  at::Tensor& spoilt = tensors["decoder.8.weight"];
  spoilt = spoilt.clone();
  spoilt.view({-1})[spoilt.numel() - 1] = std::numeric_limits<float>::quiet_NaN();
  put(tensors);
  const auto model = files_.load();
  for (int i = 0; i < 2; ++i) {
    const Seen seen = clip_of(model);
    ASSERT_EQ(seen.pictures.size(), by_map_.pictures.size());
    EXPECT_TRUE(equal(seen.frames, by_map_.frames));
    EXPECT_NE(seen.all_notes().find(kByMap), std::string::npos);
    EXPECT_NE(seen.all_notes().find("'decoder.8.weight'"), std::string::npos) << seen.all_notes();
    // The first time the clip's own picture came too early to be of use.
    EXPECT_EQ(equal(seen.pictures, by_map_.pictures), i == 1);
  }
}

TEST_F(PreviewDecoder, ThatGoesAwayIsLeft) {
  put(published());
  const auto model = files_.load();
  std::filesystem::remove(files_.path(kFile));
  const Seen seen = clip_of(model);
  EXPECT_TRUE(equal(seen.pictures, by_map_.pictures));
  EXPECT_NE(seen.all_notes().find(kByMap), std::string::npos);
}

TEST_F(PreviewDecoder, IsListedByAnInspectionAndMissedByNone) {
  const auto look = [&] {
    return inspect({.model_path = files_.path(""), .precision = Precision::kFp32}, "cpu");
  };
  const Inspection without = look();
  put(published());
  const Inspection with = look();
  EXPECT_FALSE(without.problem) << without.problem->what();
  EXPECT_FALSE(with.problem) << with.problem->what();
  ASSERT_EQ(with.components.size(), without.components.size() + 1);
  const ComponentReport& report = with.components.back();
  EXPECT_EQ(report.name, "preview decoder");
  EXPECT_EQ(report.path, files_.path(kFile));
  EXPECT_EQ(report.tensors, published().size());
  EXPECT_EQ(report.dtype, "fp16");
  EXPECT_EQ(report.warning, "");
  files_.cut(kFile, 3000);
  const Inspection damaged = look();
  EXPECT_FALSE(damaged.problem) << damaged.problem->what();
  EXPECT_EQ(damaged.components.back().problem, "");
  EXPECT_NE(damaged.components.back().warning.find("linear map"), std::string::npos);
}

TEST_F(PreviewDecoder, GoesAlongWhenAModelIsConverted) {
  put(published(), "models/vae_approx/taew2_2.safetensors");
  struct Nobody : ConversionSink {
    void progress(const std::string&, bool, uint64_t, uint64_t, double) override {}
    void file(const ConvertedFile&) override {}
    void warning(const std::string&) override {}
  } nobody;
  ConversionRequest request;
  request.model_path = files_.path("");
  request.target = files_.path("new");
  request.verify = true;
  convert_model(request, nobody, nullptr);
  EXPECT_EQ(files_.bytes("new/taew2_2.safetensors"),
            files_.bytes("models/vae_approx/taew2_2.safetensors"));
  EXPECT_EQ(find_model(request.target, Variant::kAuto).preview_decoder,
            files_.path("new/taew2_2.safetensors"));
}

TEST(PreviewPainter, AveragesTheDecodersPicture) {
  const c10::InferenceMode inference;
  const auto decoder =
      std::make_shared<const TinyVideoDecoder>(test::made_up(hashed_preview_decoder(false)));
  const PreviewPainter painter = painter_of(decoder);
  at::Tensor latents = parity::hashed("any", {48, 2, 3}) * 12;
  const at::Tensor rgb = painter(latents);
  ASSERT_EQ(rgb.sizes(), (at::IntArrayRef{4, 6, 3}));
  EXPECT_EQ(rgb.scalar_type(), at::kByte);
  EXPECT_TRUE(rgb.is_contiguous());
  const at::Tensor meant = at::avg_pool2d(decoder->decode(latents.unsqueeze(0)), {8, 8}) * 255;
  const at::Tensor apart = rgb.to(at::kFloat) - meant[0].permute({1, 2, 0});
  EXPECT_LE(apart.abs().max().item<float>(), 0.501);
  EXPECT_GT(rgb.to(at::kFloat).std().item<float>(), 5);
  latents.fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(painter(latents).eq(128).all().item<bool>());
}

}  // namespace
}  // namespace ovi
