// Torch files: what torch.save wrote that is no state dict, and archives made to
// mislead.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>

#include "pickles.h"
#include "test_files.h"
#include "weights/tensor_source.h"

namespace ovi {
namespace {

using namespace test;  // NOLINT: the pickle writer's words

class TorchZip : public testing::Test {
 protected:
  /// An archive of that pickle and eight floats, 0 to 7, as storage "0".
  std::shared_ptr<TensorSource> open(const std::string& pickle,
                                     const std::string& byteorder = "little") {
    const std::string path = folder_.path("m.pth");
    std::filesystem::remove(path);
    {
      caffe2::serialize::PyTorchStreamWriter writer(path);
      writer.writeRecord("data.pkl", pickle.data(), pickle.size());
      writer.writeRecord("byteorder", byteorder.data(), byteorder.size());
      const float values[] = {0, 1, 2, 3, 4, 5, 6, 7};
      writer.writeRecord("data/0", values, sizeof values);
      writer.writeEndOfFile();
    }
    return open_tensors(path);
  }
  std::shared_ptr<TensorSource> open_one(int64_t offset, const std::string& size,
                                         const std::string& stride, int64_t elements = 8) {
    return open(whole(
        dict({text("w"), tensor(storage("FloatStorage", "0", elements), offset, size, stride)})));
  }
  TempFolder folder_;
};

TEST_F(TorchZip, ViewsAreTheStoredValues) {
  const auto source = open_one(1, numbers({2, 3}), numbers({1, 2}));
  EXPECT_TRUE(
      at::equal(source->view("w"), at::tensor({1.f, 3.f, 5.f, 2.f, 4.f, 6.f}).view({2, 3})));
}

TEST_F(TorchZip, AliasesShareTheMapping) {
  const auto source = open_tensors(fixture("views.pth"));
  const auto* base = static_cast<const float*>(source->view("base").const_data_ptr());
  EXPECT_EQ(source->view("matrix").const_data_ptr(), base);
  EXPECT_EQ(source->view("tail").const_data_ptr(), base + 20);
  EXPECT_EQ(source->view("transposed").strides().vec(), (std::vector<int64_t>{1, 6}));
}

TEST_F(TorchZip, RefusesViewsPastTheirStorage) {
  const auto refuse = [&](int64_t offset, const std::string& size, const std::string& stride,
                          const char* part, int64_t elements = 8) {
    expect_error(
        ErrorKind::kFormat, [&] { open_one(offset, size, stride, elements); }, "m.pth", "'w'",
        part);
  };
  EXPECT_NO_THROW(open_one(0, numbers({8}), numbers({1})));
  EXPECT_NO_THROW(open_one(8, numbers({0}), numbers({1})));
  refuse(0, numbers({9}), numbers({1}), "past the bytes");
  refuse(1, numbers({8}), numbers({1}), "past the bytes");
  refuse(9, numbers({0}), numbers({1}), "past the bytes");
  refuse(0, numbers({2}), numbers({8}), "past the bytes");
  refuse(int64_t{1} << 62, numbers({1}), numbers({1}), "past the bytes");
  refuse(0, numbers({8}), numbers({1}), "past the bytes", 7);  // more than announced
  refuse(0, numbers({1}), numbers({1}), "past the bytes", 9);  // announced more than stored
  refuse(0, numbers({3}), numbers({int64_t{1} << 62}), "too large");
  refuse(0, numbers({int64_t{1} << 62, int64_t{1} << 62}), numbers({0, 0}), "too large");
  refuse(0, numbers({int64_t{1} << 30}), numbers({0}), "repeats its values");
}

TEST_F(TorchZip, RefusesMissingStoragesAndForeignByteOrder) {
  const std::string other = whole(
      dict({text("w"), tensor(storage("FloatStorage", "1", 8), 0, numbers({8}), numbers({1}))}));
  expect_error(
      ErrorKind::kRead, [&] { open(other); }, "m.pth", "'w'");
  expect_error(
      ErrorKind::kFormat, [&] { open(whole("}"), "big"); }, "big-endian");
}

TEST_F(TorchZip, RefusesOneNameForTwoTensors) {
  const std::string one = tensor(storage("FloatStorage", "0", 8), 0, numbers({8}), numbers({1}));
  const std::string twice = whole(dict({text("a"), dict({text("b"), one}), text("a.b"), one}));
  expect_error(
      ErrorKind::kFormat, [&] { open(twice); }, "'a.b'", "twice");
}

TEST_F(TorchZip, NeverRunsCode) {
  std::filesystem::remove("pwned-by-pickle");
  const std::string message = expect_error(
      ErrorKind::kFormat, [] { open_tensors(fixture("runs_code.pth")); }, "runs_code.pth",
      ".system", "not run");
  EXPECT_FALSE(std::filesystem::exists("pwned-by-pickle")) << message;
}

TEST_F(TorchZip, SaysWhatIsNoStateDict) {
  const auto refuse = [](const char* file, const char* part) {
    expect_error(
        ErrorKind::kFormat, [&] { open_tensors(fixture(file)); }, file, part);
  };
  refuse("whole_module.pth", "torch.nn.modules.linear.Linear");
  refuse("sparse.pth", "torch._utils._rebuild_sparse_tensor");
  refuse("bare_tensor.pth", "no dictionary");
  refuse("script.pt", "TorchScript");
  refuse("compressed.pth", "compressed");
  refuse("no_pickle.zip", "not one that torch.save wrote");
}

TEST_F(TorchZip, EveryTruncationIsAnError) {
  const std::string bytes = read_all(fixture("views.pth"));
  for (size_t length = 4; length < bytes.size(); length += 13) {
    const std::string path = folder_.write("cut.pth", bytes.substr(0, length));
    expect_error(
        ErrorKind::kRead, [&] { open_tensors(path); }, "cut.pth", "download it again");
  }
}

}  // namespace
}  // namespace ovi
