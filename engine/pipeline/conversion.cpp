// SPDX-License-Identifier: Apache-2.0
#include "pipeline/conversion.h"

#include <sys/statvfs.h>

#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "pipeline/conversion_target.h"
#include "pipeline/converted_tensors.h"
#include "pipeline/copied_files.h"
#include "runtime/decimal.h"
#include "runtime/dtype_name.h"
#include "runtime/error.h"
#include "runtime/stopwatch.h"
#include "weights/file_search.h"
#include "weights/layouts/shards.h"
#include "weights/lora_tensors.h"
#include "weights/mapped_file.h"
#include "weights/new_file.h"
#include "weights/published.h"
#include "weights/sums_file.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

constexpr double kSecondsToKnow = 1;  // before a rate means anything

/// Counts bytes, says when they will all be there, and stops at a cancel.
class Count {
 public:
  Count(ConversionSink& sink, const Cancel* cancel) : sink_(sink), cancel_(cancel) {}

  void begin(bool verifying, uint64_t total) {
    verifying_ = verifying;
    total_ = total;
    done_ = 0;
    watch_.lap();
  }
  void begin_file(const std::string& file) {
    file_ = file;
    add(0);
  }
  void add(uint64_t bytes) {
    if (cancel_) cancel_->check();
    done_ += bytes;
    const double seconds = watch_.seconds();
    const bool known = seconds >= kSecondsToKnow && done_ > 0;
    sink_.progress(
        file_, verifying_, done_, total_,
        known ? seconds * (static_cast<double>(total_) / static_cast<double>(done_) - 1) : -1);
  }

 private:
  ConversionSink& sink_;
  const Cancel* cancel_;
  Stopwatch watch_;
  std::string file_;
  bool verifying_ = false;
  uint64_t done_ = 0, total_ = 0;
};

/// A file of the target, before it is written.
struct Planned {
  std::string relative, source;
  std::unique_ptr<ConvertedTensors> tensors;  // null: copied
  std::string text;                           // what it is then
  uint64_t bytes = 0;
};

std::string dtypes_of(const SafetensorsLayout& layout) {
  std::map<at::ScalarType, uint64_t> bytes;
  for (const TensorInfo& tensor : layout.tensors) bytes[tensor.dtype] += bytes_of(tensor);
  return dtype_names(bytes);
}

std::vector<Planned> plan_files(const ConversionRequest& request, const ModelFolder& folder,
                                const ModelSources& sources) {
  LoadedModel model(folder, c10::kCPU, arithmetic_for(request.stored));
  model.set_sources(sources, /*made_up=*/false);
  const LoadedModel::Manifests needed = model.manifests();
  std::vector<Planned> files;
  const auto weights = [&](const std::string& relative, Component component,
                           const std::shared_ptr<const TensorSource>& source,
                           const std::vector<const LoadedModel::PartManifest*>& parts) {
    const bool text = component == Component::kTextEncoder;
    // One file, two halves, or the index of shards.
    const std::vector<std::string> paths = files_of(folder, component);
    std::string names;
    uint64_t source_bytes = 0;
    for (const std::string& path : paths) {
      names += (names.empty() ? "" : ", ") + fs::path(path).filename().string();
      for (const std::string& file : weight_files(path)) source_bytes += fs::file_size(file);
    }
    if (component == Component::kFusion) {
      for (const Lora& lora : request.loras) {
        names += ", " + fs::path(lora.path).filename().string() + ":" + decimal(lora.strength);
      }
    }
    const std::map<std::string, std::string> metadata = {
        {"format", "pt"},
        {"ovi.source", names},
        {"ovi.source_bytes", std::to_string(source_bytes)},
        {"ovi.weights", stored_as_name(request.stored)},
        {"ovi.program", request.program}};
    Planned file{relative, paths.front(), nullptr, {}, 0};
    file.tensors = std::make_unique<ConvertedTensors>(
        source, plan_tensors(*source, parts, request.stored, text), request.factors, metadata);
    file.bytes = file.tensors->layout().bytes;
    files.push_back(std::move(file));
  };
  weights(fusion_name(folder.variant), Component::kFusion, sources.fusion, {&needed.fusion});
  weights(converted_name(published_place::kTextEncoder), Component::kTextEncoder,
          sources.text_encoder, {&needed.text_encoder});
  weights(converted_name(published_place::kVideoVae), Component::kVideoVae, sources.video_vae,
          {&needed.video_encoder, &needed.video_decoder});
  weights(converted_name(published_place::kAudioVae), Component::kAudioVae, sources.audio_vae,
          {&needed.audio_decoder});
  weights(converted_name(published_place::kVocoder), Component::kVocoder, sources.vocoder,
          {&needed.vocoder});
  for (CopiedFile& copied : files_beside_weights(folder)) {
    Planned file{copied.relative, copied.source, nullptr, std::move(copied.bytes), 0};
    file.bytes = file.text.size();
    files.push_back(std::move(file));
  }
  return files;
}

/// A list that was cut, or weights that came later, would else pass unseen.
void require_all_named(const std::string& folder, const Sums& sums) {
  std::string unnamed;
  for (const std::string& path : find_weight_files({folder}).weights) {
    const std::string relative = fs::path(path).lexically_relative(folder).string();
    if (!sums.contains(relative)) unnamed += (unnamed.empty() ? "" : ", ") + relative;
  }
  if (unnamed.empty()) return;
  throw Error(ErrorKind::kRead, "In '" + folder + "' " + kSumsFile + " does not name " + unnamed +
                                    ": it is not the list that was written with them, or they "
                                    "came later. Convert again, or take them away.");
}

/// Of the files that are there still; none where the list is not there or damaged.
Sums sums_there(const std::string& folder) try {
  Sums sums = read_sums(folder);
  std::error_code ignored;
  std::erase_if(
      sums, [&](const auto& one) { return !fs::exists(fs::path(folder) / one.first, ignored); });
  return sums;
} catch (const Error&) {
  return {};
}

void verify(const std::string& folder, const Sums& sums, ConversionSink* told, Count& count) {
  std::string missing, different;
  uint64_t total = 0;
  for (const auto& [relative, digits] : sums) {
    std::error_code error;
    const uint64_t bytes = fs::file_size(fs::path(folder) / relative, error);
    if (error)
      missing += (missing.empty() ? "" : ", ") + relative;
    else
      total += bytes;
  }
  if (!missing.empty()) {
    throw Error(ErrorKind::kNotFound,
                "'" + folder + "' lacks " + missing + ", which " + kSumsFile + " names.");
  }
  count.begin(true, total);
  for (const auto& [relative, digits] : sums) {
    const std::string path = (fs::path(folder) / relative).string();
    count.begin_file(path);
    const std::string found = sha256_of_file(path, [&](uint64_t bytes) { count.add(bytes); });
    if (found != digits) different += (different.empty() ? "" : ", ") + relative;
    if (told && found == digits) {
      ConvertedFile file;
      file.path = path;
      file.bytes = fs::file_size(path);
      file.sha256 = digits;
      told->file(file);
    }
  }
  if (!different.empty()) {
    throw Error(ErrorKind::kRead, "In '" + folder + "' not as they were written: " + different +
                                      ". Check the disk, and convert again.");
  }
}

}  // namespace

void convert_model(const ConversionRequest& request, ConversionSink& sink, const Cancel* cancel) {
  const ModelFolder folder = find_model(request.model_path, request.variant);
  ModelSources sources = ModelSources::open(folder);
  std::vector<std::string> warnings;
  sources.fusion = with_loras(sources.fusion, request.loras, &warnings);
  for (const std::string& warning : warnings) sink.warning(warning);
  std::vector<Planned> files = plan_files(request, folder, sources);
  uint64_t total = 0;
  std::vector<std::string> names;
  for (const Planned& file : files) {
    total += file.bytes;
    names.push_back(file.relative);
  }
  names.emplace_back(kSumsFile);
  ConversionTarget target(request.target, folder, names, request.force);
  target.require_space(total);

  Count count(sink, cancel);
  count.begin(false, total);
  Sums sums;
  std::vector<NewFile> whole;
  for (const Planned& file : files) {
    count.begin_file(file.source);
    NewFile to(target.place(file.relative), file.bytes);
    if (file.tensors) {
      file.tensors->write(to, [&](uint64_t bytes) { count.add(bytes); });
    } else {
      to.write(file.text);
      count.add(file.bytes);
    }
    sums[file.relative] = to.finish();
    whole.push_back(std::move(to));
  }
  NewFile list(target.place(kSumsFile), 0);
  Sums all = sums;
  // Of another variant that stays beside this one.
  for (const auto& [relative, digits] : sums_there(request.target)) all.emplace(relative, digits);
  list.write(sums_text(all));
  list.finish();
  // From here on there is little that could fail, and a folder without SHA256SUMS is not done.
  target.begin_publishing();
  for (NewFile& file : whole) file.publish();
  target.sync();
  list.publish();
  target.sync();
  target.keep();

  if (request.verify) verify(request.target, sums, nullptr, count);
  for (const Planned& file : files) {
    ConvertedFile made{target.place(file.relative), file.source, file.bytes, 0, {},
                       sums.at(file.relative)};
    if (file.tensors) {
      made.tensors = file.tensors->layout().tensors.size();
      made.dtypes = dtypes_of(file.tensors->layout());
    }
    sink.file(made);
  }
}

void verify_converted(const std::string& folder, ConversionSink& sink, const Cancel* cancel) {
  Count count(sink, cancel);
  const Sums sums = read_sums(folder);
  require_all_named(folder, sums);
  verify(folder, sums, &sink, count);
}

}  // namespace ovi
