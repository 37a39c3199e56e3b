// SPDX-License-Identifier: Apache-2.0
#include "weights/published.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "runtime/error.h"

namespace ovi {

const std::vector<PublishedVariant>& published_variants() {
  static const std::vector<PublishedVariant> table = {
      {Variant::k960x960_10s,
       "960x960_10s",
       960 * 960,
       61,
       314,
       704,
       1280,
       false,
       {"model_960x960_10s.safetensors"}},
      {Variant::k960x960_5s,
       "960x960_5s",
       960 * 960,
       31,
       157,
       704,
       1280,
       false,
       {"model_960x960.safetensors"}},
      {Variant::k720x720_5s,
       "720x720_5s",
       720 * 720,
       31,
       157,
       512,
       992,
       true,
       {"model.safetensors", "model_fp8_e4m3fn.safetensors"}},
  };
  return table;
}

const PublishedVariant& published_variant(Variant variant) {
  for (const PublishedVariant& entry : published_variants()) {
    if (entry.variant == variant) return entry;
  }
  throw Error(ErrorKind::kSettings, "There is no published variant of that number.");
}

std::string converted_name(const std::string& place) {
  // That of the text encoder says a type, which a converted one need not have.
  if (place == published_place::kTextEncoder) {
    return "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc.safetensors";
  }
  return std::filesystem::path(place).replace_extension(".safetensors").string();
}

std::string fusion_name(Variant variant) {
  return "Ovi/" + published_variant(variant).files.front();
}

std::string where_to_get(const std::string& place) {
  struct Download {
    std::string_view place, size, repository;
  };
  constexpr std::string_view kOvi = "chetwinlow1/Ovi", kWan = "Wan-AI/Wan2.2-TI2V-5B",
                             kMmaudio = "hkchengrex/MMAudio";
  static constexpr Download kDownloads[] = {
      {"Ovi/model.safetensors", "23.3 GB", kOvi},
      {"Ovi/model_960x960.safetensors", "23.3 GB", kOvi},
      {"Ovi/model_960x960_10s.safetensors", "23.3 GB", kOvi},
      {"Ovi/model_fp8_e4m3fn.safetensors", "11.7 GB", "rkfg/Ovi-fp8_quantized"},
      {published_place::kTextEncoder, "11.4 GB", kWan},
      {published_place::kSpieceModel, "4.5 MB", kWan},
      {published_place::kVideoVae, "2.8 GB", kWan},
      {published_place::kAudioVae, "687 MB", kMmaudio},
      {published_place::kVocoder, "449 MB", kMmaudio},
  };
  for (const Download& download : kDownloads) {
    if (download.place != place) continue;
    return place + " (" + std::string(download.size) + ", huggingface.co/" +
           std::string(download.repository) + ")";
  }
  return place;
}

std::optional<Variant> variant_by_name(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto has = [&](std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return name.find(word) != std::string::npos; });
  };
  if (has({"960x960_10s", "_10s", "-10s", "10s_", "10s-"})) return Variant::k960x960_10s;
  if (has({"960x960", "ovi1_1", "ovi1.1", "ovi_1_1", "ovi_1.1", "ovi-1.1", "ovi_v1.1"})) {
    return Variant::k960x960_5s;
  }
  // Names of the first release, which needed none.
  if (has({"720x720", "ovi_video", "ovi_audio", "ovi-11b", "ovi_11b"})) return Variant::k720x720_5s;
  for (const std::string& file : published_variant(Variant::k720x720_5s).files) {
    if (name == file) return Variant::k720x720_5s;
  }
  if (name == "model.safetensors.index.json") return Variant::k720x720_5s;
  return std::nullopt;
}

}  // namespace ovi
