// Whole clips on several ranks, against one device and the reference.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "../models/case_data.h"
#include "../tiny_model.h"
#include "runtime/error.h"
#include "thread_group.h"

namespace ovi {
namespace {

using parallel::Group;
using test::on_ranks;
using test::RecordingSink;
using test::small_request;
using test::tiny_model;
using testing::CaseData;

struct Made {
  at::Tensor video, audio;
  std::vector<at::Tensor> previews;
};

class Sink final : public RecordingSink {
 public:
  std::vector<at::Tensor> previews;
  void preview(int64_t, int64_t, int64_t, const at::Tensor& rgb) override {
    previews.push_back(rgb.clone());
  }
  Made made() const { return {frames.empty() ? at::Tensor() : at::cat(frames), samples, previews}; }
};

Made alone(const Request& request) {
  Sink sink;
  Generator(tiny_model()).generate(request, sink, nullptr);
  return sink.made();
}

std::vector<Made> together(int64_t ranks, const Request& request) {
  std::vector<Made> made(static_cast<size_t>(ranks));
  on_ranks(ranks, [&](const std::shared_ptr<Group>& group) {
    Sink sink;
    Request own = request;
    if (group->rank() > 0) own.image = at::Tensor();  // its size is all that the others know of it
    Generator(tiny_model()).generate(own, sink, nullptr, {}, group);
    made[group->rank()] = sink.made();
    for (const auto& report : sink.reports) EXPECT_LE(report.done, report.total);
    EXPECT_EQ(sink.reports.back().done, sink.reports.back().total);
  });
  return made;
}

// Between 8-bit frames: rounding may fall to either side.
void expect_near(const Made& got, const Made& truth) {
  ASSERT_EQ(got.video.sizes(), truth.video.sizes());
  ASSERT_EQ(got.audio.sizes(), truth.audio.sizes());
  EXPECT_LE((got.video.to(at::kInt) - truth.video.to(at::kInt)).abs().max().item<int>(), 1);
  EXPECT_LT(testing::max_difference(got.audio.to(at::kFloat), truth.audio.to(at::kFloat)), 5e-3);
}

class GeneratorSplit : public ::testing::TestWithParam<int64_t> {};

TEST_P(GeneratorSplit, MakesTheClipOfOneDeviceOnRank0) {
  Request request = small_request();
  request.preview = 1;
  const Made truth = alone(request);
  const std::vector<Made> made = together(GetParam(), request);
  expect_near(made[0], truth);
  ASSERT_EQ(made[0].previews.size(), truth.previews.size());
  EXPECT_FALSE(truth.previews.empty());
  for (size_t r = 1; r < made.size(); ++r) {
    EXPECT_FALSE(made[r].video.defined());
    EXPECT_FALSE(made[r].audio.defined());
    EXPECT_TRUE(made[r].previews.empty());
  }
}

TEST_P(GeneratorSplit, SoItDoesFromASeedThatRank0Chooses) {
  Request request = small_request();
  request.seed = -1;  // each rank would choose another
  request.image = at::Tensor();
  request.image_height = request.image_width = 0;
  const std::vector<Made> made = together(GetParam(), request);
  EXPECT_EQ(made[0].video.size(0), 5);
}

// Every case of the reference's whole clips.
TEST_P(GeneratorSplit, HasTheReferencesNumbers) {
  for (const char* name : {"generate-t2v-unipc", "generate-i2v-unipc", "generate-i2v-dpmpp",
                           "generate-i2v-euler", "generate-demo"}) {
    SCOPED_TRACE(name);
    const CaseData data(name);
    const auto& args = data.json().at("args");
    const std::string model_name = data.json().at("model");
    ModelFolder folder = find_model(testing::data_path("models/" + model_name), Variant::kAuto);
    folder.spec.area = args.at("area");
    folder.spec.video_latents = args.at("video_latents");
    folder.spec.audio_latents = args.at("audio_latents");
    folder.spec.audcap_tags = args.at("audio_tag") == "audcap";
    Request request;
    request.prompt = args.at("prompt");
    request.video_negative_prompt = args.at("video_negative_prompt");
    request.audio_negative_prompt = args.at("audio_negative_prompt");
    request.shift = args.at("shift");
    request.video_guidance_scale = args.at("video_guidance_scale");
    request.audio_guidance_scale = args.at("audio_guidance_scale");
    request.slg_layer = args.at("slg_layer");
    const std::string solver = args.at("solver");
    request.solver = solver == "unipc"   ? Solver::kUnipc
                     : solver == "dpm++" ? Solver::kDpmpp
                                         : Solver::kEuler;
    request.steps = args.at("steps");
    request.height = args.value("height", int64_t{0});
    request.width = args.value("width", int64_t{0});
    if (request.height == 0) {
      request.image = data.input("rgb");
      request.image_height = request.image.size(0);
      request.image_width = request.image.size(1);
    }
    std::map<std::string, std::vector<at::Tensor>> seen;
    on_ranks(GetParam(), [&](const std::shared_ptr<Group>& group) {
      Instruments instruments;
      if (group->rank() == 0) {
        instruments.noise = {data.input("video_noise"), data.input("audio_noise")};
        instruments.observe = [&](const char* what, const at::Tensor& tensor) {
          seen[what].push_back(tensor);
        };
      }
      RecordingSink sink;
      Generator(std::make_shared<LoadedModel>(folder, c10::kCPU, at::kFloat))
          .generate(request, sink, nullptr, instruments, group);
    });
    for (const char* what : {"video_latents", "audio_latents", "audio"}) {
      ASSERT_EQ(seen[what].size(), 1u) << what;
      EXPECT_TRUE(data.matches(what, seen[what][0])) << what;
    }
    EXPECT_TRUE(data.matches("video", at::cat(seen["video"], 2).squeeze(0)));
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, GeneratorSplit, ::testing::Values(2, 3, 4, 6));

TEST(GeneratorOfAGroup, EndsOnAllRanksWhenOneIsCancelled) {
  Cancel cancel;
  EXPECT_THROW(on_ranks(2,
                        [&](const std::shared_ptr<Group>& group) {
                          RecordingSink sink;
                          sink.on_report = [&](const auto& report) {
                            if (group->rank() == 1 && report.stage == Stage::kGenerate)
                              cancel.trigger();
                          };
                          Generator(tiny_model())
                              .generate(small_request(), sink,
                                        group->rank() == 1 ? &cancel : nullptr, {}, group);
                        }),
               Error);
}

}  // namespace
}  // namespace ovi
