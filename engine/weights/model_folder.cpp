// Looks for every file before it complains, so that one message is enough.
// SPDX-License-Identifier: Apache-2.0
#include "weights/model_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/error.h"
#include "weights/json_file.h"
#include "weights/model_settings.h"

namespace ovi {

namespace {

namespace fs = std::filesystem;

constexpr char kWhereFrom[] =
    "Ovi's download_weights.py (github.com/character-ai/Ovi) fetches them";

struct Published {
  Variant variant;
  const char* name;
  int64_t area, video_latents, audio_latents;
  int64_t height, width;  // that the reference takes without a picture
  bool audcap_tags;
  std::vector<std::string> files;  // in Ovi/, the better first
};

/// The better first.
const std::vector<Published>& published() {
  static const std::vector<Published> table = {
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

const Published& row(Variant variant) {
  for (const Published& entry : published()) {
    if (entry.variant == variant) return entry;
  }
  throw Error(ErrorKind::kSettings, "There is no published variant of that number.");
}

class Search {
 public:
  explicit Search(const std::string& root) : root_(root) {
    for (const fs::path& folder : {fs::path(root), fs::path(root) / "ckpts"}) {
      folders_.push_back(folder);
    }
  }

  /// The first place where `relative` or its bare name is; empty when nowhere.
  std::string find(const std::string& relative) const {
    const fs::path wanted(relative);
    for (const fs::path& folder : folders_) {
      for (const fs::path& place : {folder / wanted, folder / wanted.filename()}) {
        if (is_file(place)) return readable(place);
      }
    }
    return {};
  }

  /// As find, but a safetensors file of the name that `ovi convert` gives comes before it.
  std::string find_weights(const std::string& relative) const {
    const std::string converted = find(converted_name(relative));
    return converted.empty() ? find(relative) : converted;
  }

  /// As find, and remembered as missing when it is not there.
  std::string require(const std::string& relative) { return noted(find(relative), relative); }
  std::string require_weights(const std::string& relative) {
    return noted(find_weights(relative), relative);
  }

  void add_missing(const std::string& relative) { missing_.push_back(relative); }
  const std::vector<std::string>& missing() const { return missing_; }

 private:
  static bool is_file(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (error == std::errc::permission_denied) refuse(path);
    if (error == std::errc::too_many_symbolic_link_levels) {
      throw Error(ErrorKind::kOpenRead, "'" + path.string() + "' is a link that leads to itself.");
    }
    return fs::exists(status) && !fs::is_directory(status);
  }

  static std::string readable(const fs::path& path) {
    if (::faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0 && errno == EACCES) refuse(path);
    return path.string();
  }

  std::string noted(std::string found, const std::string& relative) {
    if (found.empty()) missing_.push_back(relative);
    return found;
  }

  [[noreturn]] static void refuse(const fs::path& path) {
    throw Error(ErrorKind::kNotAuthorized,
                "May not read '" + path.string() + "'; check who owns it and its permissions.");
  }

  std::string root_;
  std::vector<fs::path> folders_;
  std::vector<std::string> missing_;
};

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
  if (!fs::is_directory(status)) {
    throw Error(ErrorKind::kNotFound,
                "'" + root +
                    "' is a file; model-path takes the folder that holds Ovi/, "
                    "Wan2.2-TI2V-5B/ and MMAudio/.");
  }
}

/// One of this project's own files: in `root`, else where it would be in its ckpts.
fs::path own_file(const std::string& root, const char* name) {
  const fs::path here = fs::path(root) / name;
  std::error_code ignored;
  // A link that leads nowhere counts: the file is meant, and its reader says what is wrong.
  const bool there = fs::symlink_status(here, ignored).type() != fs::file_type::not_found;
  return there ? here : fs::path(root) / "ckpts" / name;
}

fs::path settings_file(const std::string& root) { return own_file(root, "ovi.json"); }

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
  for (const Published& entry : published()) {
    if (*settings.variant_name == entry.name) return entry.variant;
    if (!known.empty()) known += ", ";
    known += entry.name;
  }
  throw Error(ErrorKind::kFormat, "ovi.json in '" + root + "': variant.name is '" +
                                      brief_name(*settings.variant_name) + "', but one of " +
                                      known + " is needed.");
}

/// Sets variant and fusion; what is missing is noted in `search`.
void choose_fusion(Search& search, Variant wanted, const std::string& checkpoint,
                   ModelFolder& model) {
  if (!checkpoint.empty()) {
    model.variant = wanted == Variant::kAuto ? Variant::k720x720_5s : wanted;
    for (const Published& entry : published()) {
      for (const std::string& file : entry.files) {
        if (wanted == Variant::kAuto && file == checkpoint) model.variant = entry.variant;
      }
    }
    model.fusion = search.require("Ovi/" + checkpoint);
    return;
  }
  for (const Published& entry : published()) {
    if (wanted != Variant::kAuto && wanted != entry.variant) continue;
    for (const std::string& file : entry.files) {
      model.fusion = search.find("Ovi/" + file);
      model.variant = entry.variant;
      if (!model.fusion.empty()) return;
    }
  }
  search.add_missing("Ovi/" +
                     row(wanted == Variant::kAuto ? Variant::k720x720_5s : wanted).files.front());
}

std::string present_variants(const Search& search) {
  std::string names;
  for (const Published& entry : published()) {
    for (const std::string& file : entry.files) {
      if (search.find("Ovi/" + file).empty()) continue;
      if (!names.empty()) names += ", ";
      names += entry.name;
      break;
    }
  }
  return names;
}

[[noreturn]] void report(const Search& search, const ModelFolder& model, Variant wanted) {
  std::string list;
  for (const std::string& file : search.missing()) list += (list.empty() ? "" : ", ") + file;
  std::string message = "The model folder '" + model.root + "' lacks " + list + ". " + kWhereFrom;
  if (model.fusion.empty()) {
    message += wanted == Variant::kAuto ? " (--models 960x960_10s, 960x960_5s or 720x720_5s)"
                                        : std::string(" (--models ") + row(wanted).name + ")";
  }
  const std::string present = present_variants(search);
  if (model.fusion.empty() && !present.empty()) {
    message += "; or choose a variant that is there: " + present;
  }
  throw Error(ErrorKind::kNotFound, message + ".");
}

}  // namespace

std::string converted_name(const std::string& relative) {
  // That of the text encoder says a type, which a converted one need not have.
  if (relative == layout::kTextEncoder) return "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc.safetensors";
  return fs::path(relative).replace_extension(".safetensors").string();
}

std::string fusion_name(Variant variant) { return "Ovi/" + row(variant).files.front(); }

VariantSpec published_spec(Variant variant) {
  const Published& entry = row(variant);
  return {entry.name,   entry.area,  entry.video_latents, entry.audio_latents,
          entry.height, entry.width, entry.audcap_tags};
}

ModelFolder find_model(const std::string& root, Variant wanted, const std::string& checkpoint) {
  check_root(root);
  const std::string settings_path = settings_file(root).string();
  const ModelSettings settings = read_model_settings(settings_path);
  const std::optional<Variant> named = named_variant(settings, root);
  if (wanted == Variant::kAuto && named) wanted = *named;

  ModelFolder model;
  model.root = root;
  Search search(root);
  choose_fusion(search, wanted, checkpoint, model);
  model.text_encoder = search.require_weights(layout::kTextEncoder);
  model.spiece_model = search.require(layout::kSpieceModel);
  model.video_vae = search.require_weights(layout::kVideoVae);
  model.audio_vae = search.require_weights(layout::kAudioVae);
  model.vocoder = search.require_weights(layout::kVocoder);
  if (!search.missing().empty()) report(search, model, wanted);

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
  const fs::path acceleration = own_file(root, "acceleration.json");
  if (fs::symlink_status(acceleration, ignored).type() != fs::file_type::not_found) {
    model.acceleration = acceleration.string();
  }
  model.fusion_is_fp8 = fs::path(model.fusion).filename().string().find("fp8") != std::string::npos;
  return model;
}

}  // namespace ovi
