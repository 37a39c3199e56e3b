// What a clip was made from, as a structure, and as a text that lies in files.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "ovi/engine.h"
#include "settings.h"

namespace ovii2v {

/// Of the text; a reader takes no greater one. It is raised when a name gets another meaning.
constexpr guint kRecordVersion = 1;

/// What the settings of a clip do not say.
struct ClipSource {
  uint64_t clip = 0;         // counted from 0
  int64_t seed = 0;          // that was used
  std::string image;         // its name without secrets; empty for text only
  std::string image_digest;  // "sha256:..." of its pixels
  uint32_t image_width = 0, image_height = 0;
  std::string model_files;     // as files_of_model() says
  std::string lora_digests;    // as lora_digests() says
  std::string plugin, engine;  // their versions
};

/// The structure "ovii2v-clip-record": docs/clip-record.md has its names. The caller frees it.
GstStructure* clip_record(const Settings& settings, const ovi_plan& plan, const ClipSource& source);

/// One line of ASCII: a JSON object without objects in it.
std::string text_of_record(const GstStructure* record);
/// The record that the text is, or begins with after what a muxer put around it; the caller frees
/// it. Null with `problem` (a sentence) set for anything else: the text may be a stranger's.
GstStructure* record_of_text(std::string_view text, std::string& problem);
/// The records in the tags of a file, in their order; the caller frees them.
std::vector<GstStructure*> records_of_tags(const GstTagList* tags);

/// "sha256:" and 64 digits, of 8-bit RGB rows without gaps; ends early, with any, when cancelled.
std::string picture_digest(const Image& image, const std::atomic<bool>& cancelled);
/// "Ovi/model.safetensors 11223344, ...": names and bytes of the files that may hold weights
/// or what belongs to them, in the order of their names.
std::string files_of_model(const std::string& model_path);

}  // namespace ovii2v
