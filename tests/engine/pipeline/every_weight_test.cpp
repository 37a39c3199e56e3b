// NaN or Inf in any one value of any tensor is an error that names stage and tensor, or does not
// matter to the clip at all.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>
#include <vector>

#include "../damaged_model.h"

namespace ovi {
namespace {

using test::DamagedModel;
using test::RecordingSink;
using test::small_request;
using NoNumber = DamagedModel::NoNumber;
using Name = const std::string&;

constexpr NoNumber kNoNumbers[] = {NoNumber::kNan, NoNumber::kInf, NoNumber::kMinusInf};
constexpr int64_t kEndToken = 1;  // of every text

struct WeightFile {
  const char* file;
  std::vector<std::string> stages;  // that use it
  bool (*unused)(Name);             // tensors that no clip is made with
  void (*load)(LoadedModel& model, Reading& quietly);
};

const WeightFile kFiles[] = {
    {test::kFusionFile,
     {"the denoising"},
     [](Name) { return false; },
     [](LoadedModel& m, Reading& r) { m.fusion(r); }},
    {test::kFusionFloat8File,
     {"the denoising"},
     [](Name) { return false; },
     [](LoadedModel& m, Reading& r) { m.fusion(r); }},
    {test::kTextFile,
     {"the text encoder"},
     [](Name) { return false; },
     [](LoadedModel& m, Reading& r) { m.text_encoder(r); }},
    // What the encoder does between frames; it has one.
    {test::kVideoFile,
     {"the video VAE's encoder", "the video VAE's decoder"},
     [](Name n) { return n.starts_with("encoder.") && n.find("time_conv") != n.npos; },
     [](LoadedModel& m, Reading& r) {
       m.video_encoder(r);
       m.video_decoder(r);
     }},
    {test::kAudioFile,
     {"the audio VAE"},
     [](Name n) { return n.starts_with("encoder."); },
     [](LoadedModel& m, Reading& r) { m.audio_decoder(r); }},
    // Filters are computed.
    {test::kVocoderFile,
     {"the vocoder"},
     [](Name n) { return n.ends_with(".filter"); },
     [](LoadedModel& m, Reading& r) { m.vocoder(r); }},
};

bool is_table(Name name) { return name == "token_embedding.weight"; }

class EveryWeight : public testing::TestWithParam<WeightFile> {
 protected:
  const char* file() const { return GetParam().file; }
  std::shared_ptr<LoadedModel> model(Memory memory = Memory::kAuto) const {
    const bool eight = file() == std::string(test::kFusionFloat8File);
    return files_.load(at::kFloat, c10::kCPU, memory,
                       eight ? std::filesystem::path(file()).filename().string() : "");
  }
  static at::Tensor clip(const std::shared_ptr<LoadedModel>& model) {
    Request request = small_request();
    request.steps = 1;
    request.image.fill_(90);
    RecordingSink sink;
    Generator(model).generate(request, sink, nullptr);
    return at::cat({at::cat(sink.frames).flatten().to(at::kFloat), sink.samples});
  }
  /// What was there before.
  std::string put(NoNumber value, const DamagedModel::Place& place) const {
    return files_.overwrite(file(), place.offset, DamagedModel::bytes_of(value, place.dtype));
  }
  void expect_named(const Error& error, Name tensor) const {
    const std::string message = error.what();
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::kFormat)) << message;
    EXPECT_TRUE(std::any_of(GetParam().stages.begin(), GetParam().stages.end(),
                            [&](Name stage) { return message.find(stage) != message.npos; }))
        << "no stage in: " << message;
    for (Name part : {"'" + tensor + "'", files_.path(file()), std::string("NaN or Inf")}) {
      EXPECT_NE(message.find(part), message.npos) << "no " << part << " in: " << message;
    }
  }

  DamagedModel files_;
};

TEST_P(EveryWeight, IsANumberOrAnErrorNamesIt) {
  const auto source = open_tensors(files_.path(file()));
  // Each part is loaded whenever it is asked for.
  const auto loaded = model(Memory::kOffload);
  Reading quietly;
  loaded->prepare({3, 4, 4, 8}, quietly);
  int64_t index = 0, named = 0;
  for (const TensorInfo& info : source->tensors()) {
    if (GetParam().unused(info.name) || is_table(info.name)) continue;
    ++index;
    const int64_t last = source->view(info.name).numel() - 1;
    for (const NoNumber value : kNoNumbers) {
      if (c10::elementSize(info.dtype) == 1 && value != NoNumber::kNan) continue;
      // At its beginning, in its middle and at its end, in turns.
      const int64_t at = (index + static_cast<int64_t>(value)) % 3 * last / 2;
      SCOPED_TRACE(info.name + ", value " + std::to_string(at) + " of " + std::to_string(last + 1));
      const DamagedModel::Place place = DamagedModel::place_of(*source, info.name, at);
      const std::string before = put(value, place);
      try {
        GetParam().load(*loaded, quietly);
        ADD_FAILURE() << "nothing failed";
      } catch (const Error& error) {
        expect_named(error, info.name);
        ++named;
      }
      files_.overwrite(file(), place.offset, before);
    }
  }
  EXPECT_GT(named, 10);
}

TEST_P(EveryWeight, DoesNotMatterWhereNothingIsMadeWithIt) {
  const auto source = open_tensors(files_.path(file()));
  const at::Tensor expected = clip(model());
  for (const TensorInfo& info : source->tensors()) {
    const int64_t last = source->view(info.name).numel() - 1;
    // A table's last row is of a token that the prompts have not.
    for (const int64_t at : {is_table(info.name) ? last : int64_t{0}, last}) {
      if (!GetParam().unused(info.name) && !is_table(info.name)) continue;
      put(kNoNumbers[at % 3], DamagedModel::place_of(*source, info.name, at));
    }
  }
  EXPECT_TRUE(clip(model()).equal(expected));
}

TEST_P(EveryWeight, OfATableIsNamedWhereItsTokenIsRead) {
  const auto source = open_tensors(files_.path(file()));
  size_t tables = 0;
  for (const TensorInfo& info : source->tensors()) {
    if (!is_table(info.name)) continue;
    ++tables;
    for (const NoNumber value : kNoNumbers) {
      const auto place = DamagedModel::place_of(*source, info.name, kEndToken * info.shape[1] + 3);
      const std::string before = put(value, place);
      try {
        clip(model());
        ADD_FAILURE() << "nothing failed";
      } catch (const Error& error) {
        expect_named(error, info.name);
      }
      files_.overwrite(file(), place.offset, before);
    }
  }
  EXPECT_EQ(tables, file() == std::string(test::kTextFile) ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(All, EveryWeight, testing::ValuesIn(kFiles), [](const auto& info) {
  std::string name = std::filesystem::path(info.param.file).stem().string();
  std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
  return name;
});

}  // namespace
}  // namespace ovi
