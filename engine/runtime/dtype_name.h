// Types of numbers as users of models call them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <string>

namespace ovi {

/// bf16, fp8 (e4m3), int8; of a type that has no such name LibTorch's.
std::string dtype_name(at::ScalarType type);

/// Their names, the one with the largest share first, each once.
std::string dtype_names(const std::map<at::ScalarType, uint64_t>& shares);

}  // namespace ovi
