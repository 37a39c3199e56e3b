// first-clip: the clip that a fresh process makes through ovi/engine.h alone, opened and
// called from threads as the element does it, so that nothing has touched the device before.
// It is made once more, and on the CPU in float32, and the three are compared.
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../engine/capi/small_request.h"
#include "ovi/engine.h"

namespace {

constexpr const char* kUsage =
    "usage: first-clip ENGINE MODEL DEVICE PRECISION MEMORY\n"
    "ENGINE is libovii2v-engine.so, MODEL a folder of few weights; the others are\n"
    "named as the element's properties. Says in one line of JSON what came out.\n";

// Decibels of picture and sound that two clips have in common.
struct Likeness {
  double picture, sound;
};
// The order of sums may be another: in 32 bits, and when the same is computed again. Another
// seed's sound is at 8, its picture (of the demonstration model) at 40.
constexpr Likeness kSame{50, 25};
// bfloat16 on a CPU is at 32, and its sound, all phases being others, at 5.
constexpr Likeness kFewerBits{25, 0};

struct Door {
  explicit Door(const char* path) {
    // As g_module_open() does it for the element.
    void* library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (!library) throw std::runtime_error(dlerror());
    const auto take = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      if (!function) throw std::runtime_error(std::string("no function ") + name);
    };
    take(abi_version, "ovi_engine_abi_version");
    take(create, "ovi_engine_create");
    take(plan, "ovi_engine_plan");
    take(generate, "ovi_engine_generate");
    take(destroy, "ovi_engine_destroy");
    take(release, "ovi_buffer_release");
    if (abi_version() != OVI_ENGINE_ABI) throw std::runtime_error("another ABI");
  }
  decltype(&ovi_engine_abi_version) abi_version;
  decltype(&ovi_engine_create) create;
  decltype(&ovi_engine_plan) plan;
  decltype(&ovi_engine_generate) generate;
  decltype(&ovi_engine_destroy) destroy;
  decltype(&ovi_buffer_release) release;
};

template <typename T>
T value_of(const std::string& word, std::initializer_list<std::pair<const char*, T>> values) {
  for (const auto& [name, value] : values) {
    if (word == name) return value;
  }
  throw std::runtime_error("unknown word \"" + word + "\"");
}

void require(bool good, const std::string& otherwise) {
  if (!good) throw std::runtime_error(otherwise);
}

void require(ovi_status status, const ovi_error& error, const char* what) {
  require(status == OVI_OK, std::string(what) + ", status " + std::to_string(status) + ": " +
                                error.message + "\n" + error.detail);
}

struct Clip {
  explicit Clip(const Door& door) : door(door) {}
  const Door& door;
  std::vector<uint8_t> frames;
  std::vector<float> samples;
  std::vector<std::string> notes;
  std::string problem;
  ovi_plan plan{};
  ovi_stats stats{};
  uint32_t count = 0;

  static void on_video(void* user, const ovi_video_frame* frame) {
    auto* clip = static_cast<Clip*>(user);
    const size_t bytes = size_t{3} * clip->plan.width * clip->plan.height;
    if (frame->index != clip->count++ || frame->bytes != bytes) clip->problem = "a wrong frame";
    clip->frames.insert(clip->frames.end(), frame->data, frame->data + frame->bytes);
    clip->door.release(frame->owner);
  }
  static void on_audio(void* user, const ovi_audio* audio) {
    auto* clip = static_cast<Clip*>(user);
    const auto* data = static_cast<const float*>(audio->data);
    clip->samples.assign(data, data + audio->samples);
    clip->door.release(audio->owner);
  }
  static void on_note(void* user, const char* message) {
    static_cast<Clip*>(user)->notes.emplace_back(message);
  }
};

template <typename T>
double deviation(const std::vector<T>& values) {
  double sum = 0, squares = 0;
  for (const T value : values) sum += value, squares += double{1} * value * value;
  const auto count = static_cast<double>(values.size());
  return std::sqrt(std::max(0.0, squares / count - sum / count * (sum / count)));
}

void check(const Clip& clip) {
  require(clip.problem.empty(), clip.problem);
  require(clip.count == clip.plan.frames, "frames are missing");
  require(clip.samples.size() == clip.plan.samples, "samples are missing");
  const bool finite = std::all_of(clip.samples.begin(), clip.samples.end(),
                                  [](float x) { return std::isfinite(x); });
  require(finite, "the sound holds values that are no numbers");
  // What became NaN is one colour as a picture.
  require(deviation(clip.frames) > 2, "the picture is of one colour");
  require(deviation(clip.samples) > 0, "the sound is silent");
}

// 10 log10 of the truth's energy (a full-range picture's: peak) over the difference's.
template <typename T>
double decibels(const std::vector<T>& got, const std::vector<T>& truth, double peak) {
  require(got.size() == truth.size(), "the clips are of different sizes");
  double off = 0, energy = 0;
  for (size_t i = 0; i < truth.size(); ++i) {
    const double difference = double{1} * got[i] - truth[i];
    off += difference * difference;
    energy += peak > 0 ? peak * peak : double{1} * truth[i] * truth[i];
  }
  constexpr double kEqual = 120;
  return off > 0 ? std::min(kEqual, 10 * std::log10(energy / off)) : kEqual;
}

Likeness compare(const Clip& clip, const Clip& truth) {
  return {decibels(clip.frames, truth.frames, 255), decibels(clip.samples, truth.samples, 0)};
}

nlohmann::json json_of(const Likeness& likeness) {
  return {{"picture_psnr", likeness.picture}, {"sound_snr", likeness.sound}};
}

void require(const Likeness& found, const Likeness& least, const char* otherwise) {
  require(found.picture >= least.picture && found.sound >= least.sound, otherwise);
}

class Engine {
 public:
  Engine(const Door& door, const std::string& model, const std::string& device,
         ovi_precision precision, ovi_memory memory)
      : door_(door) {
    ovi_engine_config config{};
    config.size = sizeof config;
    config.model_path = model.c_str();
    config.device = device.c_str();
    config.precision = precision;
    config.memory = memory;
    ovi_error error{};
    error.size = sizeof error;
    require(door_.create(&config, &engine_, &error), error, "create");
  }
  ~Engine() { door_.destroy(engine_); }

  // The plan on this thread, the clip on another, as the element's.
  Clip make() {
    std::vector<uint8_t> pixels(size_t{3} * 64 * 64);
    for (size_t i = 0; i < pixels.size(); ++i)
      pixels[i] = static_cast<uint8_t>(i * 255 / pixels.size());
    ovi_request request = small_request(/*steps=*/4);
    request.image = pixels.data();
    request.image_width = request.image_height = 64;
    request.image_stride = size_t{3} * 64;

    Clip clip(door_);
    clip.plan.size = sizeof clip.plan;
    ovi_error error{};
    error.size = sizeof error;
    require(door_.plan(engine_, &request, &clip.plan, nullptr, nullptr, &error), error, "plan");
    ovi_status status = OVI_FAILED;
    std::thread([&] {
      ovi_callbacks callbacks{};
      callbacks.size = sizeof callbacks;
      callbacks.user = &clip;
      callbacks.video = Clip::on_video;
      callbacks.audio = Clip::on_audio;
      callbacks.note = Clip::on_note;
      clip.stats.size = sizeof clip.stats;
      status = door_.generate(engine_, &request, &callbacks, nullptr, &clip.stats, &error);
    }).join();
    require(status, error, "generate");
    check(clip);
    return clip;
  }

 private:
  const Door& door_;
  ovi_engine* engine_ = nullptr;
};

void run(char** words) {
  const std::string device = words[2], precision = words[3], memory = words[4];
  const auto bits = value_of<ovi_precision>(
      precision,
      {{"fp32", OVI_PRECISION_FP32}, {"bf16", OVI_PRECISION_BF16}, {"fp8", OVI_PRECISION_FP8}});
  const auto plan = value_of<ovi_memory>(memory, {{"auto", OVI_MEMORY_AUTO},
                                                  {"resident", OVI_MEMORY_RESIDENT},
                                                  {"offload", OVI_MEMORY_OFFLOAD},
                                                  {"stream", OVI_MEMORY_STREAM}});
  const Door door(words[0]);
  const std::string model = words[1];
  std::optional<Engine> engine(std::in_place, door, model, device, bits, plan);
  const Clip first = engine->make(), again = engine->make();
  engine.reset();
  const Clip truth = Engine(door, model, "cpu", OVI_PRECISION_FP32, OVI_MEMORY_AUTO).make();

  const Likeness twice = compare(again, first), apart = compare(first, truth);
  const nlohmann::json result = {{"device", first.plan.device},
                                 {"precision", first.plan.precision},
                                 {"memory", first.stats.memory},
                                 {"first_seconds", first.stats.total_seconds},
                                 {"again_seconds", again.stats.total_seconds},
                                 {"peak_device_mib", first.stats.peak_device_bytes >> 20},
                                 {"again", json_of(twice)},
                                 {"beside_cpu_fp32", json_of(apart)},
                                 {"notes", first.notes}};
  std::printf("%s\n", result.dump().c_str());
  require(precision == first.plan.precision, "another precision was taken");
  require(twice, kSame, "the second clip is another one");
  require(apart, precision == "fp32" ? kSame : kFewerBits, "the clip is not the CPU's");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  try {
    run(argv + 1);
    return 0;
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "first-clip: %s\n", error.what());
    return 1;
  }
}
