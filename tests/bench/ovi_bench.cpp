// ovi-bench: seconds, TFLOP/s and memory of a clip, stage by stage.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "acceleration.h"
#include "kernel_speed.h"
#include "matmul_rate.h"
#include "nn/prepare.h"
#include "pipeline/clip_work.h"
#include "pipeline/generator.h"
#include "pipeline/time_estimate.h"
#include "precision.h"
#include "preview_cost.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/stopwatch.h"
#include "synthetic_model.h"

using namespace ovi;
using namespace ovi::bench;

namespace {

constexpr const char* kUsage =
    "usage: ovi-bench [--model DIR | --synthetic VARIANT [--size KEY=VALUE,...] |\n"
    "                  --kernels real|small]\n"
    "                 [--device auto|cpu|cuda|cuda:N] [--precision fp32|bf16|fp8]\n"
    "                 [--memory auto|resident|offload|stream] [--steps N] [--runs N]\n"
    "                 [--json FILE] [--acceleration none|balanced|fast]\n"
    "                 [--compare acceleration|precision|previews]\n"
    "                 [--calibrate FILE] [--save DIR]\n"
    "Makes a clip and says what each stage took. --synthetic (720x720_5s, 960x960_5s or\n"
    "960x960_10s) needs no weights: random ones of the real size, or of --size, whose keys\n"
    "are layers, dim, ffn, heads, text-layers, text-dim, text-ffn, text-heads,\n"
    "vae-encoder-dim, vae-decoder-dim, audio-vae-dim, vocoder-channels, area,\n"
    "video-latents and audio-latents. The last of --runs (default 1) is reported; the\n"
    "first one loads. --compare also makes the clip with each kind of acceleration, or in\n"
    "each precision, and says how far it is from that without, or in fp32; with previews\n"
    "it says what a picture after each step would cost. --calibrate\n"
    "measures, in a run in full, the magnitudes that acceleration goes by, and writes them\n"
    "for the model folder's acceleration.json. --save writes the clip's latents (float32),\n"
    "frames (RGB) and samples (float32) without headers. --kernels makes no clip: it runs\n"
    "each fused kernel beside what LibTorch computes in its place, and fails when they\n"
    "differ.\n";

[[noreturn]] void usage(const std::string& problem) {
  std::fprintf(stderr, "ovi-bench: %s\n%s", problem.c_str(), kUsage);
  std::exit(2);
}

struct Settings {
  std::string model, synthetic, device = "auto", json, compare, calibrate, save, kernels;
  Acceleration acceleration = Acceleration::kNone;
  Precision precision = Precision::kAuto;
  std::map<std::string, int64_t> size;
  Memory memory = Memory::kAuto;
  int64_t steps = 50, runs = 1;
};

Memory memory_of(const std::string& text) {
  for (const Memory memory :
       {Memory::kAuto, Memory::kResident, Memory::kOffload, Memory::kStream}) {
    if (text == memory_name(memory)) return memory;
  }
  usage("--memory is auto, resident, offload or stream, not \"" + text + "\"");
}

int64_t number(const std::string& option, const std::string& text) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 1) {
    usage(option + " is a whole number from 1, not \"" + text + "\"");
  }
  return value;
}

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--help") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    }
    if (i + 1 >= argc) usage(arg + " needs a value");
    const std::string value = argv[++i];
    if (arg == "--model") {
      settings.model = value;
    } else if (arg == "--synthetic") {
      settings.synthetic = value;
    } else if (arg == "--size") {
      for (size_t begin = 0; begin < value.size();) {
        const size_t end = std::min(value.find(',', begin), value.size());
        const std::string pair = value.substr(begin, end - begin);
        const size_t equals = pair.find('=');
        if (equals == std::string::npos) usage("--size is KEY=VALUE,..., not \"" + pair + "\"");
        settings.size[pair.substr(0, equals)] = number("--size", pair.substr(equals + 1));
        begin = end + 1;
      }
    } else if (arg == "--device") {
      settings.device = value;
    } else if (arg == "--precision") {
      const auto known = precision_of(value);
      if (!known) usage("--precision is fp32, bf16 or fp8");
      settings.precision = *known;
    } else if (arg == "--memory") {
      settings.memory = memory_of(value);
    } else if (arg == "--steps") {
      settings.steps = number(arg, value);
    } else if (arg == "--runs") {
      settings.runs = number(arg, value);
    } else if (arg == "--json") {
      settings.json = value;
    } else if (arg == "--kernels") {
      if (value != "real" && value != "small") usage("--kernels is real or small");
      settings.kernels = value;
    } else if (arg == "--acceleration") {
      const auto kind = acceleration_of(value);
      if (!kind) usage("--acceleration is none, balanced or fast");
      settings.acceleration = *kind;
    } else if (arg == "--compare") {
      if (value != "acceleration" && value != "precision" && value != "previews") {
        usage("--compare is acceleration, precision or previews");
      }
      settings.compare = value;
    } else if (arg == "--calibrate") {
      settings.calibrate = value;
    } else if (arg == "--save") {
      settings.save = value;
    } else {
      usage("unknown option " + arg);
    }
  }
  if (!settings.model.empty() + !settings.synthetic.empty() + !settings.kernels.empty() != 1) {
    usage("give one of --model, --synthetic and --kernels");
  }
  if (!settings.size.empty() && settings.synthetic.empty()) usage("--size needs --synthetic");
  return settings;
}

// Progress on one line of stderr, so that stdout stays a table; into a file or pipe only the
// ends of stages, so that a run that is stopped has said how far it came.
class Meter final : public ClipSink {
 public:
  void progress(Stage stage, int64_t done, int64_t total, double left) override {
    static const char* const kNames[] = {"load", "encode", "generate", "decode"};
    const char* const name = kNames[static_cast<int>(stage)];
    if (!isatty(STDERR_FILENO)) {
      const bool tenth =
          stage == Stage::kGenerate && done > 0 && done * 10 / total != (done - 1) * 10 / total;
      const bool ends = done == total && (stage != last_ || !ended_);
      last_ = stage;
      ended_ = done == total;
      if (ends || tenth)
        std::fprintf(stderr, "%8.2f s  %s %lld of %lld\n", since_start_.seconds(), name,
                     static_cast<long long>(done), static_cast<long long>(total));
      return;
    }
    std::fprintf(stderr, "\r%-8s %lld of %lld", name, static_cast<long long>(done),
                 static_cast<long long>(total));
    if (left >= 0) std::fprintf(stderr, ", %.0f s left", left);
    std::fprintf(stderr, "\033[K");
  }
  void audio(const at::Tensor&) override {}
  void video(int64_t, const at::Tensor& frames) override { frames_ += frames.size(0); }
  int64_t frames_ = 0;

 private:
  Stopwatch since_start_;
  Stage last_ = Stage::kLoad;
  bool ended_ = false;  // said of the last stage
};

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

nlohmann::json choices_json(const nn::Choices& choices) {
  const auto one = [](const nn::Choice& choice) {
    return nlohmann::json{{"taken", choice.taken}, {"reason", choice.reason}};
  };
  return {{"attention", one(choices.attention)},
          {"float8_product", one(choices.float8_product)},
          {"gelu_epilogue", one(choices.gelu_epilogue)},
          {"fused_kernels", choices.fused_kernels}};
}

nlohmann::json report(const GenerationStats& stats, double load, const LoadedModel& model,
                      const ClipPlan& plan, double denoise_flops) {
  nlohmann::json j;
  j["device"] = model.device().str();
  j["processor"] = processor();
  j["threads"] = at::get_num_threads();
  j["libtorch"] = std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) +
                  "." + std::to_string(TORCH_VERSION_PATCH);
  j["precision"] = precision_name(model.arithmetic());
  j["variant"] = model.folder().spec.name;
  j["width"] = plan.size.width;
  j["height"] = plan.size.height;
  j["frames"] = plan.frames;
  j["steps"] = stats.steps;
  j["acceleration"] = stats.acceleration;
  j["seconds"] = {{"load", load},
                  {"text", stats.text},
                  {"image", stats.image},
                  {"denoise", stats.denoise},
                  {"step", stats.denoise / static_cast<double>(stats.steps)},
                  {"audio_decode", stats.audio_decode},
                  {"video_decode", stats.video_decode},
                  {"first_frame", stats.first_frame},
                  {"total", stats.total}};
  j["denoise_tflop"] = denoise_flops / 1e12;
  j["denoise_tflop_per_second"] = denoise_flops / 1e12 / stats.denoise;
  const double matmul = matmul_flops_per_second(model.device(), model.dtype());
  j["matmul_tflop_per_second"] = matmul / 1e12;
  j["denoise_share_of_matmul"] = denoise_flops / stats.denoise / matmul;
  j["choices"] = choices_json(nn::known_choices(model.device()));
  j["memory"] = memory_name(stats.memory);
  j["memory_needed_mib"] = static_cast<double>(model.choice().needed) / 1048576.0;
  // Of all reading so far, wherever it fell; mapped weights are not read before their use.
  j["load_gb_per_second"] = static_cast<double>(model.bytes_read()) / 1e9 / model.seconds_reading();
  j["peak_device_mib"] = static_cast<double>(stats.peak_device_bytes) / 1048576.0;
  j["peak_host_mib"] = static_cast<double>(stats.peak_host_bytes) / 1048576.0;
  return j;
}

void print(const nlohmann::json& j) {
  std::printf("%s, %s, %s, %lldx%lld, %lld frames, %lld steps, %d threads, LibTorch %s\n",
              j["device"].get<std::string>().c_str(), j["precision"].get<std::string>().c_str(),
              j["variant"].get<std::string>().c_str(), j["width"].get<long long>(),
              j["height"].get<long long>(), j["frames"].get<long long>(),
              j["steps"].get<long long>(), j["threads"].get<int>(),
              j["libtorch"].get<std::string>().c_str());
  for (const char* stage : {"load", "text", "image", "denoise", "step", "audio_decode",
                            "video_decode", "first_frame", "total"}) {
    std::printf("  %-13s %10.3f s\n", stage, j["seconds"][stage].get<double>());
  }
  std::printf("  denoise       %10.3f TFLOP, %.3f TFLOP/s: %.0f %% of a large matrix product's\n",
              j["denoise_tflop"].get<double>(), j["denoise_tflop_per_second"].get<double>(),
              100 * j["denoise_share_of_matmul"].get<double>());
  std::printf("  weights       %10.3f GB/s read, memory=%s\n",
              j["load_gb_per_second"].get<double>(), j["memory"].get<std::string>().c_str());
  std::printf("  peak memory   %10.0f MiB host, %.0f MiB device\n",
              j["peak_host_mib"].get<double>(), j["peak_device_mib"].get<double>());
}

nlohmann::json estimate_json(const TimeEstimate& estimate) {
  return {{"text", estimate.text},
          {"image", estimate.image},
          {"denoise", estimate.denoise},
          {"audio_decode", estimate.sound},
          {"video_decode", estimate.video},
          {"total", estimate.total()},
          {"probe", estimate.rates.seconds},
          {"matmul_tflop_per_second", estimate.rates.matmul / 1e12},
          {"attention_tflop_per_second", estimate.rates.attention / 1e12},
          {"frame_convolution_tflop_per_second", estimate.rates.frame_convolution / 1e12},
          {"picture_convolution_tflop_per_second", estimate.rates.picture_convolution / 1e12},
          {"sound_convolution_tflop_per_second", estimate.rates.sound_convolution / 1e12},
          {"gb_per_second", estimate.rates.bytes / 1e9}};
}

// What `ovi check` would have said of it.
void print_estimate(const nlohmann::json& estimate, const nlohmann::json& seconds) {
  std::printf("  estimated from a probe of %.1f s:\n", estimate["probe"].get<double>());
  for (const char* stage : {"text", "image", "denoise", "audio_decode", "video_decode", "total"}) {
    const double expected = estimate[stage].get<double>(), got = seconds[stage].get<double>();
    std::printf("  %-13s %10.3f s, %+.0f %%\n", stage, expected, 100 * (expected / got - 1));
  }
}

// A grey ramp: what the picture shows does not change the time.
at::Tensor picture(const FrameSize& size) {
  at::Tensor rgb = at::empty({size.height, size.width, 3}, at::TensorOptions().dtype(at::kByte));
  for (int64_t row = 0; row < size.height; ++row) rgb[row].fill_(row * 255 / size.height);
  return rgb;
}

void write_json(const nlohmann::json& j, const std::string& path) {
  if (path.empty()) return;
  std::ofstream file(path);
  file << j.dump(2) << '\n';
  if (!file) throw Error(ErrorKind::kFailed, "Cannot write \"" + path + "\".");
}

int run_kernels(const Settings& settings, const c10::Device& device) {
  const bool real = settings.kernels == "real";
  const int runs = device.is_cpu() ? 1 : 20;
  const nlohmann::json measured =
      measure_kernels(device, real ? kernels::kRealCase : kernels::kSmallCase, runs);
  print_kernels(measured);
  write_json({{"device", device.str()}, {"processor", processor()}, {"kernels", measured}},
             settings.json);
  return all_right(measured) ? 0 : 1;
}

int run(const Settings& settings) {
  const c10::Device device = find_device(settings.device);
  if (!settings.kernels.empty()) return run_kernels(settings, device);
  const Arithmetic arithmetic = arithmetic_of(settings.precision, device);
  std::shared_ptr<LoadedModel> model;
  ModelSources sources;
  if (settings.synthetic.empty()) {
    model = std::make_shared<LoadedModel>(find_model(settings.model, Variant::kAuto), device,
                                          arithmetic, settings.memory);
    sources = ModelSources::open(model->folder());
  } else {
    const SyntheticModel made = synthetic_model(settings.synthetic, settings.size);
    model = std::make_shared<LoadedModel>(made.folder, device, arithmetic, settings.memory);
    sources = made.sources;
  }

  Request request;
  request.prompt = "A woman says, <S>We are live.<E> <AUDCAP>Rain on a window.<ENDAUDCAP>";
  request.seed = 103;
  request.steps = settings.steps;
  request.acceleration = settings.acceleration;
  const Generator generator(model);
  const ClipPlan plan = [&] {
    Request sized = request;
    sized.image_height = sized.image_width = 512;
    return generator.plan(sized, nullptr);
  }();
  request.image = picture(plan.size);
  request.image_height = plan.size.height;
  request.image_width = plan.size.width;

  Meter meter;
  Stopwatch loading;
  Reading reading;
  reading.on_bytes = [&](int64_t done, int64_t total) {
    meter.progress(Stage::kLoad, done >> 20, total >> 20, -1);
  };
  model->set_sources(sources, !settings.synthetic.empty());
  model->prepare(clip_extent(model->folder().spec, plan.size), reading);
  synchronize(device);
  const double load = loading.seconds();
  GenerationStats stats;
  for (int64_t i = 0; i < settings.runs; ++i) stats = generator.generate(request, meter, nullptr);
  if (!settings.calibrate.empty()) calibrate(generator, request, settings.calibrate);
  if (!settings.save.empty()) save_clip(generator, request, settings.save);
  nlohmann::json acceleration, precision, previews;
  if (settings.compare == "acceleration") acceleration = compare_acceleration(generator, request);
  if (settings.compare == "previews") {
    previews = measure_previews(*model, plan, stats.steps, stats.total);
  }
  if (settings.compare == "precision") {
    precision = compare_precision(*model, device, request);
  }
  if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\r\033[K");
  if (meter.frames_ != plan.frames * settings.runs) {
    throw Error(ErrorKind::kFailed, "frames are missing");
  }

  const double flops = denoise_work(*sources.fusion, model->folder().spec, plan.size, request,
                                    stats.step_counts, model->dtype())
                           .operations();
  nlohmann::json j = report(stats, load, *model, plan, flops);
  print(j);
  j["estimate"] = estimate_json(estimate_time(model, request, nullptr));
  print_estimate(j["estimate"], j["seconds"]);
  std::printf("  %s\n", nn::in_words(nn::known_choices(device)).c_str());
  j["request"] = {{"prompt", request.prompt},
                  {"video_negative_prompt", request.video_negative_prompt},
                  {"audio_negative_prompt", request.audio_negative_prompt},
                  {"seed", request.seed},
                  {"steps", request.steps},
                  {"shift", request.shift},
                  {"video_guidance_scale", request.video_guidance_scale},
                  {"audio_guidance_scale", request.audio_guidance_scale},
                  {"slg_layer", request.slg_layer}};
  if (!acceleration.is_null()) {
    print_comparison(acceleration);
    j["compared"] = acceleration;
  }
  if (!precision.is_null()) {
    print_precision(precision);
    j["compared_precision"] = precision;
  }
  if (!previews.is_null()) {
    print_previews(previews);
    j["previews"] = previews;
  }
  write_json(j, settings.json);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  try {
    return run(settings);
  } catch (const Error& error) {
    std::fprintf(stderr, "\novi-bench: %s\n%s\n", error.what(), error.detail().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "\novi-bench: %s\n", error.what());
  }
  return 1;
}
