// What a clip was made from, as its file says, and whether that is still here.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <memory>
#include <string>
#include <vector>

#include "property.h"

namespace ovii2v::tools {

/// A structure "ovii2v-clip-record" (clip_record.h).
using Record = std::shared_ptr<const GstStructure>;

/// What a file tells of its clips.
struct Told {
  std::vector<Record> records;  // of one clip each, in their order; some files tell the first alone
  double seconds = 0;           // that the file plays
};

/// Reads the tags. No records, with `problem` (a sentence) filled, when there are none.
Told read_records(const std::string& path, std::string& problem);

/// How many clips follow each other in the file: by its records, or else by its length.
unsigned clips_of(const Told& told);

/// What the element is set to for that clip, but for the picture and the model's folder.
std::vector<Setting> settings_of(const Record& record, GObjectClass* klass);
/// Empty when the clips that are told of are one film: each like the first, with seeds in a row.
/// Else why not, a sentence.
std::string no_film(const std::vector<Record>& records);

std::string text_of(const Record& record, const char* field);

/// Whether a picture is the one that was recorded; else why not, a sentence. Reads it as the
/// element does; `unread` gets why it cannot be read.
std::string picture_differs(const Record& record, const std::string& picture, std::string& unread);
/// Whether a folder has the files that were recorded; else a sentence.
std::string model_differs(const Record& record, const std::string& folder);

/// Whether the LoRA files that a property's text names are those that were recorded; else a
/// sentence that names the one that is another, or is not there.
std::string loras_differ(const Record& record, const std::string& lora);

/// Empty when the clip in `path` is the one that `source` would make with `settings`, as far as
/// they say (a random seed is like any). Else what is different, to stand after "and".
std::string what_differs(const std::string& path, GstElement* source,
                         const std::vector<Setting>& settings);

}  // namespace ovii2v::tools
