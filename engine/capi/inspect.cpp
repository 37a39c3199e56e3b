// The functions of ovi/inspect.h.
// SPDX-License-Identifier: Apache-2.0
#include "ovi/inspect.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capi/cancel.h"
#include "capi/convert.h"
#include "capi/plain_text.h"
#include "capi/status.h"
#include "pipeline/inspection.h"
#include "pipeline/prompt_check.h"
#include "pipeline/time_estimate.h"
#include "runtime/error.h"
#include "text/tokenizer.h"

namespace {

using namespace ovi;
using namespace ovi::capi;

constexpr size_t kLongest = 1023;  // bytes of a sentence

ovi_memory from_memory(Memory memory) {
  switch (memory) {
    case Memory::kResident:
      return OVI_MEMORY_RESIDENT;
    case Memory::kOffload:
      return OVI_MEMORY_OFFLOAD;
    case Memory::kStream:
      return OVI_MEMORY_STREAM;
    case Memory::kAuto:
      break;
  }
  return OVI_MEMORY_AUTO;
}

template <size_t N>
void copy_name(char (&to)[N], const std::string& from) {
  std::snprintf(to, N, "%s", from.c_str());
}

void tell(const ComponentReport& report, const ovi_inspector& to) {
  if (!to.component) return;
  const std::string problem = plain_text(report.problem, kLongest, Lines::kOne);
  const std::string warning = plain_text(report.warning, kLongest, Lines::kOne);
  const std::string why = plain_text(report.why, kLongest, Lines::kOne);
  ovi_component told{};
  told.size = sizeof told;
  told.name = report.name.c_str();
  told.path = report.path.c_str();
  told.bytes = report.bytes;
  told.tensors = report.tensors;
  told.parameters = report.parameters;
  told.dtype = report.dtype.c_str();
  told.problem = problem.empty() ? nullptr : problem.c_str();
  told.warning = warning.empty() ? nullptr : warning.c_str();
  told.why = why.empty() ? nullptr : why.c_str();
  to.component(to.user, &told);
}

void tell(const DeviceReport& report, const ovi_inspector& to) {
  const std::string problem =
      report.problem ? plain_text(report.problem->what(), kLongest, Lines::kOne) : "";
  const ovi_device_report told{sizeof told,
                               report.name.c_str(),
                               static_cast<uint32_t>(report.ranks),
                               static_cast<uint64_t>(report.memory.free),
                               static_cast<uint64_t>(report.memory.total),
                               from_memory(report.chosen),
                               problem.empty() ? nullptr : problem.c_str()};
  if (to.device) to.device(to.user, &told);
  for (const MemoryReport& plan : report.plans) {
    const ovi_memory_need need{sizeof need, from_memory(plan.memory),
                               static_cast<uint64_t>(plan.needed), plan.fits, told.name};
    if (to.memory) to.memory(to.user, &need);
  }
}

void tell(const Warning& warning, void (*warn)(void*, const ovi_warning*), void* user) {
  const std::string message = plain_text(warning.message, kLongest, Lines::kOne);
  const ovi_warning told{sizeof told, from_warning(warning.code), warning.position,
                         message.c_str()};
  warn(user, &told);
}

}  // namespace

extern "C" {

ovi_status ovi_engine_inspect(const ovi_engine_config* config, const ovi_inspector* inspector,
                              ovi_inspection* inspection, ovi_error* error) {
  return guard(error, [&] {
    if (config == nullptr) throw Error(ErrorKind::kSettings, "config is NULL.");
    const ovi_engine_config known = read_struct(config);
    const ovi_inspector to = inspector ? read_struct(inspector) : ovi_inspector{};
    const Inspection made = inspect(to_config(known), known.device ? known.device : "auto",
                                    known.devices ? known.devices : "");
    for (const ComponentReport& report : made.components) tell(report, to);
    for (const DeviceReport& report : made.devices) tell(report, to);
    if (to.note)
      for (const std::string& note : made.notes)
        to.note(to.user, plain_text(note, kLongest, Lines::kOne).c_str());
    ovi_inspection told{};
    told.size = sizeof told;
    copy_name(told.variant_name, made.variant);
    copy_name(told.precision, made.precision);
    told.width = static_cast<uint32_t>(made.size.width);
    told.height = static_cast<uint32_t>(made.size.height);
    told.frames = static_cast<uint32_t>(made.frames);
    if (!made.devices.empty()) {
      const DeviceReport& first = made.devices[0];
      copy_name(told.device, first.name);
      told.free_bytes = static_cast<uint64_t>(first.memory.free);
      told.total_bytes = static_cast<uint64_t>(first.memory.total);
    }
    told.memory = from_memory(chosen_for_all(made.devices));
    write_struct(inspection, told);
    if (made.problem) throw *made.problem;
  });
}

ovi_status ovi_engine_estimate(const ovi_engine_config* config, const ovi_request* request,
                               const ovi_cancel* cancel, ovi_time_estimate* estimate,
                               ovi_error* error) {
  return guard(error, [&] {
    if (config == nullptr) throw Error(ErrorKind::kSettings, "config is NULL.");
    if (request == nullptr) throw Error(ErrorKind::kSettings, "request is NULL.");
    const ovi_engine_config known = read_struct(config);
    ovi_request asked = read_struct(request);
    asked.image = nullptr;  // its size is enough
    if (asked.prompt == nullptr) asked.prompt = "Any.";
    const ModelFolder folder =
        find_model(known.model_path ? known.model_path : "", to_variant(known.variant));
    const std::vector<c10::Device> devices =
        own_devices(known.device ? known.device : "auto", known.devices ? known.devices : "");
    if (devices.size() > 1)
      throw Error(ErrorKind::kSettings,
                  "What several devices hand to one another is not measured. Set device to one of "
                  "them for the time that it takes alone.");
    const c10::Device device = devices[0];
    const auto model = std::make_shared<LoadedModel>(
        folder, device, arithmetic_of(to_precision(known.precision), device),
        to_memory(known.memory));
    const TimeEstimate made =
        estimate_time(model, to_request(asked), cancel ? &cancel->flag : nullptr);
    ovi_time_estimate told{};
    told.size = sizeof told;
    told.steps = static_cast<uint32_t>(made.steps);
    told.text_seconds = made.text;
    told.image_seconds = made.image;
    told.denoise_seconds = made.denoise;
    told.audio_decode_seconds = made.sound;
    told.video_decode_seconds = made.video;
    told.total_seconds = made.total();
    told.error = kTimeError;
    told.probe_seconds = made.rates.seconds;
    write_struct(estimate, told);
  });
}

ovi_status ovi_engine_check_prompt(const char* prompt, const ovi_engine_config* config,
                                   void (*warn)(void* user, const ovi_warning* warning), void* user,
                                   ovi_prompt_facts* facts, ovi_error* error) {
  return guard(error, [&] {
    if (prompt == nullptr) throw Error(ErrorKind::kSettings, "prompt is NULL.");
    Request request;
    request.prompt = prompt;
    check_request(request);
    ovi_prompt_facts told{};
    told.size = sizeof told;
    told.characters = static_cast<uint32_t>(
        std::count_if(request.prompt.begin(), request.prompt.end(),
                      [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
    told.tokens = -1;
    told.most_tokens = static_cast<uint32_t>(text::kMaxTextTokens);
    std::vector<Warning> warnings;
    if (config) {
      const ovi_engine_config known = read_struct(config);
      const ModelFolder folder =
          find_model(known.model_path ? known.model_path : "", to_variant(known.variant));
      const text::Tokenizer tokenizer(folder.spiece_model);
      warnings = check_prompt(request, folder.spec, tokenizer);
      told.tokens = static_cast<int32_t>(tokens_of(request.prompt, folder.spec, tokenizer));
    } else {
      warnings = check_text(request.prompt);
    }
    for (const Warning& warning : warnings)
      if (warn) tell(warning, warn, user);
    write_struct(facts, told);
  });
}

}  // extern "C"
