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
  refuse("no_pickle.zip", "no data.pkl");
}

/// An archive of data.pkl alone whose sizes and offsets stand in ZIP64 fields, as
/// in files above 4 GiB.
std::string zip64(const std::string& pickle, uint64_t header = 0) {
  const std::string name = "m/data.pkl";
  const std::string sizes = little_endian(pickle.size(), 8) + little_endian(pickle.size(), 8);
  const std::string local = "PK\x03\x04" + little_endian(0, 14) + little_endian(0xffffffff, 4) +
                            little_endian(0xffffffff, 4) + little_endian(name.size(), 2) +
                            little_endian(20, 2) + name + little_endian(1, 2) +
                            little_endian(16, 2) + sizes;
  const std::string entry =
      "PK\x01\x02" + little_endian(0, 16) + little_endian(0xffffffff, 4) +
      little_endian(0xffffffff, 4) + little_endian(name.size(), 2) + little_endian(34, 2) +
      little_endian(0, 10) + little_endian(0xffffffff, 4) + name +
      // another field first
      little_endian(0xcafe, 2) + little_endian(2, 2) + "??" + little_endian(1, 2) +
      little_endian(24, 2) + sizes + little_endian(header, 8);
  const uint64_t directory = local.size() + pickle.size();
  const std::string end64 = "PK\x06\x06" + little_endian(44, 8) + little_endian(0, 12) +
                            little_endian(1, 8) + little_endian(1, 8) +
                            little_endian(entry.size(), 8) + little_endian(directory, 8);
  const std::string locator = "PK\x06\x07" + little_endian(0, 4) +
                              little_endian(directory + entry.size(), 8) + little_endian(1, 4);
  const std::string end = "PK\x05\x06" + little_endian(0, 4) + little_endian(0xffff, 2) +
                          little_endian(0xffff, 2) + little_endian(0xffffffff, 4) +
                          little_endian(0xffffffff, 4) + little_endian(0, 2);
  return local + pickle + entry + end64 + locator + end;
}

TEST_F(TorchZip, ReadsZip64) {
  const std::string bytes = zip64(whole("}"));
  EXPECT_TRUE(open_tensors(folder_.write("big.pth", bytes))->tensors().empty());
  // The pickle is really the one that the fields point to.
  const std::string other = zip64(whole("N"));
  expect_error(
      ErrorKind::kFormat, [&] { open_tensors(folder_.write("big.pth", other)); }, "no dictionary");
}

TEST_F(TorchZip, RefusesADirectoryThatLies) {
  const std::string good = zip64(whole("}"));
  const auto refuse = [&](const std::string& bytes) {
    const std::string path = folder_.write("big.pth", bytes);
    expect_error(
        ErrorKind::kRead, [&] { open_tensors(path); }, "big.pth", "damaged");
  };
  refuse(zip64(whole("}"), 1));                 // no header there
  refuse(zip64(whole("}"), good.size() - 20));  // a header past the end
  refuse(zip64(whole("}"), ~uint64_t{0}));
  const size_t end = good.size() - 22, end64 = end - 20 - 56;
  for (const size_t at : {end - 20 + 8, end64 + 32, end64 + 40, end64 + 48}) {
    for (const uint64_t lie : {uint64_t{1} << 40, ~uint64_t{0}}) {
      std::string bytes = good;
      bytes.replace(at, 8, little_endian(lie, 8));
      refuse(bytes);
    }
  }
  refuse(good + "x");  // the end is not at the end
}

TEST_F(TorchZip, RefusesDirectoriesOfMillions) {
  const std::string entry =
      "PK\x01\x02" + little_endian(0, 24) + little_endian(1, 2) + little_endian(0, 16) + "n";
  std::string directory;
  for (int i = 0; i < 400'000; ++i) directory += entry;
  const std::string local = "PK\x03\x04" + little_endian(0, 26);
  const std::string end64 = "PK\x06\x06" + little_endian(44, 8) + little_endian(0, 12) +
                            little_endian(400'000, 8) + little_endian(400'000, 8) +
                            little_endian(directory.size(), 8) + little_endian(local.size(), 8);
  const std::string locator = "PK\x06\x07" + little_endian(0, 4) +
                              little_endian(local.size() + directory.size(), 8) +
                              little_endian(1, 4);
  const std::string end = "PK\x05\x06" + little_endian(0, 16) + little_endian(0, 2);
  expect_error(
      ErrorKind::kFormat,
      [&] { open_tensors(folder_.write("m.pth", local + directory + end64 + locator + end)); },
      "m.pth", "too many records");
}

TEST_F(TorchZip, AllowsACommentAtTheEnd) {
  std::string bytes = zip64(whole("}"));
  bytes.replace(bytes.size() - 2, 2, little_endian(7, 2));
  EXPECT_NO_THROW(open_tensors(folder_.write("m.pth", bytes + "comment")));
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
