// The engine's side doors (ovi/inspect.h, ovi/convert.h), opened as the plug-in opens the engine.
// SPDX-License-Identifier: Apache-2.0
#include "door.h"

#include <gmodule.h>

namespace ovii2v::tools {
namespace {

template <typename Function>
void find(GModule* module, const char* name, Function& function) {
  gpointer symbol = nullptr;
  if (g_module_symbol(module, name, &symbol)) function = reinterpret_cast<Function>(symbol);
}

}  // namespace

bool open_door(const std::string& plugin, Door& door, std::string& problem) {
  std::string detail;
  door.engine = open_engine(problem, detail, plugin);
  if (!door.engine) return false;
  // It is open already, and stays so.
  GModule* module = g_module_open(door.engine->path.c_str(), G_MODULE_BIND_LOCAL);
  if (!module) return true;
  find(module, "ovi_engine_inspect", door.inspect);
  find(module, "ovi_engine_check_prompt", door.check_prompt);
  find(module, "ovi_engine_estimate", door.estimate);
  find(module, "ovi_engine_convert", door.convert);
  find(module, "ovi_engine_verify", door.verify);
  g_module_close(module);
  return true;
}

}  // namespace ovii2v::tools
