// Weights that are no numbers, zeros where weights should be, and files that go away in the middle:
// each an error or a warning that names the file, and a model that works when it is whole again.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "../damaged_model.h"
#include "pipeline/stage_check.h"
#include "weights/zero_parts.h"

namespace ovi {
namespace {

using test::DamagedModel;
using test::RecordingSink;
using test::small_request;

Error failure(const std::shared_ptr<LoadedModel>& model, const Request& request,
              RecordingSink& sink) {
  try {
    Generator(model).generate(request, sink, nullptr);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing failed";
  return Error(ErrorKind::kFailed, "");
}

void expect_named(const Error& error, ErrorKind kind, std::initializer_list<std::string> parts) {
  const std::string message = error.what();
  EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << message;
  for (const std::string& part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in: " << message;
  }
}

at::Tensor clip(const std::shared_ptr<LoadedModel>& model, const Request& request) {
  RecordingSink sink;
  Generator(model).generate(request, sink, nullptr);
  return at::cat(sink.frames);
}

TEST(AllNumbers, SeesEveryValue) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const int64_t size : {1, 7, 1000, 70'001}) {
      at::Tensor x = at::ones({size}, at::TensorOptions().dtype(dtype));
      EXPECT_TRUE(all_numbers(x).item<bool>());
      for (const float bad : {nan, -nan, inf, -inf}) {
        for (const int64_t at : {int64_t{0}, size / 2, size - 1}) {
          at::Tensor spoilt = x.clone();
          spoilt[at] = bad;
          EXPECT_FALSE(all_numbers(spoilt).item<bool>()) << dtype << size << bad << at;
        }
      }
    }
  }
  // The largest number is one, though a sum of two is not.
  EXPECT_TRUE(all_numbers(at::full({9}, std::numeric_limits<float>::max())).item<bool>());
}

struct Spoilt {
  const char *file, *begin, *stage;
};

class SpoiltWeight : public testing::TestWithParam<std::tuple<Spoilt, bool>> {};

TEST_P(SpoiltWeight, IsNamedWithItsStageAndPassesWithTheFile) {
  const auto& [spoilt, inf] = GetParam();
  const DamagedModel files;
  const std::string tensor = files.spoil(spoilt.file, spoilt.begin, inf);
  const auto model = files.load();
  const Request request = small_request();
  RecordingSink sink;
  expect_named(failure(model, request, sink), ErrorKind::kFormat,
               {spoilt.stage, "'" + tensor + "'", files.path(spoilt.file)});
  EXPECT_TRUE(sink.frames.empty()) << "broken frames left";
  files.put_back(spoilt.file);
  EXPECT_EQ(clip(model, request).size(0), 9);
}

INSTANTIATE_TEST_SUITE_P(
    All, SpoiltWeight,
    testing::Combine(
        testing::Values(
            Spoilt{test::kTextFile, "blocks.0.ffn.fc1.weight", "the text encoder"},
            Spoilt{test::kVideoFile, "encoder.conv1.weight", "the video VAE's encoder"},
            Spoilt{test::kFusionFile, "video_model.blocks.1.ffn.0.weight", "the denoising"},
            Spoilt{test::kFusionFile, "audio_model.head.head.bias", "the denoising"},
            Spoilt{test::kAudioFile, "decoder.conv_in", "the audio VAE"},
            Spoilt{test::kVocoderFile, "generator.conv_post", "the vocoder"},
            Spoilt{test::kVideoFile, "decoder.head.2.weight", "the video VAE's decoder"}),
        testing::Bool()));

TEST(NoNumbers, NamesTheWaysOutWhereNoWeightIsToBlame) {
  const DamagedModel files;
  const auto source = open_tensors(files.path(test::kFusionFile));
  expect_named(no_numbers("the denoising", *source, c10::kCPU, at::kFloat), ErrorKind::kFormat,
               {"the denoising", "Download"});
  expect_named(no_numbers("the denoising", *source, c10::Device(c10::kCUDA, 0), at::kBFloat16),
               ErrorKind::kFormat, {"precision=fp32", "OVI_FUSED_KERNELS=0"});
  const auto eight = open_tensors(files.path("Ovi/model_fp8_e4m3fn.safetensors"));
  expect_named(no_numbers("the denoising", *eight, c10::kCPU, at::kBFloat16), ErrorKind::kFormat,
               {"precision=fp32"});
}

class CutShort : public testing::TestWithParam<std::tuple<const char*, Stage, Memory>> {};

TEST_P(CutShort, IsAReadErrorAndTheModelWorksAgain) {
  const auto& [file, stage, memory] = GetParam();
  const DamagedModel files;
  const auto model = files.load(at::kFloat, c10::kCPU, memory);
  const Request request = small_request();
  const at::Tensor expected = clip(model, request);
  RecordingSink sink;
  bool cut = false;
  sink.on_report = [&, stage = stage, file = file](const RecordingSink::Report& report) {
    if (std::exchange(cut, cut || report.stage == stage) != cut) files.cut(file, 5000);
  };
  Request other = request;
  other.prompt += " And a dog.";  // not remembered
  expect_named(failure(model, other, sink), ErrorKind::kRead, {files.path(file)});
  // Still short, found at once; then put back.
  sink.on_report = nullptr;
  expect_named(failure(model, request, sink), ErrorKind::kRead, {files.path(file)});
  files.put_back(file);
  EXPECT_TRUE(clip(model, request).equal(expected));
}

INSTANTIATE_TEST_SUITE_P(All, CutShort,
                         testing::Combine(testing::Values(test::kFusionFile, test::kVideoFile),
                                          testing::Values(Stage::kEncode, Stage::kGenerate),
                                          testing::Values(Memory::kResident, Memory::kOffload)));

TEST(ZeroParts, AreWarnedOfAndWholeFilesAreNot) {
  const auto warnings_of = [](const DamagedModel& files) {
    std::vector<Warning> all, of_files;
    Generator(files.load()).plan(small_request(), &all);
    for (const Warning& warning : all) {
      if (warning.code == WarningCode::kModel) of_files.push_back(warning);
    }
    return of_files;
  };
  const DamagedModel files;
  EXPECT_TRUE(warnings_of(files).empty());
  // Most weights of this one's decoder are zeros, and meant to be.
  EXPECT_EQ(zero_parts_of(std::string(std::getenv("OVI_TEST_DATA")) +
                          "/../../examples/demo-model/" + test::kVideoFile),
            "");
  for (const char* file :
       {test::kFusionFile, test::kTextFile, test::kVideoFile, test::kVocoderFile}) {
    std::string bytes = files.bytes(file);
    const size_t begin = bytes.size() / 2, length = bytes.size() * 4 / 10;
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(begin), length, '\0');
    files.write(file, bytes);
    const std::vector<Warning> found = warnings_of(files);
    ASSERT_EQ(found.size(), 1u) << file;
    EXPECT_NE(found[0].message.find(files.path(file)), std::string::npos) << found[0].message;
    EXPECT_NE(found[0].message.find("fetch the file again"), std::string::npos);
    // Beside any number of mistakes in the prompt, and there are twenty warnings at most.
    std::vector<Warning> all;
    Request request = small_request();
    for (int i = 0; i < 30; ++i) request.prompt += " <x>";
    Generator(files.load()).plan(request, &all);
    EXPECT_EQ(all.size(), 20u);
    EXPECT_EQ(all.back().message, found[0].message);
    files.put_back(file);
  }
}

}  // namespace
}  // namespace ovi
