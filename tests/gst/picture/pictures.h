// What the engine gets for a picture, and what is told of one that it does not get.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <math.h>

#include "fixture.h"

namespace fixture {

struct Seen {
  uint32_t width, height;
  std::string rgb;
};

/// What the engine gets for `image`.
inline Seen seen_by_engine(const std::string& image) {
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  g_object_set(source, "image", image.c_str(), nullptr);
  Posted error;
  fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_EOS);
  const ovi_request& request = fake().seen()->request;
  Seen seen{request.image_width, request.image_height,
            std::string(reinterpret_cast<char*>(fake().seen()->image),
                        size_t{3} * request.image_width * request.image_height)};
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return seen;
}

inline double psnr(const std::string& a, const std::string& b) {
  fail_unless_equals_int(a.size(), b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<uint8_t>(a[i]) - static_cast<uint8_t>(b[i]);
    sum += difference * difference;
  }
  return sum == 0 ? 200 : 10 * log10(255.0 * 255.0 * static_cast<double>(a.size()) / sum);
}

inline void expect_error(const std::string& image, GQuark domain, int code) {
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  g_object_set(source, "image", image.c_str(), nullptr);
  Posted error;
  const int loaded = fake().counters().models_loaded;
  fail_unless(play_to_end(pipeline, &error) == GST_MESSAGE_ERROR, "%s was taken", image.c_str());
  check_error(error, domain, code, "image");
  gst_element_set_state(pipeline, GST_STATE_READY);
  fail_unless_equals_int(fake().counters().models_loaded, loaded);
  // The same instance goes on without.
  g_object_set(source, "image", nullptr, nullptr);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

}  // namespace fixture
