// ovi-parity: runs case folders against the engine and says how near it comes.
// SPDX-License-Identifier: Apache-2.0
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "case.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "stages.h"

namespace fs = std::filesystem;
using namespace ovi::parity;

namespace {

const std::map<std::string, void (*)(Case&)> kStages = {
    {"text-encode", run_text_encode},
    {"prompt-format", run_prompt_format},
    {"frame-size", run_frame_size},
    {"image-preprocess", run_image_preprocess},
    {"video-vae-encode", run_video_vae_encode},
    {"video-vae-decode", run_video_vae_decode},
    {"audio-vae-decode", run_audio_vae_decode},
    {"vocoder", run_vocoder},
    {"fusion-forward", run_fusion_forward},
    {"sampler", run_sampler},
    {"noise", run_noise},
    {"preview-decode", run_preview_decode},
    {"generate", run_generate},
};

[[noreturn]] void usage(const std::string& problem) {
  std::fprintf(stderr,
               "ovi-parity: %s\n"
               "usage: ovi-parity [--models DIR] [--device auto|cpu|cuda|cuda:N] "
               "[--precision fp32|bf16]\n"
               "                  [--tolerance-scale X] CASE_OR_FOLDER...\n"
               "CASE_OR_FOLDER holds a case.json, or folders that do. Models are looked up in\n"
               "DIR, or in `models` beside the folder that holds the case.\n",
               problem.c_str());
  std::exit(2);
}

void collect(const fs::path& path, std::vector<fs::path>& cases) {
  if (fs::exists(path / "case.json")) {
    cases.push_back(fs::canonical(path));
    return;
  }
  if (!fs::is_directory(path)) usage("no case in \"" + path.string() + "\"");
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_directory()) entries.push_back(entry.path());
  }
  std::sort(entries.begin(), entries.end());
  for (const fs::path& entry : entries) collect(entry, cases);
}

void run(const fs::path& folder, const Options& options, Tally& tally) {
  try {
    Case c(folder, options, tally);
    const auto stage = kStages.find(c.stage());
    if (stage == kStages.end()) {
      c.fail("stage", "\"" + c.stage() + "\" is unknown");
      return;
    }
    try {
      stage->second(c);
    } catch (const ovi::Error& error) {
      c.fail("run", std::string(error.what()) + " " + error.detail());
    } catch (const std::exception& error) {
      c.fail("run", error.what());
    }
  } catch (const std::exception& error) {
    tally.failed++;
    std::printf("FAIL %s case: %s\n", folder.filename().c_str(), error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::string device = "cpu", precision;
  std::vector<fs::path> cases;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argc) usage(arg + " needs a value");
      return argv[++i];
    };
    if (arg == "--models") {
      options.models = value();
    } else if (arg == "--device") {
      device = value();
    } else if (arg == "--precision") {
      precision = value();
      if (precision != "fp32" && precision != "bf16") usage("--precision is fp32 or bf16");
    } else if (arg == "--tolerance-scale") {
      options.tolerance_scale = std::atof(value().c_str());
      if (!(options.tolerance_scale > 0)) usage("--tolerance-scale is a number above 0");
    } else if (arg.starts_with("--")) {
      usage("unknown option " + arg);
    } else {
      collect(arg, cases);
    }
  }
  if (cases.empty()) usage("no case given");

  const c10::InferenceMode inference;
  Tally tally;
  try {
    options.device = ovi::find_device(device);
  } catch (const ovi::Error& error) {
    usage(error.what());
  }
  options.dtype = precision == "bf16" ? at::kBFloat16 : at::kFloat;
  for (const fs::path& folder : cases) run(folder, options, tally);
  std::printf("%d passed, %d failed\n", tally.passed, tally.failed);
  return tally.failed == 0 ? 0 : 1;
}
