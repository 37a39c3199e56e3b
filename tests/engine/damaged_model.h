// A copy of the tiny model whose files a test may damage.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>

#include "tiny_model.h"
#include "weights/tensor_source.h"

namespace ovi::test {

inline constexpr const char* kFusionFile = "Ovi/model.safetensors";
inline constexpr const char* kFusionFloat8File = "Ovi/model_fp8_e4m3fn.safetensors";
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

  /// What a weight may hold instead of a number.
  enum class NoNumber { kNan, kInf, kMinusInf };

  /// Where one of a tensor's values lies in its file.
  struct Place {
    size_t offset = 0;  // bytes
    at::ScalarType dtype = at::kFloat;
  };
  /// `index`: of the value, in row-major order.
  static Place place_of(const TensorSource& source, const std::string& name, int64_t index) {
    const at::Tensor values = source.view(name);
    if (!values.is_contiguous()) throw std::runtime_error(name + " is not in one piece");
    return {offset_in_file(values.const_data_ptr(), source.path()) +
                static_cast<size_t>(index) * values.element_size(),
            values.scalar_type()};
  }

  /// In place. Gives what was there before.
  std::string overwrite(const char* file, size_t offset, const std::string& bytes) const {
    std::fstream open(path(file), std::ios::binary | std::ios::in | std::ios::out);
    std::string before(bytes.size(), '\0');
    open.seekg(static_cast<std::streamoff>(offset));
    open.read(before.data(), static_cast<std::streamsize>(before.size()));
    open.seekp(static_cast<std::streamoff>(offset));
    open.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!open.flush()) throw std::runtime_error("cannot write " + path(file));
    return before;
  }

  /// The bytes of such a value; little endian, as files have it. (An 8-bit float has NaN alone.)
  static std::string bytes_of(NoNumber value, at::ScalarType dtype) {
    const bool nan = value == NoNumber::kNan, minus = value == NoNumber::kMinusInf;
    uint64_t bits = 0;
    switch (dtype) {
      case at::kFloat:
        bits = nan ? 0x7FC00000 : 0x7F800000;
        break;
      case at::kBFloat16:
        bits = nan ? 0x7FC0 : 0x7F80;
        break;
      case at::kHalf:
        bits = nan ? 0x7E00 : 0x7C00;
        break;
      case at::kFloat8_e4m3fn:
        bits = 0x7F;
        break;
      default:
        throw std::runtime_error("no such value is known of this type");
    }
    std::string bytes(c10::elementSize(dtype), '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(bits >> 8 * i & 0xFF);
    if (minus) bytes.back() = static_cast<char>(bytes.back() | 0x80);
    return bytes;
  }

  /// Makes the last value of a tensor NaN, or Inf: of the first one whose name begins so. Gives
  /// its name.
  std::string spoil(const char* file, const std::string& begin, bool inf = false) const {
    const auto source = open_tensors(path(file));
    for (const TensorInfo& info : source->tensors()) {
      if (!info.name.starts_with(begin) || !c10::isFloatingType(info.dtype)) continue;
      const Place place = place_of(*source, info.name, source->view(info.name).numel() - 1);
      overwrite(file, place.offset, bytes_of(inf ? NoNumber::kInf : NoNumber::kNan, place.dtype));
      return info.name;
    }
    throw std::runtime_error("no tensor " + begin);
  }

  /// With clips of a few frames.
  std::shared_ptr<LoadedModel> load(const Arithmetic& arithmetic = at::kFloat,
                                    const c10::Device& device = c10::kCPU,
                                    Memory memory = Memory::kAuto,
                                    const std::string& checkpoint = {}) const {
    ModelFolder found = find_model(folder_.string(), Variant::kAuto, checkpoint);
    found.spec.area = 64 * 64;
    found.spec.video_latents = 3;
    found.spec.audio_latents = 8;
    return std::make_shared<LoadedModel>(found, device, arithmetic, memory);
  }

 private:
  // The system knows which part of which file an address shows.
  static size_t offset_in_file(const void* address, const std::string& path) {
    const auto wanted = reinterpret_cast<uintptr_t>(address);
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      std::istringstream fields(line);
      uintptr_t begin = 0, end = 0;
      size_t offset = 0;
      char dash = 0;
      std::string rights;
      fields >> std::hex >> begin >> dash >> end >> rights >> offset;
      if (wanted < begin || wanted >= end || !line.ends_with(path)) continue;
      return offset + (wanted - begin);
    }
    throw std::runtime_error("a tensor is not mapped from " + path);
  }

  std::filesystem::path folder_;
};

}  // namespace ovi::test
