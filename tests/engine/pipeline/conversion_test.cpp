// Converted models: the same clips, the values that were promised, and nothing but whole files.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/conversion.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/pow.h>
#include <gtest/gtest.h>

#include "../../sanitizers.h"
#include "../memory_source.h"
#include "../weights/test_files.h"
#include "conversion_fixture.h"
#include "kernels/float8_rows.h"
#include "pipeline/converted_tensors.h"
#include "runtime/host_memory.h"
#include "weights/published.h"
#include "weights/sums_file.h"
#include "weights/synthetic.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

using test::expect_error;
using test::expect_same_clip;
using test::files_below;
using test::request_to;
using test::TempFolder;
using test::tiny_path;
using test::Told;

TEST(Conversion, Bfloat16MakesTheSameClipToTheBit) {
  const TempFolder to;
  Told told;
  ConversionRequest request = request_to(to.path("new"));
  request.verify = true;
  convert_model(request, told, nullptr);
  EXPECT_EQ(told.written, told.verified);
  EXPECT_EQ(told.written, told.total);
  expect_same_clip(to.path("new"), at::kBFloat16);
  const ModelFolder made = find_model(to.path("new"), Variant::kAuto);
  const auto fusion = open_tensors(made.fusion);
  for (const TensorInfo& tensor : fusion->tensors()) EXPECT_EQ(tensor.dtype, at::kBFloat16);
  // Which is not true of values that the engine keeps in float32.
  EXPECT_EQ(open_tensors(made.vocoder)->tensors().front().dtype, at::kFloat);
  EXPECT_LT(fs::file_size(made.fusion),
            fs::file_size(find_model(tiny_path(), Variant::kAuto).fusion));
  EXPECT_EQ(told.files.size(), read_sums(to.path("new")).size());
}

TEST(Conversion, Float32AndStoredMakeTheSameClipToTheBit) {
  const TempFolder to;
  Told told;
  convert_model(request_to(to.path("fp32"), StoredAs::kFp32), told, nullptr);
  convert_model(request_to(to.path("stored"), StoredAs::kAsStored), told, nullptr);
  expect_same_clip(to.path("fp32"), at::kFloat);
  expect_same_clip(to.path("stored"), at::kFloat);
  const ModelFolder from = find_model(tiny_path(), Variant::kAuto);
  const ModelFolder made = find_model(to.path("stored"), Variant::kAuto);
  for (const auto& [one, other] : {std::pair{from.text_encoder, made.text_encoder},
                                   {from.video_vae, made.video_vae},
                                   {from.audio_vae, made.audio_vae}}) {
    const auto before = open_tensors(one), after = open_tensors(other);
    EXPECT_EQ(before->tensors().size(), after->tensors().size());
    for (const TensorInfo& tensor : before->tensors()) {
      EXPECT_TRUE(before->view(tensor.name).equal(after->view(tensor.name))) << tensor.name;
    }
  }
}

/// Half the distance of neighbouring e4m3 values around `value`: three bits of mantissa, and
/// steps of 2^-9 below 2^-6.
at::Tensor half_step(const at::Tensor& value) {
  const at::Tensor exponent = value.abs().clamp_min(std::ldexp(1.0, -6)).log2().floor();
  return at::pow(2.0, exponent - 4);
}

void expect_float8(const std::string& before, const std::string& after, size_t least,
                   Factors factors) {
  const auto from = open_tensors(before), made = open_tensors(after);
  size_t matrices = 0;
  for (const TensorInfo& tensor : from->tensors()) {
    const TensorInfo* now = made->find(tensor.name);
    ASSERT_NE(now, nullptr) << tensor.name;
    if (now->dtype != at::kFloat8_e4m3fn) {
      EXPECT_EQ(made->find(factors_name(tensor.name)), nullptr);
      continue;
    }
    ++matrices;
    EXPECT_EQ(tensor.shape.size(), 2u) << tensor.name;
    EXPECT_EQ(tensor.name.find("norm"), std::string::npos) << tensor.name;
    EXPECT_EQ(tensor.name.find("embedding"), std::string::npos) << tensor.name;
    // As the engine, which rounds to bfloat16 first.
    const at::Tensor exact = from->view(tensor.name).to(at::kBFloat16);
    const at::Tensor values = made->view(tensor.name),
                     scale = made->view(factors_name(tensor.name));
    EXPECT_EQ(scale.scalar_type(), at::kFloat);
    const at::Tensor scaled = exact.to(at::kDouble) / scale.to(at::kDouble);
    const at::Tensor error = (values.to(at::kDouble) - scaled).abs();
    // The quotient is rounded in float32 before it is cut to 8 bits.
    EXPECT_TRUE((error <= half_step(scaled) + scaled.abs() * 1e-6).all().item<bool>())
        << tensor.name;
    if (factors == Factors::kRow) {
      const kernels::Float8Rows rows = kernels::to_float8(exact);
      EXPECT_TRUE(rows.factors.equal(scale)) << tensor.name;
      EXPECT_TRUE(rows.values.view(at::kByte).equal(values.view(at::kByte))) << tensor.name;
    } else {
      EXPECT_EQ(scale.sizes(), (std::vector<int64_t>{1}));
      EXPECT_EQ(values.to(at::kFloat).abs().max().item<float>(), 448);
    }
  }
  EXPECT_GE(matrices, least);
}

TEST(Conversion, Float8KeepsLargeMatricesWithinHalfAStep) {
  const ModelFolder from = find_model(tiny_path(), Variant::kAuto);
  for (const Factors factors : {Factors::kRow, Factors::kTensor}) {
    const TempFolder to;
    Told told;
    ConversionRequest request = request_to(to.path(), StoredAs::kFp8);
    request.factors = factors;
    convert_model(request, told, nullptr);
    expect_float8(from.fusion, to.path("Ovi/model.safetensors"), 20, factors);
    expect_float8(from.text_encoder, to.path(converted_name(published_place::kTextEncoder)), 7, factors);
    // What the engine multiplies in 8 bits, and no other, is in 8 bits.
    LoadedModel model(from, c10::kCPU, arithmetic_for(StoredAs::kFp8));
    const auto made = open_tensors(to.path("Ovi/model.safetensors"));
    for (const WeightSpec& tensor : model.manifests().fusion.tensors) {
      if (tensor.use == WeightSpec::Use::kTemporary)
        EXPECT_EQ(made->find(tensor.name)->dtype, at::kFloat8_e4m3fn) << tensor.name;
      if (tensor.use == WeightSpec::Use::kStored)
        EXPECT_NE(made->find(tensor.name)->dtype, at::kFloat8_e4m3fn) << tensor.name;
    }
  }
}

TEST(Conversion, TensorsAreMappedAtCacheLines) {
  const TempFolder to;
  Told told;
  convert_model(request_to(to.path()), told, nullptr);
  size_t lines = 0;
  for (const ConvertedFile& file : told.files) {
    if (file.tensors == 0) continue;
    const auto made = open_tensors(file.path);
    for (const TensorInfo& tensor : made->tensors()) {
      const auto address = reinterpret_cast<uintptr_t>(made->view(tensor.name).const_data_ptr());
      EXPECT_EQ(address % c10::elementSize(tensor.dtype), 0u) << tensor.name;
      if (bytes_of(tensor) % 64 != 0) continue;
      EXPECT_EQ(address % 64, 0u) << tensor.name;
      ++lines;
    }
  }
  EXPECT_GT(lines, 300u);
}

TEST(Conversion, TakesLittleMemoryWhateverATensorsSize) {
  SyntheticSize size;
  size.text = {1, 4096, 1024, 64, 32768, 32};  // the table of tokens: 256 MiB
  const auto source = synthetic_text_encoder(size);
  std::vector<PlannedTensor> plan;
  for (const TensorInfo& tensor : source->tensors())
    plan.push_back({tensor, at::kBFloat16, false, true});
  const TempFolder to;
  const uint64_t before = peak_host_bytes();
  const ConvertedTensors converted(source, plan, Factors::kRow, {});
  NewFile file(to.path("m.safetensors"), converted.layout().bytes);
  uint64_t bytes = 0;
  converted.write(file, [&](uint64_t more) { bytes += more; });
  file.finish();
  EXPECT_EQ(bytes, converted.layout().bytes);
  EXPECT_GT(bytes, uint64_t{256} << 20);
  // A sanitizer keeps what was freed for a while.
#if !defined(OVI_ADDRESS_SANITIZER) && !defined(OVI_THREAD_SANITIZER)
  EXPECT_LT(peak_host_bytes() - before, uint64_t{96} << 20);
#else
  (void)before;
#endif
}

TEST(Conversion, ValuesThatAreNoNumbersAreNamed) {
  at::Tensor bad = at::full({16, 16}, 1.0, at::TensorOptions().dtype(at::kDouble));
  bad[3][4] = 1e39;
  const auto source = std::make_shared<test::MemorySource>(
      std::map<std::string, at::Tensor>{{"good.weight", at::full({4}, 1.0f)}, {"bad.weight", bad}});
  const TempFolder to;
  const auto write = [&](at::ScalarType dtype, bool float8, bool needed) {
    std::vector<PlannedTensor> plan;
    for (const TensorInfo& tensor : source->tensors())
      plan.push_back({tensor, dtype, float8 && tensor.name == "bad.weight", needed});
    const ConvertedTensors converted(source, plan, Factors::kRow, {});
    NewFile file(to.path("m.safetensors"), converted.layout().bytes);
    converted.write(file, [](uint64_t) {});
  };
  expect_error(
      ErrorKind::kFormat, [&] { write(at::kFloat, false, true); }, "bad.weight",
      "too large for Float");
  expect_error(
      ErrorKind::kFormat, [&] { write(at::kFloat8_e4m3fn, true, true); }, "bad.weight");
  write(at::kFloat, false, false);
  bad[3][4] = std::nan("");
  expect_error(
      ErrorKind::kFormat, [&] { write(at::kFloat, false, true); }, "NaN");
  EXPECT_EQ(files_below(to.path()).size(), 0u);
}

TEST(Conversion, ACancelLeavesWhatWasThere) {
  for (const uint64_t percent : {0, 1, 30, 60, 99}) {
    const TempFolder to;
    to.write("old/SHA256SUMS", "mine");
    to.write("old/Ovi/model.safetensors", "mine");
    for (const char* name : {"new", "old"}) {
      Told told;
      Cancel cancel;
      told.on_progress = [&](uint64_t done, uint64_t total) {
        if (done * 100 >= percent * total) cancel.trigger();
      };
      ConversionRequest request = request_to(to.path(name));
      request.force = true;
      expect_error(ErrorKind::kCancelled, [&] { convert_model(request, told, &cancel); });
    }
    EXPECT_FALSE(fs::exists(to.path("new")));
    EXPECT_EQ(test::read_all(to.path("old/SHA256SUMS")), "mine");
    EXPECT_EQ(test::read_all(to.path("old/Ovi/model.safetensors")), "mine");
    EXPECT_EQ(files_below(to.path()).size(), 2u);
  }
}

TEST(Conversion, SettingsOfAnotherVariantStayBehind) {
  const TempFolder to;
  fs::copy(tiny_path(), to.path("model"), fs::copy_options::recursive);
  fs::copy_file(to.path("model/Ovi/model.safetensors"),
                to.path("model/Ovi/model_960x960.safetensors"));
  Told told;
  ConversionRequest request = request_to(to.path("new"));
  request.model_path = to.path("model");
  request.variant = Variant::k960x960_5s;
  convert_model(request, told, nullptr);
  const ModelFolder made = find_model(to.path("new"), Variant::kAuto);
  EXPECT_EQ(made.variant, Variant::k960x960_5s);
  EXPECT_EQ(made.spec.area, 960 * 960);
  EXPECT_EQ(made.num_heads, 2);
}

}  // namespace
}  // namespace ovi
