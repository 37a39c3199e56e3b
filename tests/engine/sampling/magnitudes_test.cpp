// Residual magnitudes: measured, written, read, and asked for between measured timesteps.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "runtime/error.h"
#include "sampling/magnitude_file.h"
#include "sampling/magnitude_meter.h"
#include "sampling/magnitude_table.h"
#include "sampling/scheduler.h"

namespace ovi {
namespace {

namespace fs = std::filesystem;

// |r(t)| = e^(a t): any two timesteps have the ratio e^(a (to - from)).
MagnitudeRatios exponential(const std::vector<double>& timesteps, double a) {
  MagnitudeRatios measured;
  measured.timesteps = timesteps;
  for (size_t c = 0; c < kMagnitudeCurves; ++c) {
    for (size_t i = 0; i + 1 < timesteps.size(); ++i) {
      measured.ratios[c].push_back(
          std::exp(a * (1.0 + static_cast<double>(c)) * (timesteps[i + 1] - timesteps[i])));
    }
  }
  return measured;
}

TEST(MagnitudeTable, IsExactBetweenAndBeyondForAnExponential) {
  const MagnitudeTable table(exponential({900, 870, 600, 100, 50}, 0.001), "the test");
  for (const double from : {1000.0, 900.0, 880.0, 400.0, 60.0}) {
    for (const double to : {890.0, 870.0, 333.0, 50.0, 5.0}) {
      for (size_t c = 0; c < kMagnitudeCurves; ++c) {
        EXPECT_NEAR(table.ratio(static_cast<MagnitudeCurve>(c), from, to),
                    std::exp(0.001 * (1.0 + static_cast<double>(c)) * (to - from)), 1e-12);
      }
    }
  }
}

TEST(MagnitudeTable, GivesTheMeasuredRatiosAndTheirProducts) {
  MagnitudeRatios measured;
  measured.timesteps = {1000, 900, 500};
  measured.ratios = {std::vector{0.9, 0.5}, {1.0, 1.0}, {1.1, 2.0}, {1.0, 1.0}};
  const MagnitudeTable table(measured, "the test");
  EXPECT_NEAR(table.ratio(MagnitudeCurve::kVideoPositive, 1000, 900), 0.9, 1e-12);
  EXPECT_NEAR(table.ratio(MagnitudeCurve::kVideoPositive, 900, 500), 0.5, 1e-12);
  EXPECT_NEAR(table.ratio(MagnitudeCurve::kAudioPositive, 1000, 500), 2.2, 1e-12);
  EXPECT_NEAR(table.ratio(MagnitudeCurve::kAudioPositive, 500, 1000), 1 / 2.2, 1e-12);
  EXPECT_NEAR(table.ratio(MagnitudeCurve::kVideoPositive, 900, 700), std::sqrt(0.5), 1e-12);
}

// Half as many steps go twice as far: about the product of two ratios, not one of them.
TEST(MagnitudeTable, TheBackbonesServesOtherNumbersOfSteps) {
  const MagnitudeTable table = MagnitudeTable::of_the_backbone();
  const auto fifty = make_scheduler(Solver::kUnipc, 50, 5.0)->timesteps();
  const auto mean_error = [&](int64_t steps) {
    const auto timesteps = make_scheduler(Solver::kUnipc, steps, 5.0)->timesteps();
    double sum = 0;
    for (size_t i = 0; i + 1 < timesteps.size(); ++i) {
      sum += 1 - table.ratio(MagnitudeCurve::kVideoPositive, timesteps[i], timesteps[i + 1]);
    }
    return sum / static_cast<double>(steps - 1);
  };
  EXPECT_NEAR(mean_error(25) / mean_error(50), 2.0, 0.3);
  // As published: 0.99512 after the first step, 0.96655 at the last.
  EXPECT_NEAR(table.ratio(MagnitudeCurve::kVideoPositive, fifty[0], fifty[1]), 0.99512, 1e-9);
  EXPECT_NEAR(table.ratio(MagnitudeCurve::kVideoPositive, fifty[48], fifty[49]), 0.96655, 1e-9);
  EXPECT_NEAR(table.ratio(MagnitudeCurve::kVideoNegative, fifty[48], fifty[49]), 0.96616, 1e-9);
}

TEST(MagnitudeTable, RefusesWhatIsNoCurve) {
  const auto refused = [](void (*spoil)(MagnitudeRatios&)) {
    MagnitudeRatios measured = exponential({900, 800, 700}, 0.001);
    spoil(measured);
    try {
      MagnitudeTable(measured, "the test");
      return false;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("the test"), std::string::npos);
      return error.kind() == ErrorKind::kFormat;
    }
  };
  EXPECT_FALSE(refused([](MagnitudeRatios&) {}));
  EXPECT_TRUE(refused([](MagnitudeRatios& m) { m.timesteps = {5}; }));
  EXPECT_TRUE(refused([](MagnitudeRatios& m) { m.timesteps[1] = 900; }));
  EXPECT_TRUE(refused([](MagnitudeRatios& m) { m.timesteps[0] = 1000.5; }));
  EXPECT_TRUE(refused([](MagnitudeRatios& m) { m.timesteps[2] = NAN; }));
  EXPECT_TRUE(refused([](MagnitudeRatios& m) { m.ratios[3].pop_back(); }));
  EXPECT_TRUE(refused([](MagnitudeRatios& m) { m.ratios[0][1] = 0; }));
  EXPECT_TRUE(refused([](MagnitudeRatios& m) { m.ratios[2][0] = INFINITY; }));
  EXPECT_TRUE(refused([](MagnitudeRatios& m) { m.ratios[2][0] = 5e-324; }));
  EXPECT_TRUE(refused([](MagnitudeRatios& m) { m.ratios[2][0] = 1e300; }));
  EXPECT_TRUE(refused([](MagnitudeRatios& m) { m.timesteps[1] = 900 - 1e-9; }));
}

TEST(MagnitudeMeter, AveragesTheTokensRatios) {
  MagnitudeMeter meter;
  const auto residual = [](std::vector<float> rows) {  // rows of norm 5 r
    const at::Tensor direction = at::tensor({3.0f, -4.0f});
    return at::tensor(rows).unsqueeze(1) * direction;
  };
  meter.begin_step(900);
  meter.add(MagnitudeCurve::kVideoPositive, residual({1, 2}));
  meter.add(MagnitudeCurve::kAudioPositive, residual({4}).to(at::kBFloat16));
  meter.begin_step(800);
  meter.add(MagnitudeCurve::kVideoPositive, residual({2, 1}));  // 2 and 0.5
  meter.add(MagnitudeCurve::kAudioPositive, residual({3}).to(at::kBFloat16));
  meter.begin_step(700);
  meter.add(MagnitudeCurve::kVideoPositive, residual({1, 1}));  // 0.5 and 1
  meter.add(MagnitudeCurve::kAudioPositive, residual({3}).to(at::kBFloat16));
  const MagnitudeRatios measured = meter.ratios();
  EXPECT_EQ(measured.timesteps, (std::vector<double>{900, 800, 700}));
  const auto of = [&](MagnitudeCurve curve) { return measured.ratios[static_cast<size_t>(curve)]; };
  ASSERT_EQ(of(MagnitudeCurve::kVideoPositive).size(), 2u);
  EXPECT_NEAR(of(MagnitudeCurve::kVideoPositive)[0], 1.25, 1e-6);
  EXPECT_NEAR(of(MagnitudeCurve::kVideoPositive)[1], 0.75, 1e-6);
  EXPECT_NEAR(of(MagnitudeCurve::kAudioPositive)[0], 0.75, 1e-6);
  EXPECT_EQ(of(MagnitudeCurve::kVideoNegative), of(MagnitudeCurve::kVideoPositive));
  EXPECT_EQ(of(MagnitudeCurve::kAudioNegative), of(MagnitudeCurve::kAudioPositive));
}

class MagnitudeFileTest : public testing::Test {
 protected:
  void SetUp() override {
    path = fs::temp_directory_path() /
           ("ovi-magnitudes-" + std::to_string(reinterpret_cast<uintptr_t>(this)) + "-" +
            testing::UnitTest::GetInstance()->current_test_info()->name() + ".json");
    fs::remove(path);
  }
  void TearDown() override { fs::remove(path); }

  void write(const std::string& text) const { std::ofstream(path) << text; }
  std::string refusal() const {
    try {
      read_magnitudes(path, "720x720_5s");
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat);
      return error.what();
    }
  }

  fs::path path;
};

TEST_F(MagnitudeFileTest, ReadsWhatItWroteVariantByVariant) {
  write_magnitudes(path, "720x720_5s", exponential({900, 500, 100}, 0.001), "a run");
  write_magnitudes(path, "960x960_5s", exponential({900, 500, 100}, 0.002), "another");
  write_magnitudes(path, "960x960_5s", exponential({900, 500, 100}, 0.003), "once more");
  const auto one = read_magnitudes(path, "720x720_5s"), two = read_magnitudes(path, "960x960_5s");
  ASSERT_TRUE(one && two);
  EXPECT_NEAR(one->ratio(MagnitudeCurve::kVideoPositive, 900, 100), std::exp(-0.8), 1e-12);
  EXPECT_NEAR(two->ratio(MagnitudeCurve::kVideoPositive, 900, 100), std::exp(-2.4), 1e-12);
  EXPECT_NEAR(two->ratio(MagnitudeCurve::kAudioNegative, 900, 100), std::exp(-9.6), 1e-12);
  EXPECT_FALSE(read_magnitudes(path, "960x960_10s"));
  EXPECT_EQ(one->source(), path.filename().string() + ", 720x720_5s");
}

TEST_F(MagnitudeFileTest, NamesWhatIsBroken) {
  const std::string lists = R"("video": {"positive": [0.9], "negative": [0.9]},)"
                            R"( "audio": {"positive": [0.9], "negative": [0.9]})";
  const auto entry = [](const std::string& fields) { return "{\"720x720_5s\": {" + fields + "}}"; };
  write(entry("\"timesteps\": [900, 800], " + lists));
  EXPECT_EQ(refusal(), "");
  const std::pair<std::string, const char*> rows[] = {
      {"", "empty"},
      {"{", "not JSON"},
      {"[]", "object"},
      {"{\"720x720_5s\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}", "nested"},
      {"{\"720x720_5s\": {}, \"720x720_5s\": {}}", "twice"},
      {"{\"720x720_5s\": 3}", "720x720_5s must be an object"},
      {entry(lists), "720x720_5s.timesteps is missing"},
      {entry("\"timesteps\": [900, 800]"), "720x720_5s.video is missing"},
      {entry("\"timesteps\": [900, 800], \"ratio\": 1, " + lists), "720x720_5s.ratio"},
      {entry("\"timesteps\": [900, \"x\"], " + lists), "\"x\", which is no number"},
      {entry("\"timesteps\": [900, 800, 700], " + lists), "3 timesteps need 2 ratios, not 1"},
      {entry("\"timesteps\": [800, 900], " + lists), "below the one before"},
      // Another variant's part is no less broken.
      {"{\"960x960_5s\": {}}", "960x960_5s.timesteps is missing"},
  };
  for (const auto& [text, names] : rows) {
    write(text);
    EXPECT_NE(refusal().find(names), std::string::npos) << text << "\n" << refusal();
    EXPECT_NE(refusal().find("--calibrate"), std::string::npos) << "no way out";
    EXPECT_NE(refusal().find(path.string()), std::string::npos) << refusal();
  }
  EXPECT_THROW(write_magnitudes(path, "720x720_5s", exponential({900, 800}, 0.001), ""), Error)
      << "wrote over something else";
  EXPECT_THROW(read_magnitudes("/no/such/file.json", "720x720_5s"), Error);
  EXPECT_THROW(write_magnitudes("/no/such/file.json", "", exponential({900, 800}, 0.001), ""),
               Error);
}

}  // namespace
}  // namespace ovi
