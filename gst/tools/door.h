// The engine's side doors (ovi/inspect.h, ovi/convert.h), opened as the plug-in opens the engine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "engine/gstovii2vloader.h"
#include "ovi/convert.h"
#include "ovi/inspect.h"

namespace ovii2v::tools {

struct Door {
  const Engine* engine = nullptr;
  decltype(&ovi_engine_inspect) inspect = nullptr;
  decltype(&ovi_engine_check_prompt) check_prompt = nullptr;
  decltype(&ovi_engine_estimate) estimate = nullptr;
  decltype(&ovi_engine_convert) convert = nullptr;
  decltype(&ovi_engine_verify) verify = nullptr;
};

/// Opens the engine that the plug-in in `plugin` (a file, or nothing) would open. False with
/// `problem` filled when there is none; of an engine that is older the functions are null.
bool open_door(const std::string& plugin, Door& door, std::string& problem);

}  // namespace ovii2v::tools
