// Host memory that copies can use without the host.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Allocator.h>

namespace ovi::test::fake {

c10::Allocator& pinned_memory();

}  // namespace ovi::test::fake
