// Opens the engine library on demand and hands out its functions.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "ovi/engine.h"

namespace ovii2v {

/// The functions of ovi/engine.h, as found in the library that was opened, or as run by a process
/// of its own (isolation/isolated_engine.h).
struct Engine {
  std::string path;
  decltype(&ovi_engine_abi_version) abi_version;
  std::function<decltype(ovi_engine_version)> version;
  std::function<decltype(ovi_engine_create)> create;
  decltype(&ovi_engine_plan) plan;
  decltype(&ovi_engine_generate) generate;
  decltype(&ovi_engine_destroy) destroy;
  decltype(&ovi_engine_join) join = nullptr;  // none where a process of its own runs the others
  std::function<decltype(ovi_cancel_new)> cancel_new;
  decltype(&ovi_cancel_trigger) cancel_trigger;
  decltype(&ovi_cancel_reset) cancel_reset;
  decltype(&ovi_cancel_free) cancel_free;
  decltype(&ovi_buffer_release) buffer_release;
};

/// Opens the engine once per process; it stays mapped for good, since LibTorch
/// cannot be unloaded. Looks at $OVII2V_ENGINE_PATH (a file; when set nothing
/// else is tried), then beside `plugin` (a file; empty: the one that this code is in), then in the
/// folders of $LD_LIBRARY_PATH and the system's. A file that is damaged, and any beside another
/// LibTorch, is not opened. Returns nullptr with `message` (for the user) and `detail` (what was
/// tried) filled; a later call tries again.
const Engine* open_engine(std::string& message, std::string& detail,
                          const std::string& plugin = {});

}  // namespace ovii2v
