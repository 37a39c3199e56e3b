// safetensors: what its header may say, and every lie it may tell.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "test_files.h"
#include "weights/tensor_source.h"

namespace ovi {
namespace {

using test::expect_error;
using test::TempFolder;

std::string with_length(uint64_t length, const std::string& rest) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xff);
  return bytes + rest;
}

std::string file_of(const std::string& header, size_t data_bytes) {
  return with_length(header.size(), header) + std::string(data_bytes, '\1');
}

class Safetensors : public testing::Test {
 protected:
  std::shared_ptr<TensorSource> open(const std::string& bytes) {
    return open_tensors(folder_.write("m.safetensors", bytes));
  }
  void refuse(const std::string& header, size_t data_bytes, ErrorKind kind, const char* part) {
    expect_error(
        kind, [&] { open(file_of(header, data_bytes)); }, "m.safetensors", part);
  }
  TempFolder folder_;
};

TEST_F(Safetensors, KeepsTheFilesOrderAndSkipsMetadata) {
  const auto source = open(file_of(
      R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},"__metadata__":{"format":"pt"},)"
      R"("a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
      R"("none":{"dtype":"F32","shape":[0,7],"data_offsets":[3,3]}})",
      5));
  ASSERT_EQ(source->tensors().size(), 3u);
  EXPECT_EQ(source->tensors()[0].name, "a");
  EXPECT_EQ(source->tensors()[1].name, "none");
  EXPECT_EQ(source->tensors()[2].name, "b");
  EXPECT_EQ(source->view("none").numel(), 0);
  EXPECT_EQ(source->find("__metadata__"), nullptr);
  expect_error(
      ErrorKind::kFormat, [&] { source->view("c"); }, "m.safetensors", "'c'");
}

TEST_F(Safetensors, ViewsShareTheMappingAndOutliveTheSource) {
  at::Tensor first, second;
  {
    const auto source = open_tensors(test::tiny("Ovi/model.safetensors"));
    first = source->view("video_model.head.head.bias");
    second = source->view("video_model.head.head.bias");
  }
  EXPECT_EQ(first.const_data_ptr(), second.const_data_ptr());
  EXPECT_TRUE(at::equal(first, second));
}

// A header whose length is odd puts 4-byte values on odd addresses.
TEST_F(Safetensors, ReadsUnalignedValues) {
  for (size_t padding = 0; padding < 8; ++padding) {
    const std::string header =
        R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})" + std::string(padding, ' ');
    const float values[] = {1.5f, -2.0f};
    const std::string bytes = with_length(header.size(), header) +
                              std::string(reinterpret_cast<const char*>(values), sizeof values);
    const at::Tensor view = open(bytes)->view("a");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.const_data_ptr()) % alignof(float), 0u);
    EXPECT_TRUE(at::equal(view, at::tensor({1.5f, -2.0f}))) << padding;
  }
}

TEST_F(Safetensors, EveryTruncationIsToldAsOne) {
  const std::string whole = test::read_all(test::fixture("types.safetensors"));
  for (size_t length = 1; length < whole.size(); length += length < 16 ? 1 : 5) {
    expect_error(
        ErrorKind::kRead, [&] { open(whole.substr(0, length)); }, "download it again");
  }
}

TEST_F(Safetensors, RefusesHeadersThatAreNotTheFormat) {
  refuse("[]", 0, ErrorKind::kFormat, "not a JSON object");
  refuse("{\"a\":", 0, ErrorKind::kFormat, "not JSON");
  refuse("\xff\xfe{}", 0, ErrorKind::kFormat, "not JSON");
  refuse(R"({"a":3})", 0, ErrorKind::kFormat, "'a' lacks");
  refuse(R"({"a":{"dtype":"F32","shape":[1]}})", 4, ErrorKind::kFormat, "lacks");
  refuse(R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})", 4, ErrorKind::kFormat, "kind");
  refuse(R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4, ErrorKind::kFormat, "kind");
  refuse(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4, ErrorKind::kFormat,
         "kind");
  refuse(R"({"a":{"dtype":"F4_MX","shape":[2],"data_offsets":[0,1]}})", 1, ErrorKind::kFormat,
         "F4_MX");
  refuse(std::string(100'000, '['), 0, ErrorKind::kFormat, "nested too deeply");
  expect_error(
      ErrorKind::kFormat, [&] { open(with_length(uint64_t{1} << 40, "{}")); }, "16 MiB");
  expect_error(
      ErrorKind::kFormat, [&] { open(with_length(~uint64_t{0}, "{}")); }, "16 MiB");
  expect_error(
      ErrorKind::kRead, [&] { open(with_length(5000, "{}")); }, "truncated");
}

TEST_F(Safetensors, RefusesTensorsThatLie) {
  const auto one = [](const std::string& shape, const std::string& offsets) {
    return R"({"a":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  refuse(one("[3]", "[0,8]"), 8, ErrorKind::kFormat, "bytes do not fit");
  refuse(one("[2]", "[8,0]"), 8, ErrorKind::kFormat, "bytes do not fit");
  refuse(one("[2]", "[0,9]"), 9, ErrorKind::kFormat, "bytes do not fit");
  refuse(one("[-2]", "[0,8]"), 8, ErrorKind::kFormat, "natural number");
  refuse(one("[2.0]", "[0,8]"), 8, ErrorKind::kFormat, "natural number");
  refuse(one("[NaN]", "[0,8]"), 8, ErrorKind::kFormat, "not JSON");
  refuse(one("[null]", "[0,8]"), 8, ErrorKind::kFormat, "natural number");
  refuse(one("[\"2\"]", "[0,8]"), 8, ErrorKind::kFormat, "natural number");
  refuse(one("[1e3]", "[0,4000]"), 4000, ErrorKind::kFormat, "natural number");
  refuse(one("[18446744073709551615]", "[0,8]"), 8, ErrorKind::kFormat, "too large");
  refuse(one("[2]", "[0,18446744073709551624]"), 8, ErrorKind::kFormat, "natural number");
  // Products that come round to a small number in 64 bits.
  refuse(one("[4294967296,4294967296,2]", "[0,0]"), 0, ErrorKind::kFormat, "too large");
  refuse(one("[4611686018427387905,4]", "[0,16]"), 16, ErrorKind::kFormat, "too large");
  refuse(one("[0,9223372036854775807,9223372036854775807]", "[0,0]"), 0, ErrorKind::kFormat,
         "too large");
  std::string ones = "[1";
  for (int i = 0; i < 64; ++i) ones += ",1";
  refuse(one(ones + "]", "[0,4]"), 4, ErrorKind::kFormat, "64 dimensions");
  refuse(one("[2]", "[4,12]"), 12, ErrorKind::kFormat, "gap");
  refuse(one("[2]", "[0,8]"), 12, ErrorKind::kFormat, "bytes follow");
  refuse(one("[2]", "[0,8]"), 7, ErrorKind::kRead, "truncated");
}

TEST_F(Safetensors, HeadersThatWouldKeepAReaderBusy) {
  // 94 MB of list, as data and where nobody looks.
  for (const char* name : {"a", "__metadata__"}) {
    std::string list = std::string("{\"") + name + "\":[";
    for (int i = 0; i < 47'000'000; ++i) list += "0,";
    refuse(list + "0]}", 0, ErrorKind::kFormat, "16 MiB");
    list.resize(15 << 20);
    list.back() = '0';
    refuse(list + "]}", 0, ErrorKind::kFormat, "values");
  }
  refuse("{\"" + std::string(10 << 20, 'n') + "\":0}", 0, ErrorKind::kFormat, "1024 bytes");
  // A message has room for a name, and for what is to be done about it.
  refuse("{\"" + std::string(257, 'n') + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
         ErrorKind::kFormat, "a name of 257 bytes");
  EXPECT_EQ(open(file_of("{\"" + std::string(256, 'n') +
                             R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                         1))
                ->tensors()
                .size(),
            1u);
  refuse(
      R"({"a":{"dtype":")" + std::string(1 << 20, 'F') + R"(","shape":[],"data_offsets":[0,0]}})",
      0, ErrorKind::kFormat, "FFF...");
}

TEST_F(Safetensors, RefusesOverlapsAndRepeatedNames) {
  refuse(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
         R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
         6, ErrorKind::kFormat, "overlaps");
  refuse(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
         R"("a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
         4, ErrorKind::kFormat, "'a' twice");
  refuse(R"({"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2,
         ErrorKind::kFormat, "'dtype' twice");
}

}  // namespace
}  // namespace ovi
