// The dtypes of the safetensors format that are known here, by the names in its headers.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string_view>

namespace ovi::safetensors {

/// None for a name, or a type, that is not among them.
std::optional<at::ScalarType> dtype_named(std::string_view name);
std::optional<std::string_view> name_of(at::ScalarType dtype);

}  // namespace ovi::safetensors
