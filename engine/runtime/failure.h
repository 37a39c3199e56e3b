// Any exception as an Error, with what a user can do about it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/error.h"

namespace ovi {

/// Of the exception that is being handled; LibTorch's and the standard library's have words of
/// their own. May throw std::bad_alloc.
Error error_in_flight();

/// For where there is no memory for more: its message.
const char* out_of_host_memory();

}  // namespace ovi
