// Every component of the model below the folders that a user names.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weights/candidates.h"
#include "weights/file_search.h"
#include "weights/model_folder.h"

namespace ovi {

/// Looks at the places of the reference's layout and into every weight file below the roots,
/// then answers for one component after the other. What is missing is remembered.
class ComponentSearch {
 public:
  /// `roots`: folders and files that are there.
  explicit ComponentSearch(const std::vector<std::string>& roots);

  /// Sets the fused model's files and variant. kAuto: the best that is there. `by_settings`: it is
  /// ovi.json that wants the variant, which a file that the user named comes before.
  /// `checkpoint`: a file's name in Ovi/ instead.
  void choose_fusion(Variant wanted, bool by_settings, const std::string& checkpoint,
                     ModelFolder& model);
  /// The best file; `place`: that of the reference's layout.
  std::string choose(Part part, const std::string& place, ModelFolder& model);
  /// Wherever it lies, empty where it lies nowhere: nothing is missing then. One that cannot be
  /// read is taken by its name, and whoever opens it says what is wrong.
  std::string choose_preview_decoder(ModelFolder& model);
  std::string choose_tokenizer(const std::string& place, ModelFolder& model);

  bool complete() const { return missing_.empty(); }
  /// Throws Error(kNotFound): what is missing and where to get it, and what is there.
  [[noreturn]] void report(const ModelFolder& model, Variant wanted) const;

 private:
  /// The first published place of `relative`, or of its bare name; empty: nowhere. Throws
  /// Error kNotAuthorized and kOpenRead for one that is there and cannot be used.
  std::string place_of(const std::string& relative) const;
  std::vector<Candidate> candidates_of(Part part, const std::string& published) const;
  std::vector<Candidate> fusion_candidates(std::string* problem) const;
  bool is_root(const std::string& path) const;
  std::string present_variants() const;
  void take(ModelFolder& model, const char* component, const Candidate& chosen, std::string why);

  std::vector<std::string> roots_;
  FoundFiles found_;
  std::vector<FileContent> contents_;
  std::vector<std::string> missing_;
  std::string halves_;  // what is wrong with halves that are there; empty: nothing
  std::string there_;   // names of what was found, for report()
};

}  // namespace ovi
