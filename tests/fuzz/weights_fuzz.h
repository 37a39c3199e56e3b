// One input of the weight readers' fuzz test.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

/// Opens the bytes as a weight file and reads every tensor in it. Returns when
/// they were read or refused with an ovi::Error; anything else ends the process.
/// libFuzzer's entry point: build weights_fuzz.cpp with -fsanitize=fuzzer to use it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
