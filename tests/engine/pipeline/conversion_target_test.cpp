// Where converted models are written to: nobody's files are lost, none is left half, and what is
// there can be held against its digests.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "../weights/test_files.h"
#include "conversion_fixture.h"
#include "weights/new_file.h"
#include "weights/sums_file.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

using test::expect_error;
using test::expect_same_clip;
using test::request_to;
using test::TempFolder;
using test::tiny_path;
using test::Told;

TEST(Conversion, OtherWeightsInTheTargetAreNotMixedWithWhatIsWritten) {
  const TempFolder to;
  Told told;
  fs::copy(tiny_path(), to.path("others"), fs::copy_options::recursive);
  ConversionRequest request = request_to(to.path("others"));
  request.force = true;
  expect_error(ErrorKind::kSettings, [&] { convert_model(request, told, nullptr); }, "other weights");
  // Above the model that is read, too.
  request.model_path = to.path("others");
  request.target = to.path("");
  expect_error(ErrorKind::kSettings, [&] { convert_model(request, told, nullptr); }, "other weights");
  // Nor in a folder that a link leads to.
  fs::create_directory(to.path("linked"));
  fs::create_directory(to.path("elsewhere"));
  fs::create_directory_symlink(to.path("elsewhere"), to.path("linked/Ovi"));
  request.target = to.path("linked");
  expect_error(ErrorKind::kSettings, [&] { convert_model(request, told, nullptr); }, "linked/Ovi", "link");
  EXPECT_TRUE(fs::is_empty(to.path("elsewhere")));
}

TEST(Conversion, RefusesTargetsThatHoldSomething) {
  const TempFolder to;
  Told told;
  const auto convert = [&](const std::string& target, bool force = false) {
    ConversionRequest request = request_to(target);
    request.force = force;
    convert_model(request, told, nullptr);
  };
  to.write("used/notes.txt", "mine");
  expect_error(
      ErrorKind::kSettings, [&] { convert(to.path("used")); }, "used", "--force");
  expect_error(
      ErrorKind::kSettings, [&] { convert(to.path("used/notes.txt")); }, "is a file");
  expect_error(ErrorKind::kSettings, [&] { convert(""); });
  convert(to.path("used"), true);
  EXPECT_EQ(test::read_all(to.path("used/notes.txt")), "mine");
  expect_same_clip(to.path("used"), at::kBFloat16);
  // Not over what is being read, by whatever name.
  fs::copy(tiny_path(), to.path("model"), fs::copy_options::recursive);
  fs::create_directory_symlink(to.path("model"), to.path("link"));
  ConversionRequest request = request_to(to.path("link"));
  request.model_path = to.path("model");
  request.force = true;
  expect_error(
      ErrorKind::kSettings, [&] { convert_model(request, told, nullptr); }, "model that");
  // Nor while another one writes there; what it had made goes with it, and the first goes on.
  Told first;
  int tries = 0;
  first.on_progress = [&](uint64_t, uint64_t) {
    if (tries++ == 0)
      expect_error(
          ErrorKind::kSettings, [&] { convert(to.path("shared"), true); }, "Another conversion");
  };
  convert_model(request_to(to.path("shared")), first, nullptr);
  EXPECT_GT(tries, 0);
  verify_converted(to.path("shared"), first, nullptr);
  // An empty folder, and what a killed conversion left in one.
  fs::create_directories(to.path("empty/Ovi"));
  to.write("empty/Ovi/.ovi-a1b2c3.part", "half");
  convert(to.path("empty"));
  EXPECT_FALSE(fs::exists(to.path("empty/Ovi/.ovi-a1b2c3.part")));
}

TEST(Conversion, AFolderThatMayNotBeWritten) {
  const TempFolder to;
  fs::create_directory(to.path("locked"));
  Told told;
  const test::Unprivileged nobody;
  expect_error(
      ErrorKind::kNotAuthorized,
      [&] { convert_model(request_to(to.path("locked/new")), told, nullptr); }, "locked");
  expect_error(
      ErrorKind::kNotAuthorized,
      [&] { convert_model(request_to(to.path("locked")), told, nullptr); }, "locked");
}

/// While it lives no file may grow beyond `bytes`.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallFiles() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(Conversion, ALimitOfTheDiskLeavesNothing) {
  const TempFolder to;
  Told told;
  {
    const SmallFiles limit(1 << 20);
    expect_error(
        ErrorKind::kNoSpace, [&] { convert_model(request_to(to.path("new")), told, nullptr); },
        "new/Ovi", "ulimit -f");
  }
  EXPECT_TRUE(fs::is_empty(to.path()));
  {
    // What was not reserved is told when it is written.
    NewFile file(to.path("file"), 0);
    const SmallFiles limit(100);
    expect_error(
        ErrorKind::kNoSpace, [&] { file.write(std::string(200, 'x')); }, "file");
  }
  EXPECT_TRUE(fs::is_empty(to.path()));
}

TEST(Conversion, OneThatWasKilledWhileItsFilesGotTheirNamesIsSaid) {
  const TempFolder to;
  Told told;
  convert_model(request_to(to.path()), told, nullptr);
  EXPECT_TRUE(find_model(to.path(), Variant::kAuto).unfinished.empty());
  const auto warnings = [&] {
    return LoadedModel(find_model(to.path(), Variant::kAuto), c10::kCPU, {}).incomplete_files();
  };
  EXPECT_TRUE(warnings().empty());
  // One in the midst of it holds a lock, one that was killed does not.
  for (const char* name : {".ovi-a1b2c3.part", "Ovi/.ovi-a1b2c3.part"}) {
    to.write(name, "half");
    ASSERT_EQ(warnings().size(), 1u) << name;
    EXPECT_NE(warnings()[0].find("ended before it was done"), std::string::npos);
    fs::remove(to.path(name));
    const NewFile alive(to.path(name).substr(0, to.path(name).rfind('/')) + "/file", 0);
    EXPECT_TRUE(warnings().empty());
  }
}

TEST(Conversion, AnotherVariantBesideItStaysInTheList) {
  const TempFolder to;
  Told told;
  ConversionRequest request = request_to(to.path());
  convert_model(request, told, nullptr);
  Sums sums = read_sums(to.path());
  fs::rename(to.path("Ovi/model.safetensors"), to.path("Ovi/model_960x960.safetensors"));
  sums["Ovi/model_960x960.safetensors"] = sums.at("Ovi/model.safetensors");
  to.write(kSumsFile, sums_text(sums));
  request.force = true;
  convert_model(request, told, nullptr);
  EXPECT_EQ(read_sums(to.path()), sums);
  verify_converted(to.path(), told, nullptr);
}

TEST(Conversion, VerifyingNamesEveryFileThatIsNotAsItWasWritten) {
  const TempFolder to;
  Told told;
  convert_model(request_to(to.path()), told, nullptr);
  Told verified;
  verify_converted(to.path(), verified, nullptr);
  EXPECT_EQ(verified.files.size(), told.files.size());
  EXPECT_EQ(verified.verified, told.written);
  // A list that was cut, at a line's end or in its midst.
  const std::string list = test::read_all(to.path(kSumsFile));
  to.write(kSumsFile, list.substr(0, list.find('\n') + 1));
  expect_error(
      ErrorKind::kRead, [&] { verify_converted(to.path(), verified, nullptr); }, "does not name",
      "Ovi/model.safetensors");
  to.write(kSumsFile, list.substr(0, list.size() - 3));
  expect_error(
      ErrorKind::kFormat, [&] { verify_converted(to.path(), verified, nullptr); }, "no end");
  to.write(kSumsFile, list);
  for (const char* name : {"Ovi/model.safetensors", "MMAudio/ext_weights/v1-16.safetensors"}) {
    std::fstream file(to.path(name), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-9, std::ios::end);
    file.put('\x7f');
  }
  expect_error(
      ErrorKind::kRead, [&] { verify_converted(to.path(), verified, nullptr); },
      "Ovi/model.safetensors", "v1-16.safetensors");
  fs::remove(to.path("Ovi/model.safetensors"));
  fs::remove(to.path("ovi.json"));
  expect_error(
      ErrorKind::kNotFound, [&] { verify_converted(to.path(), verified, nullptr); },
      "Ovi/model.safetensors", "ovi.json");
  fs::remove(to.path(kSumsFile));
  expect_error(
      ErrorKind::kNotFound, [&] { verify_converted(to.path(), verified, nullptr); }, kSumsFile);
  const std::string digits(64, 'a');
  for (const std::string& bad : {std::string("nonsense"), digits + "  ../x",
                                 digits + "  /etc/passwd", digits + " x", std::string(1, '\n')}) {
    to.write(kSumsFile, bad);
    expect_error(
        ErrorKind::kFormat, [&] { verify_converted(to.path(), verified, nullptr); }, kSumsFile);
  }
}

}  // namespace
}  // namespace ovi
