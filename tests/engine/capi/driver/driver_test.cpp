// A machine with a driver and a GPU that LibTorch cannot use.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "../small_request.h"
#include "ovi/engine.h"
#include "runtime/device.h"

namespace {

using Texts = std::vector<std::string>;

class UnusableGpu : public testing::Test {
 protected:
  void TearDown() override { ovi_engine_destroy(engine_); }

  ovi_status open(const char* device) {
    const std::string path = std::string(std::getenv("OVI_TEST_DATA")) + "/models/tiny";
    ovi_engine_config config{};
    config.size = sizeof config;
    config.model_path = path.c_str();
    config.device = device;
    return ovi_engine_create(&config, &engine_, &error_);
  }
  Texts warnings() {
    const ovi_request request = small_request();
    ovi_plan plan{};
    plan.size = sizeof plan;
    Texts texts;
    const auto keep = [](void* user, const ovi_warning* warning) {
      EXPECT_EQ(warning->code, OVI_WARNING_SETTINGS);
      static_cast<Texts*>(user)->push_back(warning->message);
    };
    EXPECT_EQ(ovi_engine_plan(engine_, &request, &plan, keep, &texts, &error_), OVI_OK);
    EXPECT_STREQ(plan.device, "cpu");
    return texts;
  }

  ovi_engine* engine_ = nullptr;
  ovi_error error_{sizeof error_, OVI_OK, "", ""};
};

TEST_F(UnusableGpu, IsWarnedOfWhereAutoPassesItOver) {
  for (const char* device : {"auto", "", static_cast<const char*>(nullptr)}) {
    ASSERT_EQ(open(device), OVI_OK) << error_.message;
    const Texts texts = warnings();
    ASSERT_EQ(texts.size(), 1u);
    EXPECT_NE(texts[0].find("device=auto takes the CPU"), std::string::npos) << texts[0];
    EXPECT_NE(texts[0].find("device=cpu"), std::string::npos) << texts[0];
    ovi_engine_destroy(engine_);
    engine_ = nullptr;
  }
}

TEST_F(UnusableGpu, IsNoMatterForWhoWantsTheCpu) {
  ASSERT_EQ(open("cpu"), OVI_OK) << error_.message;
  EXPECT_EQ(warnings(), Texts());
}

TEST_F(UnusableGpu, IsAnErrorForWhoWantsIt) {
  EXPECT_NE(open("cuda"), OVI_OK);
  EXPECT_NE(std::string(error_.message).find("device=cpu"), std::string::npos) << error_.message;
}

TEST(CudaDriver, SaysWhatItHas) {
  EXPECT_EQ(ovi::ask_cuda_driver().version, 12040);
  EXPECT_EQ(ovi::ask_cuda_driver().devices, 1);
  EXPECT_EQ(ovi::compute_capability(0), 86);
  EXPECT_EQ(ovi::compute_capability(1), 0);
}

TEST(WhyUnusable, NamesVersionsAndTheWayOut) {
  const std::string old = ovi::why_unusable({12040, 1}, 13000);
  for (const char* part : {"CUDA 12.4", "needs 13.0", "Update the driver"})
    EXPECT_NE(old.find(part), std::string::npos) << old;
  EXPECT_NE(ovi::why_unusable({13000, 2}, 13000).find("2 GPU(s)"), std::string::npos);
}

}  // namespace
