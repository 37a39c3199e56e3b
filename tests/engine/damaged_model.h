// A copy of the tiny model whose files a test may damage.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "tiny_model.h"
#include "weights/tensor_source.h"

namespace ovi::test {

inline constexpr const char* kFusionFile = "Ovi/model.safetensors";
inline constexpr const char* kTextFile = "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth";
inline constexpr const char* kVideoFile = "Wan2.2-TI2V-5B/Wan2.2_VAE.pth";
inline constexpr const char* kAudioFile = "MMAudio/ext_weights/v1-16.pth";
inline constexpr const char* kVocoderFile = "MMAudio/ext_weights/best_netG.pt";

class DamagedModel {
 public:
  DamagedModel() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ovi-damaged-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
    std::filesystem::copy(tiny_path(), folder_,
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      std::filesystem::permissions(entry, std::filesystem::perms::owner_write,
                                   std::filesystem::perm_options::add);
    }
  }
  ~DamagedModel() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  DamagedModel(const DamagedModel&) = delete;
  DamagedModel& operator=(const DamagedModel&) = delete;

  std::string path(const char* file) const { return (folder_ / file).string(); }
  std::string bytes(const char* file) const {
    std::ifstream in(path(file), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// In place: whoever has it mapped sees it.
  void write(const char* file, const std::string& bytes) const {
    std::ofstream(path(file), std::ios::binary | std::ios::trunc) << bytes;
  }
  void cut(const char* file, size_t bytes) const {
    std::filesystem::resize_file(path(file), bytes);
  }
  void put_back(const char* file) const {
    std::ifstream in(tiny_path() + "/" + file, std::ios::binary);
    write(file, {std::istreambuf_iterator<char>(in), {}});
  }

  /// Makes the last value of a tensor NaN, or Inf: of the first one whose name begins so. Gives
  /// its name. (The first values of some are for frames that a first frame has not.)
  std::string spoil(const char* file, const std::string& begin, bool inf = false) const {
    const auto source = open_tensors(path(file));
    for (const TensorInfo& info : source->tensors()) {
      if (!info.name.starts_with(begin) || !c10::isFloatingType(info.dtype)) continue;
      const at::Tensor values = source->view(info.name);
      std::string all = bytes(file);
      size_t at =
          all.find(std::string(static_cast<const char*>(values.const_data_ptr()), values.nbytes()));
      if (at == std::string::npos) throw std::runtime_error(info.name + " is not in one piece");
      const size_t element = values.element_size();
      at += values.nbytes() - element;
      const bool half = info.dtype == at::kHalf;
      // Sign and exponent stand in the last two bytes of float32 and bfloat16.
      all[at + element - 1] = half ? '\x7c' : '\x7f';
      all[at + element - 2] = inf ? (half ? '\0' : '\x80') : (half ? '\x7f' : '\xc0');
      for (size_t i = 0; i + 2 < element; ++i) all[at + i] = '\0';
      write(file, all);
      return info.name;
    }
    throw std::runtime_error("no tensor " + begin);
  }

  /// With clips of a few frames.
  std::shared_ptr<LoadedModel> load(const Arithmetic& arithmetic = at::kFloat,
                                    const c10::Device& device = c10::kCPU,
                                    Memory memory = Memory::kAuto) const {
    ModelFolder found = find_model(folder_.string(), Variant::kAuto);
    found.spec.area = 64 * 64;
    found.spec.video_latents = 3;
    found.spec.audio_latents = 8;
    return std::make_shared<LoadedModel>(found, device, arithmetic, memory);
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace ovi::test
