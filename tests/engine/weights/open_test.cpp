// Opening: files that are not there, not allowed, not whole, or not weights.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "test_files.h"
#include "weights/mapped_file.h"
#include "weights/tensor_source.h"

namespace ovi {
namespace {

using test::expect_error;
using test::TempFolder;

TEST(MappedFile, HoldsTheBytesAfterTheFileIsRemoved) {
  const TempFolder folder;
  const std::string path = folder.write("a.bin", "twelve bytes");
  const auto file = MappedFile::open(path);
  std::filesystem::remove(path);
  EXPECT_EQ(file->bytes(), "twelve bytes");
  EXPECT_EQ(file->path(), path);
  file->will_need(0, 12);
  file->will_need(5, 100);  // past the end: ignored
}

TEST(MappedFile, TellsMissingFromUnreadable) {
  const TempFolder folder;
  expect_error(
      ErrorKind::kNotFound, [&] { MappedFile::open(folder.path("none")); }, folder.path("none"));
  const std::string file = folder.write("file", "x");
  expect_error(
      ErrorKind::kNotFound, [&] { MappedFile::open(file + "/below"); }, "below");
  expect_error(
      ErrorKind::kOpenRead, [&] { MappedFile::open(folder.path()); }, "is a folder");
  expect_error(
      ErrorKind::kOpenRead, [&] { MappedFile::open("/dev/null"); }, "regular file");
  expect_error(
      ErrorKind::kRead, [&] { MappedFile::open(folder.write("empty", "")); }, "is empty");
}

TEST(MappedFile, GivesTheSystemsReason) {
  const TempFolder folder;
  const std::string loop = folder.path("loop");
  std::filesystem::create_symlink(loop, loop);
  expect_error(
      ErrorKind::kOpenRead, [&] { MappedFile::open(loop); }, loop,
      std::generic_category().message(ELOOP));
}

TEST(MappedFile, DoesNotWaitForAPipe) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), 0600), 0);
  expect_error(
      ErrorKind::kOpenRead, [&] { MappedFile::open(folder.path("pipe")); }, "regular file");
}

TEST(MappedFile, TellsAFileThatMayNotBeRead) {
  const TempFolder folder;
  const std::string path = folder.write("secret", "x");
  ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  const test::Unprivileged user;
  expect_error(
      ErrorKind::kNotAuthorized, [&] { MappedFile::open(path); }, path, "permissions");
}

TEST(OpenTensors, KnowsFormatsByTheirContent) {
  const TempFolder folder;
  const std::string torch =
      folder.write("a.safetensors.renamed", test::read_all(test::fixture("types.pth")));
  EXPECT_NE(open_tensors(torch)->find("bf16"), nullptr);
  const std::string safe =
      folder.write("a.pth", test::read_all(test::fixture("types.safetensors")));
  EXPECT_NE(open_tensors(safe)->find("bf16"), nullptr);
}

TEST(OpenTensors, SaysWhatAWrongFileIs) {
  const TempFolder folder;
  const auto refuse = [&](const char* name, std::string_view bytes, ErrorKind kind,
                          const char* part) {
    const std::string path = folder.write(name, bytes);
    expect_error(
        kind, [&] { open_tensors(path); }, path, part);
  };
  refuse("lfs.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
         ErrorKind::kFormat, "git lfs pull");
  refuse("page.pth", "\n <!DOCTYPE html><html><body>404</body></html>", ErrorKind::kFormat,
         "web page");
  refuse("bom.pth", "\xef\xbb\xbf<HTML>", ErrorKind::kFormat, "web page");
  refuse("model.gguf", "GGUF\3", ErrorKind::kFormat, "GGUF");
  refuse("zeros.safetensors", std::string(4096, '\0'), ErrorKind::kRead, "unfinished download");
  refuse("text.pth", "not weights at all", ErrorKind::kFormat, "neither");
  refuse("short.pth", "PK", ErrorKind::kRead, "truncated");
  expect_error(
      ErrorKind::kFormat, [] { open_tensors(test::fixture("legacy.pth")); }, "before version 1.6",
      "torch.save");
}

}  // namespace
}  // namespace ovi
