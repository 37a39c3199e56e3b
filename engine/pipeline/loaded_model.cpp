// SPDX-License-Identifier: Apache-2.0
#include "pipeline/loaded_model.h"

#include <algorithm>
#include <utility>

#include "nn/int8_product.h"
#include "nn/prepare.h"
#include "pipeline/decode_precision.h"
#include "pipeline/stage_check.h"
#include "runtime/decimal.h"
#include "runtime/device.h"
#include "runtime/host_memory.h"
#include "runtime/stopwatch.h"
#include "runtime/threads.h"
#include "sampling/magnitude_file.h"
#include "weights/layouts/open_component.h"
#include "weights/lora_tensors.h"
#include "weights/part_tensors.h"
#include "weights/prefetch_loader.h"
#include "weights/streaming_loader.h"
#include "weights/zero_parts.h"

namespace ovi {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// Page-locked memory is lost to everybody else: at most three quarters of what is free.
bool host_can_keep(int64_t bytes) { return bytes <= host_memory().free / 4 * 3; }

std::string mib(int64_t bytes) { return std::to_string(bytes / kMiB) + " MiB"; }

MagnitudeTable magnitudes_of(const ModelFolder& folder) {
  if (!folder.acceleration.empty()) {
    if (auto measured = read_magnitudes(folder.acceleration, folder.spec.name)) return *measured;
  }
  return MagnitudeTable::of_the_backbone();
}

}  // namespace

FusionOptions fusion_options(const ModelFolder& folder) {
  FusionOptions options;
  options.num_heads = folder.num_heads;
  if (folder.audio_rope_scaling) options.audio_rope_scaling = *folder.audio_rope_scaling;
  return options;
}

template <typename Part>
int64_t LoadedModel::Slot<Part>::file_bytes() const {
  int64_t bytes = 0;
  for (const WeightSpec& tensor : manifest) {
    const TensorInfo* stored = source->find(tensor.name);
    if (stored) bytes += tensor.count() * static_cast<int64_t>(c10::elementSize(stored->dtype));
  }
  return bytes;
}

// A CPU computes with the file's own mapping where the type is the same.
template <typename Part>
int64_t LoadedModel::Slot<Part>::bytes(const c10::Device& device) const {
  int64_t bytes = 0;
  for (const WeightSpec& tensor : manifest) {
    if (!tensor.stays()) continue;
    const TensorInfo* stored = device.is_cpu() ? source->find(tensor.name) : nullptr;
    const bool in_place =
        stored && stored->dtype == tensor.dtype && source->is_mapped(tensor.name);
    if (!in_place) bytes += tensor.bytes();
  }
  return bytes;
}

LoadedModel::LoadedModel(ModelFolder folder, const c10::Device& device,
                         const Arithmetic& arithmetic, Memory memory)
    : folder_(std::move(folder)),
      device_(device),
      arithmetic_(arithmetic),
      wished_(memory),
      magnitudes_(magnitudes_of(folder_)) {
  if (device_.is_cpu() && wished_ == Memory::kStream) {
    throw Error(ErrorKind::kSettings,
                "memory=stream copies weights to a GPU block by block; with device=cpu set "
                "memory=offload, or leave it at auto.");
  }
  wait_politely();
}

const text::Tokenizer& LoadedModel::tokenizer() {
  // No std::call_once where something may throw: the exception would pass through the C
  // library, and a process that also holds another unwinder (GStreamer's) then aborts.
  const std::lock_guard<std::mutex> lock(tokenizer_mutex_);
  if (!tokenizer_) tokenizer_ = std::make_unique<text::Tokenizer>(folder_.spiece_model);
  return *tokenizer_;
}

// The reference decodes in float32. Most weights lose nothing in bfloat16, which takes half of
// the time and memory; those that would are left in float32. The decoder is then made of what
// was read for the trial.
bool LoadedModel::decodes_in_bfloat16() {
  decode_psnr_ = bfloat16_decode_psnr(tried_decoder_);
  tried_decoder_->check();
  if (!(*decode_psnr_ >= kDecodePsnr)) return false;  // no number, too
  for (const WeightSpec& tensor : video_decoder_.manifest) {
    if (tensor.use != WeightSpec::Use::kDerived && tensor.dtype == at::kBFloat16) {
      tried_decoder_->round(tensor.name, tensor.dtype);
    }
  }
  return true;
}

void LoadedModel::let_go_of_trial() {
  if (tried_decoder_) tried_decoder_->let_go();
  tried_decoder_.reset();
}

// Not tried on a device where nothing asks for it.
bool LoadedModel::int8_matrices(const Arithmetic& arithmetic) const {
  if (!arithmetic.float8_matrices) return false;
  const auto stored = sources_->fusion->quantized("video_model.blocks.0.ffn.0.weight");
  return stored && stored->values.scalar_type() == at::kChar && nn::has_int8_product(device_);
}

// Opens the files and asks each part what it needs: a missing tensor or a wrong shape is found
// here, before anything is read.
void LoadedModel::open() {
  if (open_) return;
  if (!sources_) sources_ = ModelSources::open(folder_);
  const auto set = [&]<typename Part>(Slot<Part>& slot, const char* stage,
                                      const std::shared_ptr<const TensorSource>& source,
                                      const Arithmetic& arithmetic, auto make) {
    slot.source = std::make_shared<const PartTensors>(source, stage);
    slot.arithmetic = arithmetic;
    slot.make = std::move(make);
    Placement placement;
    placement.dtype = arithmetic.dtype;
    placement.float8_matrices = arithmetic.float8_matrices;
    placement.int8_matrices = int8_matrices(arithmetic);
    slot.manifest = manifest_of(slot.source, placement, slot.make);
  };
  const auto plainly = []<typename Part>(Slot<Part>&) {
    return [](const Weights& weights) { return std::make_shared<const Part>(weights); };
  };
  set(text_encoder_, stage_names::kText, sources_->text_encoder, arithmetic_,
      plainly(text_encoder_));
  set(fusion_, stage_names::kDenoise, with_loras(sources_->fusion, folder_.loras), arithmetic_,
      [this](const Weights& w) {
        return std::make_shared<const FusionTransformer>(w, fusion_options(folder_), portions());
      });
  // What the picture becomes is in every step, and the video VAE loses most in bfloat16; of
  // one frame float32 costs little. The reference computes it in float32 too.
  set(video_encoder_, stage_names::kImage, sources_->video_vae, at::kFloat,
      plainly(video_encoder_));
  std::shared_ptr<const TensorSource> decoder = sources_->video_vae;
  if (arithmetic_.dtype == at::kBFloat16 && !made_up_) {
    decoder = tried_decoder_ = std::make_shared<HeldTensors>(decoder);
  }
  set(video_decoder_, stage_names::kVideo, decoder, arithmetic_, plainly(video_decoder_));
  // The audio decoder and the vocoder are small and heard: always float32.
  set(audio_decoder_, stage_names::kAudio, sources_->audio_vae, at::kFloat,
      plainly(audio_decoder_));
  set(vocoder_, stage_names::kVocoder, sources_->vocoder, at::kFloat, plainly(vocoder_));
  preview_decoder_ = {};
  if (sources_->preview_decoder.source) {
    // Small enough for float32, in which a CPU without instructions for bfloat16 computes anyway.
    set(preview_decoder_, stage_names::kPreview, sources_->preview_decoder.source, at::kFloat,
        plainly(preview_decoder_));
  }
  // Sources that were given may come without a tokeniser.
  const TensorInfo* rows = text_encoder_.source->find("token_embedding.weight");
  if (!given_ && rows && !rows->shape.empty()) tokenizer().check_ids(rows->shape[0]);
  // Last, since it computes.
  if (tried_decoder_ && !decodes_in_bfloat16()) {
    set(video_decoder_, stage_names::kVideo, decoder, at::kFloat, plainly(video_decoder_));
  }
  open_ = true;
}

LoadedModel::Manifests LoadedModel::manifests() {
  open();
  const auto of = [](const auto& slot) { return PartManifest{slot.source, slot.manifest}; };
  return {of(text_encoder_),  of(fusion_),        of(video_encoder_),
          of(video_decoder_), of(audio_decoder_), of(vocoder_)};
}

std::vector<StageNeeds> LoadedModel::needs(const ClipExtent& clip) const {
  const ModelSources& s = *sources_;
  const auto bytes = [&](const auto& slot) { return slot.bytes(device_); };
  const int64_t encoder = bytes(video_encoder_), decoder = bytes(video_decoder_),
                sound = bytes(audio_decoder_) + bytes(vocoder_);
  // Whether a clip wants previews is not known when its plan is chosen.
  int64_t previews = 0, between_steps = 0;
  if (has_preview_decoder() && clip.first_rank) {
    previews = bytes(preview_decoder_);
    between_steps = activations::preview_decoder(*preview_decoder_.source,
                                                 preview_decoder_.arithmetic.dtype, clip);
  }
  const auto denoising = [&](const Portions& portions) {
    return activations::fusion(*s.fusion, arithmetic_, clip, between_steps, portions);
  };
  const auto decoding = [&](const Portions& portions) {
    return activations::video_decoder(*s.video_vae, video_decoder_.arithmetic.dtype, clip,
                                      portions);
  };
  const int64_t texts = activations::text_encoder(*s.text_encoder, dtype()),
                image = activations::video_encoder(*s.video_vae, at::kFloat, clip),
                samples = activations::sound(*s.audio_vae, *s.vocoder, clip);
  const Portions small = portions_of(Memory::kStream);
  std::vector<StageNeeds> stages = {
      {"text", bytes(text_encoder_), streamed_bytes(text_encoder_.manifest), texts, texts},
      {"image", encoder, encoder, image, image},
      {"denoise", bytes(fusion_) + previews, streamed_bytes(fusion_.manifest) + previews,
       denoising({}), denoising(small)},
      {"sound", sound, sound, samples, samples},
      {"video", decoder, decoder, decoding({}), decoding(small)}};
  if (!clip.first_rank) {
    std::erase_if(stages, [](const StageNeeds& stage) {
      return stage.name != "denoise" && stage.name != "video";
    });
  }
  const int64_t always =
      activations::embeddings(*s.text_encoder, dtype()) + activations::workspaces(device_);
  for (StageNeeds& stage : stages) {
    stage.activations += always;
    stage.in_portions += always;
  }
  return stages;
}

void LoadedModel::choose(const ClipExtent& clip) {
  if (chosen_) return;
  needs_ = needs(clip);
  chosen_ranks_ = clip.ranks;
  chosen_first_ = clip.first_rank;
  if (device_.is_cpu()) {
    chosen_ = choose_host_memory(wished_, needs_, host_memory());
  } else {
    chosen_ = choose_memory(wished_, needs_, device_memory(device_), richest_);
  }
  // Where parts come and go nothing waits in memory for one of them.
  if (chosen_->memory != Memory::kResident) let_go_of_trial();
  if (decode_psnr_ && video_decoder_.arithmetic.dtype == at::kFloat) {
    chosen_->why += " The video VAE decodes in float32: in bfloat16 its frames would be " +
                    decimal(*decode_psnr_, 1) + " dB near, less than " + decimal(kDecodePsnr, 0) +
                    ".";
  }
}

void LoadedModel::prepare(const ClipExtent& clip, Reading& reading) {
  // What was chosen for a smaller share of a clip says nothing of a larger one.
  if (chosen_ && (clip.ranks < chosen_ranks_ || (clip.first_rank && !chosen_first_))) {
    drop_parts();
    release_unused_memory(device_);
    chosen_.reset();
    ready_ = false;
  }
  if (loaded()) return;
  open();
  nn::prepare(device_, arithmetic_);
  choose(clip);
  switch (chosen_->memory) {
    case Memory::kAuto:
    case Memory::kResident: {
      const auto count = [&](const auto&... slots) {
        ((reading.total += slots.kept ? 0 : slots.file_bytes()), ...);
      };
      if (!chosen_first_) {
        count(fusion_, video_decoder_);
        fusion(reading);
        video_decoder(reading);
        break;
      }
      count(text_encoder_, fusion_, video_encoder_, video_decoder_, audio_decoder_, vocoder_);
      text_encoder(reading);
      fusion(reading);
      video_encoder(reading);
      video_decoder(reading);
      audio_decoder(reading);
      vocoder(reading);
      break;
    }
    case Memory::kOffload:
      break;  // each part comes when it is needed
    case Memory::kStream:
      fusion(reading);  // fills the host's copy of the blocks, which stays
      if (fusion_blocks_ && !fusion_blocks_->keeps()) {
        chosen_->why += " The host cannot keep the blocks at hand: each is read anew every time.";
      }
      break;
  }
  ready_ = true;
}

template <typename Part>
std::shared_ptr<const Part> LoadedModel::take(Slot<Part>& slot, std::shared_ptr<HostBlocks>* blocks,
                                              Reading& reading) {
  if (slot.kept) return slot.kept;
  const Stopwatch watch;
  if (reading.total == reading.done) reading.total += slot.file_bytes();
  Placement placement;
  placement.dtype = slot.arithmetic.dtype;
  placement.float8_matrices = slot.arithmetic.float8_matrices;
  placement.int8_matrices = int8_matrices(slot.arithmetic);
  placement.device = device_;
  placement.on_bytes = [&](int64_t bytes) {
    bytes_read_ += bytes;
    reading.done += bytes;
    if (reading.on_bytes) reading.on_bytes(std::min(reading.done, reading.total), reading.total);
    if (reading.cancel) reading.cancel->check();
  };
  // What the part before it left behind is in pieces of other sizes.
  if (chosen_->memory != Memory::kResident) release_unused_memory(device_);
  if (blocks && chosen_->memory == Memory::kStream) {
    if (!*blocks) {
      const bool keep = blocks == &fusion_blocks_ && host_can_keep(slot.bytes(device_));
      *blocks = std::make_shared<HostBlocks>(slot.source, slot.manifest, device_, keep);
    }
    placement.loader = std::make_shared<StreamingLoader>(*blocks, device_, placement.on_bytes);
  } else if (!device_.is_cpu()) {
    placement.loader =
        std::make_shared<PrefetchLoader>(slot.source, slot.manifest, device_, placement.on_bytes);
  }
  std::shared_ptr<const Part> part = slot.make(Weights(slot.source, placement));
  if (blocks && *blocks) (*blocks)->fill(placement.on_bytes);
  if (chosen_->memory == Memory::kResident) slot.kept = part;
  seconds_reading_ += watch.seconds();
  return part;
}

std::shared_ptr<const Umt5Encoder> LoadedModel::text_encoder(Reading& reading) {
  // Its blocks pass once for a new prompt: nothing is gained by keeping them at hand.
  std::shared_ptr<HostBlocks> passing;
  return take(text_encoder_, &passing, reading);
}
std::shared_ptr<const FusionTransformer> LoadedModel::fusion(Reading& reading) {
  return take(fusion_, &fusion_blocks_, reading);
}
std::shared_ptr<const VideoVaeEncoder> LoadedModel::video_encoder(Reading& reading) {
  return take(video_encoder_, nullptr, reading);
}
std::shared_ptr<const VideoVaeDecoder> LoadedModel::video_decoder(Reading& reading) {
  auto decoder = take(video_decoder_, nullptr, reading);
  let_go_of_trial();
  return decoder;
}
std::shared_ptr<const AudioVaeDecoder> LoadedModel::audio_decoder(Reading& reading) {
  return take(audio_decoder_, nullptr, reading);
}
std::shared_ptr<const BigVgan> LoadedModel::vocoder(Reading& reading) {
  return take(vocoder_, nullptr, reading);
}

std::shared_ptr<const TinyVideoDecoder> LoadedModel::preview_decoder(Reading& reading) {
  if (!has_preview_decoder()) return nullptr;
  try {
    return take(preview_decoder_, nullptr, reading);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kFormat && error.kind() != ErrorKind::kRead) throw;
    sources_->preview_decoder = {nullptr, error.what()};
    preview_decoder_ = {};
    return nullptr;
  }
}

void LoadedModel::drop_parts() {
  text_encoder_.kept.reset();
  fusion_.kept.reset();
  video_encoder_.kept.reset();
  video_decoder_.kept.reset();
  audio_decoder_.kept.reset();
  vocoder_.kept.reset();
  preview_decoder_.kept.reset();
}

void LoadedModel::unload() {
  drop_parts();
  fusion_blocks_.reset();
  texts = {};
  preview_fit.reset();
  for (auto* source :
       {&text_encoder_.source, &fusion_.source, &video_encoder_.source, &video_decoder_.source,
        &audio_decoder_.source, &vocoder_.source, &preview_decoder_.source}) {
    source->reset();
  }
  if (!given_) sources_.reset();
  decode_psnr_.reset();
  tried_decoder_.reset();
  open_ = false;
  files_told_ = false;
  release_unused_memory(device_);
  chosen_.reset();
  ready_ = false;
}

std::vector<std::string> LoadedModel::new_files() {
  std::vector<std::string> lines;
  if (given_ || std::exchange(files_told_, true)) return lines;
  for (const FileChoice& choice : folder_.choices) {
    std::string line = choice.component + ": '" + choice.path + "'";
    if (!choice.why.empty()) line += " (" + choice.why + ")";
    lines.push_back(line + ".");
  }
  return lines;
}

const std::vector<std::string>& LoadedModel::incomplete_files() {
  const std::lock_guard<std::mutex> lock(incomplete_mutex_);
  if (incomplete_) return *incomplete_;
  incomplete_.emplace();
  if (given_) return *incomplete_;
  for (const std::string& path : all_files(folder_)) {
    std::string warning = zero_parts_of(path);
    if (!warning.empty()) incomplete_->push_back(std::move(warning));
  }
  for (const std::string& folder : folder_.unfinished)
    incomplete_->push_back(unfinished_warning(folder));
  return *incomplete_;
}

std::shared_ptr<const TensorSource> LoadedModel::stored_fusion() const {
  if (given_) return sources_->fusion;
  return open_component(files_of(folder_, Component::kFusion), Component::kFusion);
}

const std::vector<std::string>& LoadedModel::lora_warnings() {
  const std::lock_guard<std::mutex> lock(incomplete_mutex_);
  if (lora_warnings_) return *lora_warnings_;
  std::vector<std::string> warnings;
  if (!folder_.loras.empty()) {
    with_loras(stored_fusion(), folder_.loras, &warnings);
  }
  lora_warnings_ = std::move(warnings);
  return *lora_warnings_;
}

int64_t LoadedModel::fusion_depth() {
  const std::lock_guard<std::mutex> lock(incomplete_mutex_);
  if (fusion_depth_) return *fusion_depth_;
  try {
    fusion_depth_ = Weights(stored_fusion(), {}).at("video_model").at("blocks").count();
  } catch (const Error&) {
    return 0;
  }
  return *fusion_depth_;
}

Error LoadedModel::out_of_memory(MemoryOf ended, const std::string& detail) {
  const Memory tried = chosen_ ? chosen_->memory : wished_;
  drop_parts();
  release_unused_memory(device_);
  const bool on_host = ended == MemoryOf::kHost;
  if (on_host) fusion_blocks_.reset();
  const DeviceMemory memory = on_host ? host_memory() : device_memory(device_);
  // Host memory holds the weights on a CPU, and those that are streamed; else none.
  const int64_t needed = !chosen_                       ? 0
                         : !on_host || device_.is_cpu() ? needed_bytes(tried, needs_)
                         : tried == Memory::kStream     ? fusion_.bytes(device_)
                                                        : 0;
  std::string message = std::string("Out of ") + (on_host ? "host" : "device") + " memory";
  message +=
      chosen_ ? std::string(" with memory=") + memory_name(tried) : " before anything was loaded";
  if (needed > 0) message += ", which needs about " + mib(needed);
  message += "; " + mib(memory.free) + " are free without this clip. ";
  if (!on_host && !chosen_) {
    message += "Close what else uses the device.";
  } else if (!on_host) {
    message += way_out_of_memory(tried, needs_, memory);
  } else if (device_.is_cpu() && tried == Memory::kResident) {
    message += "Set memory=offload, choose a smaller variant, or close other programs.";
  } else {
    message += "Choose a smaller variant, or close other programs.";
  }
  if (!on_host && chosen_ && tried < Memory::kStream) {
    richest_ = static_cast<Memory>(static_cast<int>(tried) + 1);
  }
  chosen_.reset();
  ready_ = false;
  return Error(ErrorKind::kNoSpace, message, detail);
}

}  // namespace ovi
