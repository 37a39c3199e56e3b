// A model folder brought onto a device, part by part, as much of it as the memory plan
// keeps there.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "models/audio_vae.h"
#include "models/bigvgan.h"
#include "models/fusion_transformer.h"
#include "models/tiny_video_decoder.h"
#include "models/umt5_encoder.h"
#include "models/video_vae.h"
#include "pipeline/memory_needs.h"
#include "pipeline/model_sources.h"
#include "pipeline/preview.h"
#include "pipeline/text_embeddings.h"
#include "runtime/cancel.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/memory_plan.h"
#include "runtime/turn.h"
#include "sampling/magnitude_table.h"
#include "text/tokenizer.h"
#include "weights/held_tensors.h"
#include "weights/host_blocks.h"
#include "weights/model_folder.h"

namespace ovi {

/// Who hears of the bytes that are read from the files, and may stop it. `total` grows
/// with each part that turns out to be needed.
struct Reading {
  std::function<void(int64_t done, int64_t total)> on_bytes;  // may be empty
  const Cancel* cancel = nullptr;
  int64_t done = 0, total = 0;
};

enum class MemoryOf { kHost, kDevice };

/// All parts of one model. Made empty; prepare() decides what stays on the device and
/// brings it there. Whoever uses it holds `turn`, so that several engines share one model
/// and take turns.
class LoadedModel {
 public:
  /// Throws Error kSettings for a plan that the device cannot have, kFormat for an
  /// acceleration.json that is broken.
  LoadedModel(ModelFolder folder, const c10::Device& device, const Arithmetic& arithmetic,
              Memory memory = Memory::kAuto);

  const ModelFolder& folder() const { return folder_; }
  const c10::Device& device() const { return device_; }
  const Arithmetic& arithmetic() const { return arithmetic_; }
  /// Of latents and of what the networks hand on.
  at::ScalarType dtype() const { return arithmetic_.dtype; }

  /// Sources that are open already, instead of the folder's files. `made_up`: their values are
  /// none of a model's, and nothing is decided by them.
  void set_sources(ModelSources sources, bool made_up = true) {
    sources_ = std::move(sources);
    given_ = true;
    made_up_ = made_up;
  }
  bool made_up() const { return made_up_; }
  /// Valid once prepared.
  const ModelSources& sources() const { return *sources_; }

  /// Lets go of everything that was read or made from what was read, and of the files: the next
  /// prepare() opens them anew. For files that turned out to be damaged, and may be put right.
  void unload();

  /// What each stage of a clip of this extent takes. Opens the files and holds them against the
  /// networks, reads no weights.
  std::vector<StageNeeds> stage_needs(const ClipExtent& clip) {
    open();
    return needs(clip);
  }

  /// What a part needs of its file, and of which type; two parts share the video VAE's.
  struct PartManifest {
    std::shared_ptr<const TensorSource> source;
    Manifest tensors;
  };
  struct Manifests {
    PartManifest text_encoder, fusion, video_encoder, video_decoder, audio_decoder, vocoder;
  };
  /// Opens the files as stage_needs() does.
  Manifests manifests();
  /// In what frames are decoded; opens the files likewise.
  at::ScalarType decode_dtype() {
    open();
    return video_decoder_.arithmetic.dtype;
  }

  /// One sentence for each file that seems to be downloaded in part only. Any thread; the files
  /// are looked at once.
  const std::vector<std::string>& incomplete_files();

  /// One sentence for each LoRA of which a part fits nothing in the model. Throws Error as
  /// read_lora() and open_tensors() do. Reads names and shapes; any thread; looked at once.
  const std::vector<std::string>& lora_warnings();

  /// Blocks of the transformer by the names in its file, of which nothing is read; 0 when it does
  /// not open, which a load will tell. Any thread; looked at once.
  int64_t fusion_depth();

  /// Chooses a memory plan for clips of this extent, unless one is chosen for a share of a clip
  /// that is no smaller, and reads what is to stay and is not there yet. After a cancelled call the
  /// parts it has stay, and the next one goes on. So they do after a failed one; whoever called
  /// lets go of them, by unload() where a file is to blame (kRead, kFormat), by out_of_memory()
  /// where memory ended. Throws Error(kNoSpace) when no plan fits.
  void prepare(const ClipExtent& clip, Reading& reading);

  /// Everything that the plan keeps is there.
  bool loaded() const { return chosen_ && ready_; }
  /// The plan in use and why; valid once prepared.
  const MemoryChoice& choice() const { return *chosen_; }
  /// How much of a clip it computes at once.
  Portions portions() const { return chosen_ ? portions_of(chosen_->memory) : Portions(); }

  // The parts, valid once prepared. Under a plan that does not keep a part it is read
  // here, and goes when the caller lets go of it.
  std::shared_ptr<const Umt5Encoder> text_encoder(Reading& reading);
  std::shared_ptr<const FusionTransformer> fusion(Reading& reading);
  std::shared_ptr<const VideoVaeEncoder> video_encoder(Reading& reading);
  std::shared_ptr<const VideoVaeDecoder> video_decoder(Reading& reading);
  std::shared_ptr<const AudioVaeDecoder> audio_decoder(Reading& reading);
  std::shared_ptr<const BigVgan> vocoder(Reading& reading);

  /// The small decoder of previews, which no clip needs: null where there is none, or where it
  /// turns out to be of no use; then preview_problem() says why. Read at its first use.
  std::shared_ptr<const TinyVideoDecoder> preview_decoder(Reading& reading);
  bool has_preview_decoder() const { return preview_decoder_.source != nullptr; }
  /// A sentence; empty where there is none, and where nothing is wrong with it.
  const std::string& preview_problem() const { return sources_->preview_decoder.problem; }

  /// Whether out_of_memory() leaves a plan to try, the choice being the model's own.
  bool has_poorer_plan() const {
    return wished_ == Memory::kAuto && !device_.is_cpu() && chosen_ &&
           chosen_->memory < Memory::kStream;
  }

  /// After an allocation failed and nobody holds a part any more: frees all that can be
  /// read again, lets the next prepare() choose a poorer plan where the choice is its own,
  /// and gives the Error(kNoSpace) that says what to set.
  Error out_of_memory(MemoryOf ended, const std::string& detail);

  /// Measured on this model if its folder says so, else of the backbone.
  const MagnitudeTable& magnitudes() const { return magnitudes_; }

  /// A line for each component and its file, once after they were opened; then nothing.
  std::vector<std::string> new_files();

  /// Small, and needed to check prompts: read at its first use, without prepare().
  const text::Tokenizer& tokenizer();

  /// Bytes of weight files read so far, and the seconds that took.
  int64_t bytes_read() const { return bytes_read_; }
  double seconds_reading() const { return seconds_reading_; }

  /// Embeddings of recent prompts; for whoever holds `turn`.
  TextEmbeddings texts;
  /// Of its video VAE's encoder, once a preview was asked for; the same.
  std::optional<PreviewFit> preview_fit;

  Turn turn;

 private:
  /// A part: how it is made, what it needs, and it itself where it is kept.
  template <typename Part>
  struct Slot {
    std::shared_ptr<const TensorSource> source;
    Arithmetic arithmetic;
    std::function<std::shared_ptr<const Part>(const Weights& weights)> make;
    Manifest manifest;
    std::shared_ptr<const Part> kept;

    int64_t file_bytes() const;                      // that are read for it
    int64_t bytes(const c10::Device& device) const;  // that its weights take there
  };

  void open();
  /// The fused model's files, for whoever looks at them beside the slots.
  std::shared_ptr<const TensorSource> stored_fusion() const;
  bool decodes_in_bfloat16();
  void let_go_of_trial();
  bool int8_matrices(const Arithmetic& arithmetic) const;
  void drop_parts();
  std::vector<StageNeeds> needs(const ClipExtent& clip) const;
  void choose(const ClipExtent& clip);
  /// With the blocks of a part that is streamed, which are made when there are none.
  template <typename Part>
  std::shared_ptr<const Part> take(Slot<Part>& slot, std::shared_ptr<HostBlocks>* blocks,
                                   Reading& reading);

  ModelFolder folder_;
  c10::Device device_;
  Arithmetic arithmetic_;
  Memory wished_, richest_ = Memory::kResident;
  std::optional<MemoryChoice> chosen_;
  int64_t chosen_ranks_ = 1;  // that share the clip it was chosen for, and whether this is the
  bool chosen_first_ = true;  // first of them
  std::vector<StageNeeds> needs_;
  bool ready_ = false, files_told_ = false;
  int64_t bytes_read_ = 0;
  double seconds_reading_ = 0;
  std::optional<ModelSources> sources_;
  bool given_ = false, made_up_ = false;  // by set_sources()
  bool open_ = false;
  std::optional<double> decode_psnr_;  // of this video VAE in bfloat16; when that was asked
  std::shared_ptr<HeldTensors> tried_decoder_;  // what was read for that, until it is used
  std::mutex incomplete_mutex_;
  std::optional<std::vector<std::string>> incomplete_;
  std::optional<int64_t> fusion_depth_;
  std::optional<std::vector<std::string>> lora_warnings_;
  MagnitudeTable magnitudes_;
  std::mutex tokenizer_mutex_;
  std::unique_ptr<text::Tokenizer> tokenizer_;
  Slot<Umt5Encoder> text_encoder_;
  Slot<FusionTransformer> fusion_;
  Slot<VideoVaeEncoder> video_encoder_;
  Slot<VideoVaeDecoder> video_decoder_;
  Slot<AudioVaeDecoder> audio_decoder_;
  Slot<BigVgan> vocoder_;
  Slot<TinyVideoDecoder> preview_decoder_;
  std::shared_ptr<HostBlocks> fusion_blocks_;  // of a streamed plan; stays between clips
};

/// What a folder says about its fusion checkpoint beyond the tensor shapes.
FusionOptions fusion_options(const ModelFolder& folder);

}  // namespace ovi
