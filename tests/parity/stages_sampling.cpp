// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include "pipeline/first_frame.h"
#include "pipeline/frame_size.h"
#include "pipeline/noise.h"
#include "sampling/scheduler.h"
#include "stages.h"

namespace ovi::parity {
namespace {

at::Tensor doubles(const std::vector<double>& values) {
  return at::tensor(values, at::TensorOptions().dtype(at::kDouble));
}

}  // namespace

void run_frame_size(Case& c) {
  const auto check = [&](const char* table, FrameSize (*size)(int64_t, int64_t, int64_t)) {
    for (const auto& row : c.json().value(table, nlohmann::json::array())) {
      const FrameSize got = size(row[0], row[1], row[2]);
      c.check_text(std::string(table) + row.dump(),
                   std::to_string(got.height) + "x" + std::to_string(got.width),
                   row[3].dump() + "x" + row[4].dump());
    }
  };
  check("from_image", frame_size_from_image);
  check("from_request", frame_size_from_request);
}

void run_image_preprocess(Case& c) {
  const at::Tensor rgb = c.input("rgb");
  const FrameSize size = frame_size_from_image(rgb.size(0), rgb.size(1), c.args().at("area"));
  c.check("image", prepare_first_frame(rgb.to(c.options().device), size));
}

void run_sampler(Case& c) {
  const auto& args = c.args();
  const auto scheduler = make_scheduler(solver_of(args.at("solver")), args.at("steps"),
                                        args.at("shift"));
  c.check("timesteps", doubles(scheduler->timesteps()));
  if (c.expects("sigmas")) {
    // float32 values of size 1: the tables have no tolerance of their own.
    c.check("sigmas", doubles(scheduler->sigmas()), c.expected("sigmas"),
            std::max(c.tolerance("sigmas"), 1e-6));
  }
  // Latents are float32 in any precision.
  at::Tensor sample = c.placed_input("sample").to(at::kFloat);
  const at::Tensor velocity = c.placed_input("velocity").to(at::kFloat);
  std::vector<at::Tensor> samples;
  for (int64_t i = 0; i < scheduler->steps(); ++i) {
    const at::Tensor v = velocity[i].view_as(sample) + sample * 0.1;
    sample = scheduler->step(i, v, sample);
    samples.push_back(sample.clone());
  }
  const at::Tensor expected = c.expected("samples");
  c.check("samples", at::stack(samples).view(expected.sizes()));
}

void run_noise(Case& c) {
  const auto shape = [&](const char* name) {
    return c.args().at(name).get<std::vector<int64_t>>();
  };
  for (const auto& row : c.json().at("seeds")) {
    const uint64_t seed = row.at("seed");
    const Latents noise = make_noise(shape("video_shape"), shape("audio_shape"), seed, at::kFloat,
                                     c10::kCPU);
    const auto check = [&](const char* stream, const at::Tensor& got) {
      const auto first = row.at(std::string(stream) + "_first8").get<std::vector<double>>();
      c.check("noise." + std::to_string(seed) + "." + stream,
              got.flatten().narrow(0, 0, static_cast<int64_t>(first.size())), doubles(first),
              c.tolerance("noise"));
    };
    check("video", noise.video);
    check("audio", noise.audio);
  }
}

}  // namespace ovi::parity
