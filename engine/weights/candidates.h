// Files that may be a component of the model, and which of them is the better.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weights/layouts/file_parts.h"
#include "weights/model_folder.h"

namespace ovi {

/// How most of a part's values are stored; the more precise the greater. Integers have a scale
/// for each row, floats one for a matrix or none.
enum class Storage { kFloat8, kScaledFloat8, kInt8, kWide };
const char* describe(Storage stored);

/// What one look at names, shapes and dtypes shows of a file.
struct FileContent {
  struct Holding {
    Part part;
    Storage stored;
  };
  std::string path;
  std::vector<Holding> parts;
  std::string problem;  ///< why it cannot be read; empty: it can

  std::optional<Storage> stored(Part part) const;
};

/// Never throws for what is in the file.
FileContent look_into(const std::string& path);

struct Candidate {
  std::vector<std::string> paths;  ///< one, or video half and audio half
  Storage stored = Storage::kWide;
  std::optional<Variant> variant;  ///< of the fused model, by its name
  bool named = false;              ///< the user named the file itself
  bool published = false;          ///< lies where the reference's script puts it
  bool doubtful = false;           ///< lies there, but holds nothing of the kind
};

/// Where two candidates differ, most important first.
enum class Difference { kNone, kDoubt, kNamed, kVariant, kPrecision, kPlace };

/// What makes `one` better than `other`; nothing where `other` is the better.
std::optional<Difference> better(const Candidate& one, const Candidate& other);

/// The best; the first of equals. nullptr: there is none.
const Candidate* best_of(const std::vector<Candidate>& candidates);

/// Why `chosen` was taken where there are others: "it is more precise than 'B' (8-bit floats with
/// scales)". Empty: there are none.
std::string why_chosen(const Candidate& chosen, const std::vector<Candidate>& candidates);

/// Pairs of halves of one variant. Where no two halves are known to belong together, halves whose
/// names say nothing are taken with any. `problem` becomes a sentence where there are halves, and
/// no pair.
std::vector<Candidate> pairs_of(const std::vector<Candidate>& video,
                                const std::vector<Candidate>& audio, std::string* problem);

}  // namespace ovi
