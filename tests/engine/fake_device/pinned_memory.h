// Host memory that copies can use without the host.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/CachingHostAllocator.h>

namespace ovi::test::fake {

at::HostAllocator& pinned_memory();

}  // namespace ovi::test::fake
