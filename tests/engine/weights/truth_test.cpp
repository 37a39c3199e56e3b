// Every tensor of every readable fixture and tiny model file, byte for byte
// against what torch.load and safetensors give (data/README.md).
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "test_files.h"
#include "weights/tensor_source.h"

namespace ovi {
namespace {

std::string fnv1a(const void* data, size_t size) {
  uint64_t hash = 1469598103934665603ull;
  for (size_t i = 0; i < size; ++i) {
    hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 1099511628211ull;
  }
  std::ostringstream text;
  text << std::hex;
  text.width(16);
  text.fill('0');
  text << hash;
  return text.str();
}

std::string hash_of(const at::Tensor& view) {
  const at::Tensor packed = view.contiguous();
  return fnv1a(packed.const_data_ptr(), packed.nbytes());
}

std::string text_of(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

nlohmann::json expected() {
  return nlohmann::json::parse(test::read_all(test::fixture("expected.json")));
}

TEST(Truth, FixturesAreReadAsPythonReadsThem) {
  const nlohmann::json all = expected()["fixtures"];
  ASSERT_EQ(all.size(), 8u);
  for (const auto& [file, tensors] : all.items()) {
    const auto source = open_tensors(test::fixture(file));
    EXPECT_EQ(source->tensors().size(), tensors.size()) << file;
    for (const auto& [name, truth] : tensors.items()) {
      const TensorInfo* info = source->find(name);
      ASSERT_NE(info, nullptr) << file << " " << name;
      EXPECT_EQ(c10::toString(info->dtype), truth["dtype"].get<std::string>()) << file << name;
      EXPECT_EQ(info->shape, truth["shape"].get<std::vector<int64_t>>()) << file << name;
      const at::Tensor view = source->view(name);
      EXPECT_EQ(view.scalar_type(), info->dtype) << file << name;
      EXPECT_EQ(view.sizes().vec(), info->shape) << file << name;
      EXPECT_EQ(hash_of(view), truth["fnv1a"].get<std::string>()) << file << " " << name;
    }
  }
}

TEST(Truth, TinyModelIsReadAsPythonReadsIt) {
  const nlohmann::json all = expected()["tiny"];
  ASSERT_EQ(all.size(), 6u);
  for (const auto& [file, truth] : all.items()) {
    const auto source = open_tensors(test::tiny(file));
    std::map<std::string, std::string> lines;
    for (const TensorInfo& info : source->tensors()) {
      lines[info.name] = info.name + " " + c10::toString(info.dtype) + " " + text_of(info.shape) +
                         " " + hash_of(source->view(info.name)) + "\n";
    }
    std::string text;
    for (const auto& [name, line] : lines) text += line;
    EXPECT_EQ(lines.size(), truth["tensors"].get<size_t>()) << file;
    EXPECT_EQ(fnv1a(text.data(), text.size()), truth["fnv1a"].get<std::string>()) << file;
  }
}

}  // namespace
}  // namespace ovi
