// Looks for every file before it complains, so that one message is enough.
// SPDX-License-Identifier: Apache-2.0
#include "weights/model_folder.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/error.h"
#include "weights/component_search.h"
#include "weights/json_file.h"
#include "weights/layouts/shards.h"
#include "weights/model_settings.h"
#include "weights/new_file.h"
#include "weights/published.h"

namespace ovi {

namespace {

namespace fs = std::filesystem;

void check_root(const std::string& root) {
  if (root.empty()) {
    throw Error(ErrorKind::kNotFound,
                "No model is named: set the property model-path, or OVI_MODEL_PATH, to the folder "
                "that Ovi's download_weights.py (github.com/character-ai/Ovi) filled.");
  }
  std::error_code error;
  const fs::file_status status = fs::status(root, error);
  if (error == std::errc::too_many_symbolic_link_levels) {
    throw Error(ErrorKind::kOpenRead, "'" + root + "' is a link that leads to itself.");
  }
  if (error == std::errc::permission_denied) {
    throw Error(ErrorKind::kNotAuthorized,
                "May not look into '" + root + "'; check who owns it and its permissions.");
  }
  if (!fs::exists(status)) {
    throw Error(ErrorKind::kNotFound, "The model folder '" + root +
                                          "' does not exist; check model-path or OVI_MODEL_PATH.");
  }
}

/// The parts of a list, unless there is something of that very name.
std::vector<std::string> roots_of(const std::string& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) return {path};
  std::vector<std::string> roots;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    if (end > begin) roots.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  if (roots.empty()) roots.push_back(path);
  return roots;
}

/// One of this project's own files: in the first root that has it, or in its ckpts; else where it
/// would be.
fs::path own_file(const std::vector<std::string>& roots, const char* name) {
  for (const std::string& root : roots) {
    for (const fs::path& place : {fs::path(root) / name, fs::path(root) / "ckpts" / name}) {
      std::error_code ignored;
      // A link that leads nowhere counts: the file is meant, and its reader says what is wrong.
      const fs::file_type type = fs::symlink_status(place, ignored).type();
      if (type != fs::file_type::not_found && type != fs::file_type::none) return place;
    }
  }
  return fs::path(roots.front()) / "ckpts" / name;
}

/// A clip's work grows with its size, part of it with the square: a slip of a digit would be hours.
void check_sizes(const ModelSettings& settings, const VariantSpec& made, const std::string& file) {
  constexpr int64_t kTimes = 4;  // as much as a variant was trained for
  const auto refuse = [&](const std::string& key, const std::string& value, int64_t most) {
    throw Error(ErrorKind::kFormat, "'" + file + "': " + key + " is " + value + ", but at most " +
                                        std::to_string(most) +
                                        " can be asked for: " + std::to_string(kTimes) +
                                        " times what " + made.name + " was trained for.");
  };
  const auto check = [&](const char* key, std::optional<int64_t> value, int64_t trained) {
    if (value && *value > kTimes * trained) refuse(key, std::to_string(*value), kTimes * trained);
  };
  check("variant.area", settings.area, made.area);
  check("variant.video_latents", settings.video_latents, made.video_latents);
  check("variant.audio_latents", settings.audio_latents, made.audio_latents);
  const int64_t trained = made.area * made.video_latents;
  const int64_t wished =
      settings.area.value_or(made.area) * settings.video_latents.value_or(made.video_latents);
  if (wished > kTimes * trained) {
    refuse("variant.area times variant.video_latents", std::to_string(wished), kTimes * trained);
  }
}

std::optional<Variant> named_variant(const ModelSettings& settings, const std::string& root) {
  if (!settings.variant_name) return std::nullopt;
  std::string known;
  for (const PublishedVariant& entry : published_variants()) {
    if (*settings.variant_name == entry.name) return entry.variant;
    if (!known.empty()) known += ", ";
    known += entry.name;
  }
  throw Error(ErrorKind::kFormat, "ovi.json in '" + root + "': variant.name is '" +
                                      brief_name(*settings.variant_name) + "', but one of " +
                                      known + " is needed.");
}

}  // namespace

VariantSpec published_spec(Variant variant) {
  const PublishedVariant& entry = published_variant(variant);
  return {entry.name,   entry.area,  entry.video_latents, entry.audio_latents,
          entry.height, entry.width, entry.audcap_tags};
}

std::vector<std::string> files_of(const ModelFolder& folder, Component component) {
  switch (component) {
    case Component::kFusion:
      if (folder.fusion_audio.empty()) return {folder.fusion};
      return {folder.fusion, folder.fusion_audio};
    case Component::kTextEncoder:
      return {folder.text_encoder};
    case Component::kVideoVae:
      return {folder.video_vae};
    case Component::kAudioVae:
      return {folder.audio_vae};
    case Component::kVocoder:
      break;
  }
  return {folder.vocoder};
}

std::vector<std::string> all_files(const ModelFolder& folder) {
  std::vector<std::string> all;
  for (const Component component : {Component::kFusion, Component::kTextEncoder,
                                    Component::kVideoVae, Component::kAudioVae,
                                    Component::kVocoder}) {
    for (const std::string& path : files_of(folder, component)) {
      try {
        const std::vector<std::string> files = weight_files(path);
        all.insert(all.end(), files.begin(), files.end());
      } catch (const Error&) {
        all.push_back(path);  // an index that became unreadable: whoever opens it says so
      }
    }
  }
  return all;
}

namespace {

/// Where what a conversion wrote still has no name: of the rest some may be new and some old.
std::vector<std::string> unfinished_in(const std::vector<std::string>& roots,
                                       const ModelFolder& model) {
  std::set<std::string> folders;
  std::error_code ignored;
  for (const std::string& root : roots)
    if (fs::is_directory(root, ignored)) folders.insert(root);
  for (const std::string& file : all_files(model))
    folders.insert(fs::path(file).parent_path().string());
  std::vector<std::string> unfinished;
  for (const std::string& folder : folders)
    if (has_leftovers(folder)) unfinished.push_back(folder);
  return unfinished;
}

}  // namespace

std::string unfinished_warning(const std::string& folder) {
  return "A conversion into '" + folder +
         "' was ended before it was done: the model may be half another one. Convert again with "
         "--force.";
}

ModelFolder find_model(const std::string& path, Variant wanted, const std::string& checkpoint) {
  const std::vector<std::string> roots = roots_of(path);
  for (const std::string& root : roots) check_root(root);
  const std::string settings_path = own_file(roots, "ovi.json").string();
  const ModelSettings settings = read_model_settings(settings_path);
  const std::optional<Variant> named = named_variant(settings, path);
  const bool by_settings = wanted == Variant::kAuto && named;
  if (by_settings) wanted = *named;

  ModelFolder model;
  model.root = path;
  ComponentSearch search(roots);
  search.choose_fusion(wanted, by_settings, checkpoint, model);
  model.text_encoder = search.choose(Part::kTextEncoder, published_place::kTextEncoder, model);
  model.spiece_model = search.choose_tokenizer(published_place::kSpieceModel, model);
  model.video_vae = search.choose(Part::kVideoVae, published_place::kVideoVae, model);
  model.audio_vae = search.choose(Part::kAudioVae, published_place::kAudioVae, model);
  model.vocoder = search.choose(Part::kVocoder, published_place::kVocoder, model);
  if (!search.complete()) search.report(model, wanted);

  model.spec = published_spec(model.variant);
  // ovi.json speaks of one variant: the one it names, or the one that is there.
  if (!named || *named == model.variant) {
    check_sizes(settings, model.spec, settings_path);
    model.spec.area = settings.area.value_or(model.spec.area);
    model.spec.video_latents = settings.video_latents.value_or(model.spec.video_latents);
    model.spec.audio_latents = settings.audio_latents.value_or(model.spec.audio_latents);
  }
  model.num_heads = settings.num_heads;
  model.audio_rope_scaling = settings.audio_rope_scaling;
  std::error_code ignored;
  if (fs::symlink_status(settings_path, ignored).type() != fs::file_type::not_found) {
    model.settings = settings_path;
  }
  const fs::path acceleration = own_file(roots, "acceleration.json");
  if (fs::symlink_status(acceleration, ignored).type() != fs::file_type::not_found) {
    model.acceleration = acceleration.string();
  }
  model.unfinished = unfinished_in(roots, model);
  return model;
}

}  // namespace ovi
