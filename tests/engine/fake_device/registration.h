// The parts that device() registers with LibTorch, each once.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ovi::test::fake {

void register_memory();     // device memory; memory.cpp
void register_streams();    // streams, events, pinned memory, generators; streams.cpp
void register_operators();  // operators.cpp

}  // namespace ovi::test::fake
