// SPDX-License-Identifier: Apache-2.0
#include "weights/candidates.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "runtime/error.h"
#include "weights/layouts/open_component.h"
#include "weights/published.h"

namespace ovi {
namespace {

Storage stored_as(const StoredTensor& tensor) {
  switch (tensor.values.dtype) {
    case at::kChar:
      return Storage::kInt8;
    case at::kFloat8_e4m3fn:
    case at::kFloat8_e5m2:
      return tensor.scale.empty() ? Storage::kFloat8 : Storage::kScaledFloat8;
    default:
      return Storage::kWide;
  }
}

Storage most_of(const std::vector<StoredTensor>& tensors, const std::string& prefix) {
  std::array<double, 4> elements{};
  for (const StoredTensor& tensor : tensors) {
    if (!tensor.name.starts_with(prefix)) continue;
    double count = 1;
    for (const int64_t size : tensor.values.shape) count *= static_cast<double>(size);
    elements[static_cast<size_t>(stored_as(tensor))] += count;
  }
  return static_cast<Storage>(std::max_element(elements.begin(), elements.end()) -
                               elements.begin());
}

/// The better first; an unknown one counts as the first release, which needed no name.
size_t order_of(std::optional<Variant> variant) {
  const auto& all = published_variants();
  for (size_t i = 0; i < all.size(); ++i) {
    if (variant == all[i].variant) return i;
  }
  return all.size() - 1;
}

std::string quoted(const Candidate& candidate) {
  std::string text;
  for (const std::string& path : candidate.paths)
    text += (text.empty() ? "'" : " and '") + path + "'";
  return text;
}

// Ovi/model.safetensors: in the first of several whole folders it is the published one.
std::filesystem::path place_in_its_folder(const Candidate& candidate) {
  const std::filesystem::path path = candidate.paths.front();
  return path.parent_path().filename() / path.filename();
}

}  // namespace

const char* describe(Storage stored) {
  switch (stored) {
    case Storage::kFloat8:
      return "8-bit floats without scales";
    case Storage::kScaledFloat8:
      return "8-bit floats with scales";
    case Storage::kInt8:
      return "8-bit integers with scales";
    case Storage::kWide:
      break;
  }
  return "floats of 16 bits or more";
}

std::optional<Storage> FileContent::stored(Part part) const {
  for (const Holding& holding : parts) {
    if (holding.part == part) return holding.stored;
  }
  return std::nullopt;
}

FileContent look_into(const std::string& path) {
  FileContent content;
  content.path = path;
  try {
    const std::vector<StoredTensor> tensors = stored_tensors(*open_file(path));
    for (const FilePart& part : parts_of(tensors)) {
      content.parts.push_back({part.part, most_of(tensors, part.prefix)});
    }
  } catch (const Error& error) {
    content.problem = error.what();
  }
  return content;
}

std::optional<Difference> better(const Candidate& one, const Candidate& other) {
  const auto decide = [](bool first, Difference what) {
    return first ? std::optional(what) : std::nullopt;
  };
  if (one.doubtful != other.doubtful) return decide(!one.doubtful, Difference::kDoubt);
  if (one.named != other.named) return decide(one.named, Difference::kNamed);
  const size_t mine = order_of(one.variant), theirs = order_of(other.variant);
  if (mine != theirs) return decide(mine < theirs, Difference::kVariant);
  if (one.stored != other.stored) return decide(one.stored > other.stored, Difference::kPrecision);
  if (one.published != other.published) return decide(one.published, Difference::kPlace);
  return Difference::kNone;
}

const Candidate* best_of(const std::vector<Candidate>& candidates) {
  const Candidate* best = nullptr;
  for (const Candidate& candidate : candidates) {
    if (!best || better(candidate, *best).value_or(Difference::kNone) != Difference::kNone) {
      best = &candidate;
    }
  }
  return best;
}

std::string why_chosen(const Candidate& chosen, const std::vector<Candidate>& candidates) {
  std::vector<Candidate> others;
  for (const Candidate& candidate : candidates) {
    if (candidate.paths != chosen.paths) others.push_back(candidate);
  }
  const Candidate* next = best_of(others);
  if (!next) return {};
  const std::string other = quoted(*next);
  switch (better(chosen, *next).value_or(Difference::kNone)) {
    case Difference::kDoubt:
      return other + " holds something else";
    case Difference::kNamed:
      return "it was named, unlike " + other;
    case Difference::kVariant:
      return "it is the better variant, compared with " + other;
    case Difference::kPrecision:
      return "it is more precise than " + other + " (" + describe(next->stored) + ")";
    case Difference::kPlace:
      return place_in_its_folder(chosen) == place_in_its_folder(*next)
                 ? "its folder comes before that of " + other
                 : "it lies where Ovi's script puts it, unlike " + other;
    case Difference::kNone:
      break;
  }
  return "found before " + other + ", which is as good";
}

std::vector<Candidate> pairs_of(const std::vector<Candidate>& video,
                                const std::vector<Candidate>& audio, std::string* problem) {
  std::vector<Candidate> pairs;
  const auto join = [&](const Candidate& v, const Candidate& a) {
    pairs.push_back({{v.paths[0], a.paths[0]},
                     std::min(v.stored, a.stored),
                     v.variant ? v.variant : a.variant,
                     v.named || a.named,
                     v.published && a.published,
                     v.doubtful || a.doubtful});
  };
  for (const Candidate& v : video) {
    for (const Candidate& a : audio) {
      if (v.variant == a.variant) join(v, a);
    }
  }
  if (!pairs.empty()) return pairs;
  for (const Candidate& v : video) {
    for (const Candidate& a : audio) {
      if (!v.variant || !a.variant) join(v, a);
    }
  }
  if (!pairs.empty() || (video.empty() && audio.empty())) return pairs;
  if (video.empty() || audio.empty()) {
    const bool has_video = audio.empty();
    *problem =
        quoted(has_video ? video[0] : audio[0]) + " is the " +
        (has_video ? "video half of Ovi; its audio half" : "audio half of Ovi; its video half") +
        " is not there";
  } else {
    *problem = quoted(video[0]) + " and " + quoted(audio[0]) +
               " are halves of different variants, by their names (" +
               published_variant(*video[0].variant).name + ", " +
               published_variant(*audio[0].variant).name + ")";
  }
  return pairs;
}

}  // namespace ovi
