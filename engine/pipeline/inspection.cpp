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

void look_at_memory(const std::shared_ptr<LoadedModel>& model, Memory wished,
                    Inspection& inspection) {
  Request usual;
  usual.prompt = "Any.";
  const ClipPlan clip = Generator(model).plan(usual, nullptr);
  inspection.size = clip.size;
  inspection.frames = clip.frames;
  const std::vector<StageNeeds> needs =
      model->stage_needs(clip_extent(model->folder().spec, clip.size));
  const bool host = model->device().is_cpu();
  inspection.memory = host ? host_memory() : device_memory(model->device());
  for (const Memory plan : {Memory::kResident, Memory::kOffload, Memory::kStream}) {
    if (host && plan == Memory::kStream) continue;
    const int64_t needed = needed_bytes(plan, needs);
    inspection.plans.push_back({plan, needed, needed <= inspection.memory.free});
  }
  inspection.chosen = (host ? choose_host_memory(wished, needs, inspection.memory)
                            : choose_memory(wished, needs, inspection.memory))
                          .memory;
}

}  // namespace

Inspection inspect(const std::string& model_path, Variant variant, const std::string& device,
                   Precision precision, Memory memory, const std::vector<Lora>& loras) {
  Inspection inspection;
  Inspector look(inspection);
  ModelFolder folder;
  const bool found = look.keep([&] { folder = find_model(model_path, variant); });
  if (found) {
    inspection.variant = folder.spec.name;
    for (const std::string& path : folder.unfinished)
      inspection.notes.push_back(unfinished_warning(path));
    const auto look_at = [&](const char* name, Component component) {
      look.weights(name, files_of(folder, component), component);
    };
    look_at("transformer", Component::kFusion);
    for (const Lora& lora : loras) look.lora(lora, files_of(folder, Component::kFusion));
    folder.loras = loras;
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
  c10::Device place = c10::kCPU;
  Arithmetic arithmetic;
  const bool computes = look.keep([&] {
    place = find_device(device);
    if (device != "cpu" && place.is_cpu()) {
      if (std::string note = unusable_gpus(); !note.empty())
        inspection.notes.push_back(std::move(note));
    }
    inspection.device = place.str();
    arithmetic = arithmetic_of(precision, place);
    inspection.precision = precision_name(arithmetic);
  });
  if (found && computes) {
    look.keep([&] {
      look_at_memory(std::make_shared<LoadedModel>(folder, place, arithmetic, memory), memory,
                     inspection);
    });
  }
  return inspection;
}

}  // namespace ovi
