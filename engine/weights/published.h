// What Ovi's authors published, and where the files of a model are to be had.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weights/model_folder.h"

namespace ovi {

struct PublishedVariant {
  Variant variant;
  const char* name;
  int64_t area, video_latents, audio_latents;
  int64_t height, width;  ///< that the reference takes without a picture
  bool audcap_tags;
  std::vector<std::string> files;  ///< in Ovi/, the better first
};

/// The better first.
const std::vector<PublishedVariant>& published_variants();

/// Error(kSettings) for kAuto.
const PublishedVariant& published_variant(Variant variant);

/// Places of the other files below the folder that the reference's script fills.
namespace published_place {
inline constexpr char kTextEncoder[] = "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth";
inline constexpr char kSpieceModel[] = "Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model";
inline constexpr char kVideoVae[] = "Wan2.2-TI2V-5B/Wan2.2_VAE.pth";
inline constexpr char kAudioVae[] = "MMAudio/ext_weights/v1-16.pth";
inline constexpr char kVocoder[] = "MMAudio/ext_weights/best_netG.pt";
}  // namespace published_place

/// The name of one of these as a safetensors file, which `ovi convert` gives it.
std::string converted_name(const std::string& place);
/// Where the variant's fused model is: "Ovi/model.safetensors".
std::string fusion_name(Variant variant);

/// "PLACE (SIZE, huggingface.co/REPOSITORY)", or the place alone where it is not a published one.
std::string where_to_get(const std::string& place);

/// What the name of a file of the fused model, or of one of its halves, says; nothing: it tells
/// none. Content cannot tell the variants apart: the same shapes, trained further. Knows the names
/// of the reference, kijai, WanGP, snicolast and rkfg, and what others took from them ("960x960",
/// "10s", "1.1").
std::optional<Variant> variant_by_name(const std::string& path);

}  // namespace ovi
