// Where a user's model is: the folder layouts people have, which variant is
// there, and one message that names everything that is missing.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weights/lora_file.h"

namespace ovi {

enum class Variant { kAuto, k720x720_5s, k960x960_5s, k960x960_10s };

/// What a checkpoint was trained to make.
struct VariantSpec {
  std::string name;
  int64_t area = 0;                   ///< pixels of one frame
  int64_t video_latents = 0;          ///< 1 + 4 (video_latents - 1) frames at 24 Hz
  int64_t audio_latents = 0;          ///< 512 audio_latents samples at 16 kHz
  int64_t height = 512, width = 992;  ///< pixels of a clip without a picture, before scaling
  bool audcap_tags = false;           ///< <AUDCAP>text<ENDAUDCAP>; else "Audio: text"
};

/// One of the three published variants; kAuto has none (Error kSettings).
VariantSpec published_spec(Variant variant);

/// Where Ovi's download script puts the files, below the folder.
namespace layout {
inline constexpr char kTextEncoder[] = "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth";
inline constexpr char kSpieceModel[] = "Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model";
inline constexpr char kVideoVae[] = "Wan2.2-TI2V-5B/Wan2.2_VAE.pth";
inline constexpr char kAudioVae[] = "MMAudio/ext_weights/v1-16.pth";
inline constexpr char kVocoder[] = "MMAudio/ext_weights/best_netG.pt";
}  // namespace layout

/// The name of one of these as a safetensors file, which is looked for first.
std::string converted_name(const std::string& relative);
/// Where the variant's fusion file is, likewise: "Ovi/model.safetensors".
std::string fusion_name(Variant variant);

struct ModelFolder {
  std::string root;
  Variant variant = Variant::kAuto;  ///< never kAuto once found
  VariantSpec spec;
  // Paths of files that are there and may be read.
  std::string fusion, text_encoder, spiece_model, video_vae, audio_vae, vocoder;
  // Only where ovi.json says so; a published checkpoint has heads of 128 and
  // audio positions scaled by 0.19676.
  std::optional<int64_t> num_heads;
  std::optional<double> audio_rope_scaling;
  bool fusion_is_fp8 = false;  ///< by its file name
  std::string settings;        ///< ovi.json; empty: there is none
  std::string acceleration;    ///< acceleration.json beside ovi.json; empty: there is none
  std::vector<Lora> loras;     ///< merged into the fusion file, in this order; find_model() sets none
};

/// Looks in `root`, then `root`/ckpts, each in the layout that Ovi's download
/// script makes (Ovi/, Wan2.2-TI2V-5B/, MMAudio/ext_weights/), each file also under
/// its converted_name(), and flat. kAuto
/// takes what `root`/ovi.json names, else the best variant that is there:
/// 960x960_10s, 960x960_5s, 720x720_5s, its float8 file. `checkpoint` picks a
/// fusion file by its name in Ovi/ instead.
/// Throws Error kNotFound (nothing given, no such folder, files missing: all of
/// them listed), kNotAuthorized (may not be read) or kFormat (ovi.json).
ModelFolder find_model(const std::string& root, Variant wanted, const std::string& checkpoint = {});

}  // namespace ovi
