// Weight files as other programs lay them out, made from the tiny model's tensors with the names
// that those programs use.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/round.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include "weights/tensor_source.h"

namespace ovi::test {

using Tensors = std::map<std::string, at::Tensor>;

inline Tensors tensors_of(const std::string& path) {
  Tensors tensors;
  const auto source = open_tensors(path);
  for (const TensorInfo& info : source->tensors()) tensors[info.name] = source->view(info.name);
  return tensors;
}

inline std::string safetensors_dtype(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "F32";
    case at::kBFloat16:
      return "BF16";
    case at::kHalf:
      return "F16";
    case at::kFloat8_e4m3fn:
      return "F8_E4M3";
    case at::kChar:
      return "I8";
    case at::kByte:
      return "U8";
    case at::kLong:
      return "I64";
    default:
      throw std::runtime_error(std::string("no test writes ") + c10::toString(dtype));
  }
}

inline std::string write_safetensors(const std::filesystem::path& path, const Tensors& tensors,
                                     const std::string& metadata = {}) {
  std::string header = "{", data;
  if (!metadata.empty()) header += "\"__metadata__\":" + metadata + ",";
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor packed = tensor.contiguous();
    std::string shape;
    for (const int64_t size : packed.sizes()) {
      shape += (shape.empty() ? "" : ",") + std::to_string(size);
    }
    const size_t begin = data.size();
    data.append(static_cast<const char*>(packed.const_data_ptr()), packed.nbytes());
    header += "\"" + name + "\":{\"dtype\":\"" + safetensors_dtype(packed.scalar_type()) +
              "\",\"shape\":[" + shape + "],\"data_offsets\":[" + std::to_string(begin) + "," +
              std::to_string(data.size()) + "]},";
  }
  header.back() = '}';
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> 8 * i & 0xFF);
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << length << header << data;
  return path.string();
}

/// Every tensor under another name; one for which `rename` gives "" is left out.
inline Tensors renamed(const Tensors& tensors,
                       const std::function<std::string(const std::string&)>& rename) {
  Tensors made;
  for (const auto& [name, tensor] : tensors) {
    if (const std::string other = rename(name); !other.empty()) made[other] = tensor;
  }
  return made;
}

inline Tensors prefixed(const Tensors& tensors, const std::string& prefix) {
  return renamed(tensors, [&](const std::string& name) { return prefix + name; });
}

/// Those below a prefix, without it.
inline Tensors below(const Tensors& tensors, const std::string& prefix) {
  return renamed(tensors, [&](const std::string& name) {
    return name.starts_with(prefix) ? name.substr(prefix.size()) : std::string();
  });
}

inline Tensors in(const Tensors& tensors, at::ScalarType dtype) {
  Tensors made;
  for (const auto& [name, tensor] : tensors) made[name] = tensor.to(dtype);
  return made;
}

/// As Wan's own block names it.
inline Tensors with_wan_modulation(const Tensors& tensors) {
  return renamed(tensors, [](const std::string& name) {
    return std::regex_replace(name, std::regex("modulation\\.modulation$"), "modulation");
  });
}

inline bool is_matrix_of_a_block(const std::string& name, const at::Tensor& tensor) {
  return name.find("block") != std::string::npos && name.ends_with(".weight") &&
         tensor.dim() == 2 && name.find("pos_embedding") == std::string::npos &&
         name.find("relative_attention_bias") == std::string::npos;
}

/// A quantised file, and the same weights in the dtype float32 under the plain names.
struct Quantised {
  Tensors stored, meant;
};

/// ComfyUI's and kijai's: e4m3, one scale a matrix.
inline Quantised scaled_float8(const Tensors& tensors,
                               const std::string& scale_name = ".scale_weight") {
  Quantised made;
  made.stored["scaled_fp8"] = at::empty({0}, at::TensorOptions().dtype(at::kFloat8_e4m3fn));
  for (const auto& [name, tensor] : tensors) {
    made.stored[name] = made.meant[name] = tensor;
    if (!is_matrix_of_a_block(name, tensor)) continue;
    const at::Tensor wide = tensor.to(at::kFloat);
    const at::Tensor scale = wide.abs().amax() / 448.0;
    const at::Tensor values = (wide / scale).to(at::kFloat8_e4m3fn);
    made.stored[name] = values;
    made.stored[name.substr(0, name.size() - 7) + scale_name] = scale;
    made.meant[name] = values.to(at::kFloat) * scale;
  }
  return made;
}

/// WanGP's: quanto's int8, one scale a row, in the model's dtype.
inline Quantised quanto_int8(const Tensors& tensors, at::ScalarType dtype = at::kBFloat16) {
  Quantised made;
  for (const auto& [name, tensor] : tensors) {
    made.meant[name] = tensor;
    if (!is_matrix_of_a_block(name, tensor) && name != "token_embedding.weight") {
      made.stored[name] = tensor;
      continue;
    }
    const at::Tensor wide = tensor.to(at::kFloat);
    const at::Tensor scale = (wide.abs().amax({1}, true) / 127.0).to(dtype);
    const at::Tensor values = at::round(wide / scale.to(at::kFloat)).clamp(-127, 127).to(at::kChar);
    const std::string module = name.substr(0, name.size() - 7);
    made.stored[name + "._data"] = values;
    made.stored[name + "._scale"] = scale;
    made.stored[module + ".input_scale"] = at::ones({1}, at::TensorOptions().dtype(dtype));
    made.stored[module + ".output_scale"] = at::ones({1}, at::TensorOptions().dtype(dtype));
    made.meant[name] = values.to(at::kFloat) * scale.to(at::kFloat);
  }
  return made;
}

/// UMT5 as transformers and ComfyUI name it.
inline Tensors as_transformers_t5(const Tensors& tensors) {
  static const std::vector<std::pair<std::string, std::string>> kNames = {
      {"norm1.weight", "layer.0.layer_norm.weight"},
      {"norm2.weight", "layer.1.layer_norm.weight"},
      {"attn.q.weight", "layer.0.SelfAttention.q.weight"},
      {"attn.k.weight", "layer.0.SelfAttention.k.weight"},
      {"attn.v.weight", "layer.0.SelfAttention.v.weight"},
      {"attn.o.weight", "layer.0.SelfAttention.o.weight"},
      {"pos_embedding.embedding.weight", "layer.0.SelfAttention.relative_attention_bias.weight"},
      {"ffn.gate.0.weight", "layer.1.DenseReluDense.wi_0.weight"},
      {"ffn.fc1.weight", "layer.1.DenseReluDense.wi_1.weight"},
      {"ffn.fc2.weight", "layer.1.DenseReluDense.wo.weight"},
  };
  return renamed(tensors, [](const std::string& name) -> std::string {
    if (name == "token_embedding.weight") return "shared.weight";
    if (name == "norm.weight") return "encoder.final_layer_norm.weight";
    std::smatch match;
    if (!std::regex_match(name, match, std::regex("blocks\\.(\\d+)\\.(.*)"))) return {};
    for (const auto& [ours, theirs] : kNames) {
      if (match[2] == ours) return "encoder.block." + match[1].str() + "." + theirs;
    }
    return {};
  });
}

/// An index and two shards, in turn.
inline std::string write_shards(const std::filesystem::path& folder, const std::string& stem,
                                const Tensors& tensors) {
  std::vector<Tensors> shards(2);
  std::string map;
  size_t turn = 0;
  for (const auto& [name, tensor] : tensors) {
    const size_t shard = turn++ % 2;
    shards[shard][name] = tensor;
    map += (map.empty() ? "\"" : ",\"") + name + "\":\"" + stem + "-0000" +
           std::to_string(shard + 1) + "-of-00002.safetensors\"";
  }
  for (size_t i = 0; i < 2; ++i) {
    write_safetensors(folder / (stem + "-0000" + std::to_string(i + 1) + "-of-00002.safetensors"),
                      shards[i]);
  }
  const std::filesystem::path index = folder / (stem + ".safetensors.index.json");
  std::ofstream(index) << "{\"metadata\":{\"total_size\":1},\"weight_map\":{" << map << "}}";
  return index.string();
}

}  // namespace ovi::test
