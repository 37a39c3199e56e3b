// SPDX-License-Identifier: Apache-2.0
#include "weights/component_search.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "runtime/error.h"
#include "weights/layouts/shards.h"
#include "weights/published.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

constexpr char kWhereFrom[] =
    "Ovi's download_weights.py (github.com/character-ai/Ovi) fetches them";

[[noreturn]] void refuse(const fs::path& path) {
  throw Error(ErrorKind::kNotAuthorized,
              "May not read '" + path.string() + "'; check who owns it and its permissions.");
}

bool is_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error == std::errc::permission_denied) refuse(path);
  if (error == std::errc::too_many_symbolic_link_levels) {
    throw Error(ErrorKind::kOpenRead, "'" + path.string() + "' is a link that leads to itself.");
  }
  return fs::exists(status) && !fs::is_directory(status);
}

std::string identity_of(const std::string& path) {
  std::error_code ignored;
  return fs::weakly_canonical(path, ignored).string();
}

bool says_float8(const std::string& path) {
  return fs::path(path).filename().string().find("fp8") != std::string::npos;
}

/// By names alone, as Hugging Face's libraries give them: NAME.safetensors.index.json and
/// NAME-00001-of-00003.safetensors.
bool may_be_shard_of(const std::string& index, const std::string& path) {
  const fs::path shard(path), whole = fs::path(index).stem().stem();
  const std::string name = shard.filename().string(), begin = whole.stem().string() + "-";
  return shard.parent_path() == fs::path(index).parent_path() && name.starts_with(begin) &&
         name.find("-of-", begin.size()) != std::string::npos;
}

const char* name_of(Part part) {
  switch (part) {
    case Part::kVideoHalf:
    case Part::kAudioHalf:
      return "transformer";
    case Part::kTextEncoder:
      return "text encoder";
    case Part::kVideoVae:
      return "video VAE";
    case Part::kAudioVae:
      return "audio VAE";
    case Part::kVocoder:
      break;
  }
  return "vocoder";
}

}  // namespace

ComponentSearch::ComponentSearch(const std::vector<std::string>& roots)
    : roots_(roots), found_(find_weight_files(roots)) {
  // A shard alone may look like the whole; and two links may lead to one file.
  std::set<std::string> known;
  for (const std::string& path : found_.weights) {
    if (!is_shard_index(path)) continue;
    try {
      for (const std::string& shard : shards_of(path)) known.insert(identity_of(shard));
    } catch (const Error&) {
      // look_into() keeps what is wrong with it: its shards are not taken for something whole.
      for (const std::string& other : found_.weights)
        if (may_be_shard_of(path, other)) known.insert(identity_of(other));
    }
  }
  // Published places first, whatever keeps the search from coming there.
  std::vector<std::string> paths;
  for (const PublishedVariant& entry : published_variants()) {
    for (const std::string& file : entry.files) paths.push_back(place_of("Ovi/" + file));
  }
  for (const char* place : {published_place::kTextEncoder, published_place::kVideoVae,
                            published_place::kAudioVae, published_place::kVocoder}) {
    paths.push_back(place_of(place));
  }
  paths.insert(paths.end(), found_.weights.begin(), found_.weights.end());
  for (const std::string& path : paths) {
    if (!path.empty() && known.insert(identity_of(path)).second) {
      contents_.push_back(look_into(path));
    }
  }
}

bool ComponentSearch::is_root(const std::string& path) const {
  return std::find(roots_.begin(), roots_.end(), path) != roots_.end();
}

std::string ComponentSearch::place_of(const std::string& relative) const {
  const fs::path wanted(relative);
  for (const std::string& root : roots_) {
    std::error_code ignored;
    if (!fs::is_directory(root, ignored)) continue;
    for (const fs::path& folder : {fs::path(root), fs::path(root) / "ckpts"}) {
      for (const fs::path& place : {folder / wanted, folder / wanted.filename()}) {
        if (!is_file(place)) continue;
        if (::faccessat(AT_FDCWD, place.c_str(), R_OK, AT_EACCESS) != 0 && errno == EACCES) {
          refuse(place);
        }
        return place.string();
      }
    }
  }
  return {};
}

// A file at its published place is taken for what it should be where it cannot be read: its
// error is then said when it is opened.
std::vector<Candidate> ComponentSearch::candidates_of(Part part,
                                                      const std::string& published) const {
  std::vector<Candidate> candidates;
  const std::string own = published.empty() ? std::string() : identity_of(published);
  for (const FileContent& content : contents_) {
    const bool mine = !own.empty() && identity_of(content.path) == own;
    const std::optional<Storage> stored = content.stored(part);
    if (!stored && !mine) continue;
    Candidate candidate;
    candidate.paths = {mine ? published : content.path};
    candidate.published = mine;
    candidate.named = is_root(content.path);
    candidate.stored = stored.value_or(says_float8(published) ? Storage::kFloat8 : Storage::kWide);
    candidate.doubtful = !stored && content.problem.empty();
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

std::vector<Candidate> ComponentSearch::fusion_candidates(std::string* problem) const {
  std::vector<Candidate> whole, video, audio;
  const auto add = [&](const FileContent& content, const std::string& published,
                       std::optional<Variant> variant) {
    const auto v = content.stored(Part::kVideoHalf), a = content.stored(Part::kAudioHalf);
    if (!v && !a && published.empty()) return;
    Candidate candidate;
    candidate.paths = {published.empty() ? content.path : published};
    candidate.published = !published.empty();
    candidate.named = is_root(content.path);
    candidate.variant = variant;
    candidate.doubtful = !v && !a && content.problem.empty();
    if (v || a) {
      candidate.stored = v && a ? std::min(*v, *a) : v ? *v : *a;
    } else if (says_float8(published)) {
      candidate.stored = Storage::kFloat8;
    }
    (v && !a ? video : a && !v ? audio : whole).push_back(std::move(candidate));
  };
  std::set<std::string> published;
  for (const PublishedVariant& entry : published_variants()) {
    for (const std::string& file : entry.files) {
      const std::string place = place_of("Ovi/" + file);
      if (place.empty()) continue;
      const std::string own = identity_of(place);
      published.insert(own);
      for (const FileContent& content : contents_) {
        if (identity_of(content.path) == own) add(content, place, entry.variant);
      }
    }
  }
  for (const FileContent& content : contents_) {
    if (!published.contains(identity_of(content.path))) {
      add(content, {}, variant_by_name(content.path));
    }
  }
  for (Candidate& pair : pairs_of(video, audio, problem)) whole.push_back(std::move(pair));
  return whole;
}

void ComponentSearch::take(ModelFolder& model, const char* component, const Candidate& chosen,
                           std::string why) {
  there_ += (there_.empty() ? "" : ", ") + std::string(component) + " '" + chosen.paths[0] + "'";
  for (const std::string& path : chosen.paths) {
    model.choices.push_back({component, path, why});
  }
}

void ComponentSearch::choose_fusion(Variant wanted, bool by_settings, const std::string& checkpoint,
                                    ModelFolder& model) {
  if (!checkpoint.empty()) {
    model.variant = wanted == Variant::kAuto ? Variant::k720x720_5s : wanted;
    for (const PublishedVariant& entry : published_variants()) {
      for (const std::string& file : entry.files) {
        if (wanted == Variant::kAuto && file == checkpoint) model.variant = entry.variant;
      }
    }
    model.fusion = place_of("Ovi/" + checkpoint);
    model.fusion_is_fp8 = says_float8(model.fusion);
    if (model.fusion.empty()) {
      missing_.push_back("Ovi/" + checkpoint);
    } else {
      take(model, "transformer", {{model.fusion}}, {});
    }
    return;
  }
  std::vector<Candidate> candidates = fusion_candidates(&halves_);
  std::erase_if(candidates, [&](const Candidate& candidate) {
    const bool other = wanted != Variant::kAuto && candidate.variant && candidate.variant != wanted;
    return other && !(by_settings && candidate.named);
  });
  const Candidate* chosen = best_of(candidates);
  const Variant usual = wanted == Variant::kAuto ? Variant::k720x720_5s : wanted;
  if (!chosen) {
    missing_.push_back("Ovi/" + published_variant(usual).files.front());
    return;
  }
  model.variant = chosen->variant.value_or(usual);
  model.fusion = chosen->paths.front();
  if (chosen->paths.size() > 1) model.fusion_audio = chosen->paths.back();
  model.fusion_is_fp8 = chosen->stored == Storage::kFloat8;
  std::string why = why_chosen(*chosen, candidates);
  const std::string variant = published_variant(model.variant).name;
  if (!chosen->variant) {
    why += (why.empty() ? "" : "; ") + std::string("taken as ") + variant +
           ", a guess: its name does not say which variant it is, and its content cannot";
  } else if (!chosen->published) {
    why += (why.empty() ? "" : "; ") + variant + " by its name";
  }
  take(model, "transformer", *chosen, why);
}

std::string ComponentSearch::choose(Part part, const std::string& place, ModelFolder& model) {
  const std::vector<Candidate> candidates = candidates_of(part, place_of(place));
  const Candidate* chosen = best_of(candidates);
  if (!chosen) {
    missing_.push_back(place);
    return {};
  }
  take(model, name_of(part), *chosen, why_chosen(*chosen, candidates));
  return chosen->paths.front();
}

// Vocabularies cannot be told by names of tensors. UMT5's is eight times as large as T5's.
std::string ComponentSearch::choose_tokenizer(const std::string& place, ModelFolder& model) {
  std::string chosen = place_of(place), why;
  if (chosen.empty()) {
    uintmax_t largest = 0;
    for (const std::string& path : found_.tokenizers) {
      std::error_code error;
      const uintmax_t bytes = fs::file_size(path, error);
      if (error || bytes <= largest) continue;
      largest = bytes;
      chosen = path;
    }
    if (found_.tokenizers.size() > 1) why = "it is the largest vocabulary of those that are there";
  }
  if (chosen.empty()) {
    missing_.push_back(place);
    return {};
  }
  take(model, "tokenizer", {{chosen}}, why);
  return chosen;
}

std::string ComponentSearch::present_variants() const {
  std::string names, ignored;
  const std::vector<Candidate> candidates = fusion_candidates(&ignored);
  for (const PublishedVariant& entry : published_variants()) {
    const bool there = std::any_of(candidates.begin(), candidates.end(),
                                   [&](const Candidate& c) { return c.variant == entry.variant; });
    if (there) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  return names;
}

void ComponentSearch::report(const ModelFolder& model, Variant wanted) const {
  std::string list;
  for (const std::string& place : missing_)
    list += (list.empty() ? "" : ", ") + where_to_get(place);
  std::string message = "The model folder '" + model.root + "' lacks " + list + ". " + kWhereFrom;
  if (model.fusion.empty()) {
    message += wanted == Variant::kAuto
                   ? " (--models 960x960_10s, 960x960_5s or 720x720_5s)"
                   : std::string(" (--models ") + published_variant(wanted).name + ")";
    const std::string present = present_variants();
    if (!present.empty()) message += "; or choose a variant that is there: " + present;
  }
  message += ".";
  if (!halves_.empty() && model.fusion.empty()) message += " " + halves_ + ".";
  constexpr int kMostProblems = 3;  // a message has an end
  int problems = 0;
  for (const FileContent& content : contents_) {
    if (!content.problem.empty() && ++problems <= kMostProblems) message += " " + content.problem;
    if (is_root(content.path) && content.problem.empty() && content.parts.empty()) {
      message += " '" + content.path + "' holds no part of Ovi that is known here.";
    }
  }
  if (!there_.empty()) message += " There: " + there_ + ".";
  if (!found_.stopped.empty()) message += " " + found_.stopped;
  throw Error(ErrorKind::kNotFound, message);
}

}  // namespace ovi
