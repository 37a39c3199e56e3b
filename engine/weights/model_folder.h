// Where a user's model is: the folder layouts people have, which variant is
// there, and one message that names everything that is missing.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weights/component.h"
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

/// The file of a component, and a word on why it is this one; empty where that is plain.
struct FileChoice {
  std::string component, path, why;
};

struct ModelFolder {
  std::string root;                  ///< as the user named it
  Variant variant = Variant::kAuto;  ///< never kAuto once found
  VariantSpec spec;
  // Paths of files that are there and may be read.
  std::string fusion, text_encoder, spiece_model, video_vae, audio_vae, vocoder;
  std::string fusion_audio;  ///< where `fusion` is the video half alone: the audio half
  // Only where ovi.json says so; a published checkpoint has heads of 128 and
  // audio positions scaled by 0.19676.
  std::optional<int64_t> num_heads;
  std::optional<double> audio_rope_scaling;
  bool fusion_is_fp8 = false;  ///< 8-bit floats without scales
  std::string settings;        ///< ovi.json; empty: there is none
  std::string acceleration;    ///< acceleration.json beside ovi.json; empty: there is none
  std::vector<FileChoice> choices;
  std::vector<std::string> unfinished;  ///< folders in which a conversion was killed
  std::vector<Lora> loras;  ///< merged into the fused model, in this order; find_model() sets none
};

/// What open_component() takes for a component: its file, or its halves.
std::vector<std::string> files_of(const ModelFolder& folder, Component component);

/// Every weight file of the model, shards too.
std::vector<std::string> all_files(const ModelFolder& folder);

/// A sentence for one of ModelFolder::unfinished.
std::string unfinished_warning(const std::string& folder);

/// `path`: a folder or a file, or several with ':' between them. Looks at the places of the layout
/// that Ovi's download script makes (Ovi/, Wan2.2-TI2V-5B/, MMAudio/ext_weights/, also below
/// ckpts/, and flat) and into every other weight file below the folders, headers only:
/// docs/weights.md lists the layouts that are known. Of two files for one component it takes the
/// better: the wanted variant, the more precise, the one in its published place. kAuto takes what
/// ovi.json names, else the best variant that is there: 960x960_10s, 960x960_5s, 720x720_5s.
/// `checkpoint` picks a fusion file by its name in Ovi/ instead. ovi.json and acceleration.json are
/// looked for in the folders themselves and in their ckpts/. Throws Error kNotFound (nothing given,
/// no such folder, files missing: all of them listed), kNotAuthorized (may not be read) or kFormat
/// (ovi.json).
ModelFolder find_model(const std::string& path, Variant wanted, const std::string& checkpoint = {});

}  // namespace ovi
