// Writes a model folder anew: one safetensors file a component, in the layout that find_model()
// reads, which is mapped as it lies.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/conversion_plan.h"
#include "runtime/cancel.h"
#include "weights/model_folder.h"

namespace ovi {

struct ConversionRequest {
  std::string model_path, target;
  Variant variant = Variant::kAuto;
  StoredAs stored = StoredAs::kBf16;
  Factors factors = Factors::kRow;
  std::vector<Lora> loras;  ///< merged into the transformer
  bool force = false;   ///< a target that is there is written into
  bool verify = false;  ///< what was written is read again
  std::string program;  ///< name and version, for the files' metadata
};

struct ConvertedFile {
  std::string path, source;
  uint64_t bytes = 0, tensors = 0;
  std::string dtypes;  ///< by their bytes: "bf16, fp32"; empty where it is no weights
  std::string sha256;
};

class ConversionSink {
 public:
  virtual ~ConversionSink() = default;
  /// What of a LoRA fits nothing.
  virtual void warning(const std::string& /*sentence*/) {}
  /// `verifying`: reading what was written. Bytes of all files; `seconds_left` < 0: not known.
  virtual void progress(const std::string& file, bool verifying, uint64_t done, uint64_t total,
                        double seconds_left) = 0;
  /// It has its name and is on the disk (or was verified).
  virtual void file(const ConvertedFile& file) = 0;
};

/// The target gets the files of one variant, tokenizer and settings included, and SHA256SUMS.
/// Nothing has its name before all are whole; after an error, or a cancel, nothing is left behind
/// but what was there before. Memory stays at a few MiB whatever the model's size.
/// Throws Error as find_model() and LoadedModel do, and kSettings (a target that is there, or is
/// the model itself), kNotAuthorized, kNoSpace (asked of the disk before anything is written),
/// kCancelled.
void convert_model(const ConversionRequest& request, ConversionSink& sink, const Cancel* cancel);

/// Reads every file of a converted folder and compares digests. Throws Error(kNotFound) that names
/// every file that is missing, or kRead that names every one that is not as it was written.
void verify_converted(const std::string& folder, ConversionSink& sink, const Cancel* cancel);

}  // namespace ovi
