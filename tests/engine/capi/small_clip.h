// The smallest clip of the tiny model, made through the C interface.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "ovi/engine.h"
#include "small_request.h"

namespace ovi {

/// A model folder (of links to the tiny model) whose clips have few frames, a request with a
/// picture, and who takes what comes out.
class SmallClip {
 public:
  SmallClip() {
    namespace fs = std::filesystem;
    char name[] = "/tmp/ovi-small-XXXXXX";
    folder_ = mkdtemp(name);
    const fs::path tiny = fs::canonical(fs::path(std::getenv("OVI_TEST_DATA")) / "models" / "tiny");
    for (const char* part : {"Ovi", "Wan2.2-TI2V-5B", "MMAudio"})
      fs::create_directory_symlink(tiny / part, folder_ / part);
    std::ofstream(folder_ / "ovi.json")
        << R"({"variant": {"name": "720x720_5s", "area": 4096, "video_latents": 2,)"
           R"( "audio_latents": 8}, "fusion": {"num_heads": 2}})";
    request.image = pixels_.data();
    request.image_width = request.image_height = 64;
    request.image_stride = 3 * 64;
    request.pixel_format = OVI_PIXELS_I420;
  }
  ~SmallClip() {
    drop();
    std::filesystem::remove_all(folder_);
  }
  SmallClip(const SmallClip&) = delete;
  SmallClip& operator=(const SmallClip&) = delete;

  std::string model() const { return folder_.string(); }
  size_t frames() const { return owners_.size() - (sound_ ? 1 : 0); }
  static constexpr size_t whole_frames() { return 5; }

  /// Keeps all buffers until drop().
  ovi_callbacks callbacks() {
    ovi_callbacks made{};
    made.size = sizeof made;
    made.user = this;
    made.audio = [](void* user, const ovi_audio* audio) {
      auto* clip = static_cast<SmallClip*>(user);
      clip->sound_ = true;
      clip->owners_.push_back(audio->owner);
    };
    made.video = [](void* user, const ovi_video_frame* frame) {
      static_cast<SmallClip*>(user)->owners_.push_back(frame->owner);
    };
    return made;
  }
  void drop() {
    for (void* owner : owners_) ovi_buffer_release(owner);
    owners_.clear();
    sound_ = false;
  }

  ovi_request request = small_request();

 private:
  std::filesystem::path folder_;
  std::vector<uint8_t> pixels_ = std::vector<uint8_t>(64 * 64 * 3, 90);
  std::vector<void*> owners_;
  bool sound_ = false;
};

}  // namespace ovi
