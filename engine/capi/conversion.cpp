// The functions of ovi/convert.h.
// SPDX-License-Identifier: Apache-2.0
#include "ovi/convert.h"

#include <string>

#include "capi/cancel.h"
#include "capi/convert.h"
#include "capi/plain_text.h"
#include "capi/status.h"
#include "pipeline/conversion.h"
#include "runtime/error.h"

namespace {

using namespace ovi;
using namespace ovi::capi;

class CallbackSink final : public ConversionSink {
 public:
  explicit CallbackSink(const ovi_conversion_callbacks* callbacks)
      : to_(callbacks ? read_struct(callbacks) : ovi_conversion_callbacks{}) {}

  void progress(const std::string& file, bool verifying, uint64_t done, uint64_t total,
                double seconds_left) override {
    if (!to_.progress) return;
    const ovi_conversion_progress told{sizeof told, file.c_str(), verifying,
                                       done,        total,        seconds_left};
    to_.progress(to_.user, &told);
  }

  void warning(const std::string& sentence) override {
    if (to_.warning) {
      to_.warning(to_.user, plain_text(sentence, kLongestMessage, Lines::kOne).c_str());
    }
  }

  void file(const ConvertedFile& file) override {
    if (!to_.file) return;
    const ovi_converted_file told{
        sizeof told,        file.path.c_str(), file.source.empty() ? nullptr : file.source.c_str(),
        file.bytes,         file.tensors,      file.dtypes.c_str(),
        file.sha256.c_str()};
    to_.file(to_.user, &told);
  }

 private:
  ovi_conversion_callbacks to_;
};

}  // namespace

extern "C" {

ovi_status ovi_engine_convert(const ovi_conversion* conversion,
                              const ovi_conversion_callbacks* callbacks, const ovi_cancel* cancel,
                              ovi_error* error) {
  return guard(error, [&] {
    if (conversion == nullptr) throw Error(ErrorKind::kSettings, "conversion is NULL.");
    const ovi_conversion known = read_struct(conversion);
    ConversionRequest request;
    request.model_path = known.model_path ? known.model_path : "";
    request.target = known.target_path ? known.target_path : "";
    request.variant = to_variant(known.variant);
    request.stored = to_stored_as(known.weights);
    request.factors = to_factors(known.factors);
    request.force = known.force != 0;
    request.verify = known.verify != 0;
    request.loras = to_loras(known.loras, known.lora_count);
    request.program = std::string("ovii2vsrc ") + ovi_engine_version();
    CallbackSink sink(callbacks);
    convert_model(request, sink, cancel ? &cancel->flag : nullptr);
  });
}

ovi_status ovi_engine_verify(const char* folder, const ovi_conversion_callbacks* callbacks,
                             const ovi_cancel* cancel, ovi_error* error) {
  return guard(error, [&] {
    if (folder == nullptr) throw Error(ErrorKind::kSettings, "folder is NULL.");
    CallbackSink sink(callbacks);
    verify_converted(folder, sink, cancel ? &cancel->flag : nullptr);
  });
}

}  // extern "C"
