// What a model folder holds and what a clip of it needs, without reading weights.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/inspection.h"

#include <c10/util/accumulate.h>

#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "pipeline/generator.h"
#include "pipeline/loaded_model.h"
#include "pipeline/preview_decoder_file.h"
#include "runtime/dtype_name.h"
#include "runtime/host_memory.h"
#include "text/tokenizer.h"
#include "weights/component.h"
#include "weights/layouts/open_component.h"
#include "weights/layouts/shards.h"
#include "weights/tensor_source.h"
#include "weights/zero_parts.h"

namespace ovi {
namespace {

uint64_t file_bytes(const std::string& path) {
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(path, error);
  return error ? 0 : bytes;
}

void count(const TensorSource& source, ComponentReport& report) {
  std::map<at::ScalarType, uint64_t> shares;
  for (const TensorInfo& tensor : source.tensors()) {
    const auto elements = static_cast<uint64_t>(c10::multiply_integers(tensor.shape));
    shares[tensor.dtype] += elements;
    report.parameters += elements;
    ++report.tensors;
  }
  report.dtype = dtype_names(shares);
}

class Inspector {
 public:
  explicit Inspector(Inspection& inspection) : inspection_(inspection) {}

  /// Runs a part of the inspection; its error is the inspection's, if it is the first.
  template <typename Body>
  bool keep(Body body) {
    try {
      body();
      return true;
    } catch (const Error& error) {
      if (!inspection_.problem) inspection_.problem = error;
      return false;
    }
  }

  template <typename Open>
  void component(const char* name, const std::string& path, Open open) {
    ComponentReport report;
    report.name = name;
    report.path = path;
    report.bytes = file_bytes(path);
    keep([&] {
      try {
        open(report);
      } catch (const Error& error) {
        report.problem = error.what();
        throw;
      }
    });
    inspection_.components.push_back(std::move(report));
  }

  void weights(const char* name, const std::vector<std::string>& paths, Component expected) {
    for (const std::string& path : paths) {
      component(name, path, [&](ComponentReport& report) {
        count(*open_file(path), report);
        if (path == paths.back()) open_component(paths, expected);
        report.bytes = 0;
        for (const std::string& file : weight_files(path)) {
          report.bytes += file_bytes(file);
          if (report.warning.empty()) report.warning = zero_parts_of(file);
        }
      });
    }
  }

  /// What is wrong with it is a warning: every clip can be made without.
  void preview_decoder(const ModelFolder& folder) {
    if (folder.preview_decoder.empty()) return;
    component("preview decoder", folder.preview_decoder, [&](ComponentReport& report) {
      const PreviewDecoderFile file = open_preview_decoder(folder);
      if (file.source) count(*file.source, report);
      if (!file.problem.empty()) {
        report.warning = file.problem + " Previews are made by a linear map.";
      }
    });
  }

  void lora(const Lora& lora, const std::vector<std::string>& fusion) {
    component("LoRA", lora.path, [&](ComponentReport& report) {
      count(*open_tensors(lora.path), report);
      report.warning = read_lora(lora, *open_component(fusion, Component::kFusion)).warning;
    });
  }

 private:
  Inspection& inspection_;
};

void look_at_memory(LoadedModel& model, ClipExtent clip, const std::vector<c10::Device>& ranks,
                    Memory wished, Inspection& inspection) {
  std::vector<std::vector<StageNeeds>> shares;
  clip.ranks = static_cast<int64_t>(ranks.size());
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    clip.first_rank = rank == 0;
    shares.push_back(model.stage_needs(clip));
  }
  inspection.devices = fit(ranks, shares, wished, [](const c10::Device& device) {
    return device.is_cpu() ? host_memory() : device_memory(device);
  });
  for (const DeviceReport& device : inspection.devices)
    if (!inspection.problem) inspection.problem = device.problem;
}

}  // namespace

Inspection inspect(const EngineConfig& config, const std::string& device,
                   const std::string& devices) {
  Inspection inspection;
  Inspector look(inspection);
  ModelFolder folder;
  const bool found = look.keep([&] { folder = find_model(config.model_path, config.variant); });
  if (found) {
    inspection.variant = folder.spec.name;
    for (const std::string& path : folder.unfinished)
      inspection.notes.push_back(unfinished_warning(path));
    const auto look_at = [&](const char* name, Component component) {
      look.weights(name, files_of(folder, component), component);
    };
    look_at("transformer", Component::kFusion);
    for (const Lora& lora : config.loras) look.lora(lora, files_of(folder, Component::kFusion));
    folder.loras = config.loras;
    look_at("text encoder", Component::kTextEncoder);
    look.component("tokenizer", folder.spiece_model,
                   [&](ComponentReport&) { text::Tokenizer{folder.spiece_model}; });
    look_at("video VAE", Component::kVideoVae);
    look_at("audio VAE", Component::kAudioVae);
    look_at("vocoder", Component::kVocoder);
    look.preview_decoder(folder);
    for (ComponentReport& report : inspection.components) {
      for (const FileChoice& choice : folder.choices) {
        if (choice.path == report.path) report.why = choice.why;
      }
    }
  }
  std::vector<c10::Device> ranks;
  Arithmetic arithmetic;
  const bool computes = look.keep([&] {
    ranks = own_devices(device, devices);
    inspection.devices = devices_of(ranks);
    if (devices.empty() && device != "cpu" && ranks[0].is_cpu()) {
      if (std::string note = unusable_gpus(); !note.empty())
        inspection.notes.push_back(std::move(note));
    }
    for (const c10::Device& rank : ranks) arithmetic = arithmetic_of(config.precision, rank);
    inspection.precision = precision_name(arithmetic);
  });
  if (found && computes) {
    look.keep([&] {
      // What a share needs is the same on each of them.
      const auto model = std::make_shared<LoadedModel>(folder, ranks[0], arithmetic, config.memory);
      Request usual;
      usual.prompt = "Any.";
      const ClipPlan clip = Generator(model).plan(usual, nullptr);
      inspection.size = clip.size;
      inspection.frames = clip.frames;
      look_at_memory(*model, clip_extent(folder.spec, clip.size), ranks, config.memory, inspection);
    });
  }
  return inspection;
}

}  // namespace ovi
