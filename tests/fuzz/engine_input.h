// Messages of the engine as they leave it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "capi/plain_text.h"
#include "fuzz_input.h"
#include "ovi/engine.h"
#include "runtime/error.h"

namespace fuzz {

/// What a reader says, on its way through the door.
inline void expect_engine_message(std::string_view message) {
  constexpr size_t kMost = sizeof(ovi_error::message) - 1;
  if (message.empty()) wrong("no message");
  expect_message(ovi::capi::plain_text(message, kMost, ovi::capi::Lines::kOne), kMost);
}

inline void expect_error(const ovi::Error& error) { expect_engine_message(error.what()); }

}  // namespace fuzz
