// SPDX-License-Identifier: Apache-2.0
#include "pipeline/rank_messages.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "pipeline/model_sources.h"
#include "runtime/error.h"

namespace ovi {
namespace {

using Json = nlohmann::json;

template <typename Enum>
int number(Enum value) {
  return static_cast<int>(value);
}

template <typename Enum>
void read(const Json& from, const char* name, Enum& value, Enum last) {
  const int found = from.at(name).get<int>();
  if (found < 0 || found > number(last)) throw std::out_of_range(name);
  value = static_cast<Enum>(found);
}

template <typename Value>
void read(const Json& from, const char* name, Value& value) {
  value = from.at(name).get<Value>();
}

Json of_config(const EngineConfig& config) {
  Json loras = Json::array();
  for (const Lora& lora : config.loras) loras.push_back({lora.path, lora.strength});
  return {{"path", config.model_path},
          {"variant", number(config.variant)},
          {"precision", number(config.precision)},
          {"memory", number(config.memory)},
          {"loras", std::move(loras)}};
}

EngineConfig config_of(const Json& from) {
  EngineConfig config;
  read(from, "path", config.model_path);
  read(from, "variant", config.variant, Variant::k960x960_10s);
  read(from, "precision", config.precision, Precision::kFp8);
  read(from, "memory", config.memory, Memory::kStream);
  for (const Json& one : from.at("loras"))
    config.loras.push_back({one.at(0).get<std::string>(), one.at(1).get<double>()});
  return config;
}

Json of_request(const Request& request) {
  return {{"prompt", request.prompt},
          {"video_negative_prompt", request.video_negative_prompt},
          {"audio_negative_prompt", request.audio_negative_prompt},
          {"image_height", request.image_height},
          {"image_width", request.image_width},
          {"height", request.height},
          {"width", request.width},
          {"seed", request.seed},
          {"steps", request.steps},
          {"shift", request.shift},
          {"solver", number(request.solver)},
          {"video_guidance_scale", request.video_guidance_scale},
          {"audio_guidance_scale", request.audio_guidance_scale},
          {"slg_layer", request.slg_layer},
          {"pixel_format", number(request.pixel_format)},
          {"sample_format", number(request.sample_format)},
          {"acceleration", number(request.acceleration)},
          {"preview", request.preview}};
}

Request request_of(const Json& from) {
  Request request;
  read(from, "prompt", request.prompt);
  read(from, "video_negative_prompt", request.video_negative_prompt);
  read(from, "audio_negative_prompt", request.audio_negative_prompt);
  read(from, "image_height", request.image_height);
  read(from, "image_width", request.image_width);
  read(from, "height", request.height);
  read(from, "width", request.width);
  read(from, "seed", request.seed);
  read(from, "steps", request.steps);
  read(from, "shift", request.shift);
  read(from, "solver", request.solver, Solver::kEuler);
  read(from, "video_guidance_scale", request.video_guidance_scale);
  read(from, "audio_guidance_scale", request.audio_guidance_scale);
  read(from, "slg_layer", request.slg_layer);
  read(from, "pixel_format", request.pixel_format, PixelFormat::kNv12);
  read(from, "sample_format", request.sample_format, SampleFormat::kS16);
  read(from, "acceleration", request.acceleration, Acceleration::kFast);
  read(from, "preview", request.preview);
  return request;
}

}  // namespace

std::string written(const RankOrder& order) {
  Json made{{"do", number(order.what)}, {"model", order.model}};
  if (order.what == RankOrder::Do::kOpen) {
    made["config"] = of_config(order.config);
    made["identity"] = order.identity;
  } else if (order.what == RankOrder::Do::kMake) {
    made["group"] = order.group;
    made["request"] = of_request(order.request);
  }
  // Unlike its text, this form takes a prompt or a path of any bytes, and numbers bit by bit.
  const std::vector<uint8_t> bytes = Json::to_cbor(made);
  return {bytes.begin(), bytes.end()};
}

RankOrder read_order(const std::string& bytes) {
  try {
    const Json from = Json::from_cbor(bytes);
    RankOrder order;
    read(from, "do", order.what, RankOrder::Do::kLeave);
    read(from, "model", order.model);
    if (order.what == RankOrder::Do::kOpen) {
      order.config = config_of(from.at("config"));
      read(from, "identity", order.identity);
    } else if (order.what == RankOrder::Do::kMake) {
      read(from, "group", order.group);
      order.request = request_of(from.at("request"));
    }
    return order;
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kFormat,
                "What rank 0 says makes no sense. Install the same release on all machines.",
                error.what());
  }
}

std::string identity_of(const ModelFolder& folder) {
  const ModelSources sources = ModelSources::open(folder);
  std::string identity = folder.spec.name;
  for (const auto& [name, source] :
       {std::pair("fusion", sources.fusion), std::pair("text encoder", sources.text_encoder),
        std::pair("video VAE", sources.video_vae), std::pair("audio VAE", sources.audio_vae),
        std::pair("vocoder", sources.vocoder)}) {
    std::vector<std::string> tensors;
    for (const TensorInfo& tensor : source->tensors()) {
      std::string one = tensor.name + " " + std::to_string(number(tensor.dtype));
      for (const int64_t extent : tensor.shape) one.append(" ").append(std::to_string(extent));
      tensors.push_back(std::move(one));
    }
    // Files may be cut in other pieces.
    std::sort(tensors.begin(), tensors.end());
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
    for (const std::string& one : tensors) {
      for (const char c : one + "\n") hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    }
    identity += std::string("\n") + name + " " + std::to_string(hash);
  }
  return identity;
}

}  // namespace ovi
