// Opens the engine library on demand and hands out its functions.
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/gstovii2vloader.h"

#include <dlfcn.h>
#include <gmodule.h>

#include <mutex>
#include <vector>

#include "engine/elf_file.h"
#include "engine/engine_file.h"
#include "engine/other_libtorch.h"

namespace ovii2v {
namespace {

constexpr const char* kLibrary = "libovii2v-engine.so.1";
static_assert(OVI_ENGINE_ABI == 1, "the file's number is that of the interface");

constexpr const char* kVariable = "OVII2V_ENGINE_PATH";

/// The file that the user chose; empty when none is. Somebody who may set the environment of a
/// program with more rights than his own must not choose its code.
std::string chosen_file() {
  const char* path = secure_getenv(kVariable);
  if (!path || !*path) return {};
  g_autofree char* whole = g_canonicalize_filename(path, nullptr);
  return whole;
}

/// Where the library may be, in the order of trying; whole paths.
std::vector<std::string> candidates(const std::string& chosen, std::string plugin) {
  if (!chosen.empty()) return {chosen};

  std::vector<std::string> paths;
  Dl_info self{};
  if (plugin.empty() && dladdr(reinterpret_cast<const void*>(&open_engine), &self) &&
      self.dli_fname)
    plugin = self.dli_fname;
  if (!plugin.empty()) {
    g_autofree char* file = g_canonicalize_filename(plugin.c_str(), nullptr);
    g_autofree char* folder = g_path_get_dirname(file);
    // The build tree, then the installed one ($libdir/gstreamer-1.0 -> $libdir/ovii2v).
    for (const char* room : {"engine", "ovii2v"}) {
      g_autofree char* name = g_build_filename(folder, "..", room, kLibrary, nullptr);
      g_autofree char* path = g_canonicalize_filename(name, nullptr);
      paths.emplace_back(path);
    }
  }
  for (const auto& folders : {environment_folders(), system_folders()})
    for (const std::string& folder : folders) paths.push_back(folder + "/" + kLibrary);
  return paths;
}

/// One sentence on the way out, from what the dynamic linker said.
std::string advice(const std::string& reason, const std::string& chosen) {
  for (const char* library : {"libtorch", "libc10", "libcudart", "libcupti"}) {
    if (reason.find(library) != std::string::npos)
      return std::string("LibTorch (") + library +
             ") was not found: put back the LibTorch the engine was built with, or run the set-up "
             "again.";
  }
  if (!chosen.empty())
    return std::string(kVariable) + " names " + chosen +
           ": let it name libovii2v-engine.so.1, or unset it.";
  return std::string(
             "Install libovii2v-engine.so.1 beside the plug-in, run the set-up again, or set ") +
         kVariable + " to that file.";
}

template <typename Function>
bool resolve(GModule* module, const char* name, Function*& function) {
  gpointer symbol = nullptr;
  if (!g_module_symbol(module, name, &symbol) || !symbol) return false;
  function = reinterpret_cast<Function*>(symbol);
  return true;
}

template <typename Function>
bool resolve(GModule* module, const char* name, std::function<Function>& function) {
  Function* plain = nullptr;
  if (!resolve(module, name, plain)) return false;
  function = plain;
  return true;
}

/// Empty when the library is fit, else what is wrong with it.
std::string bind(GModule* module, Engine& engine) {
  if (!resolve(module, "ovi_engine_abi_version", engine.abi_version))
    return "it has no ovi_engine_abi_version, so it is no Ovi engine";
  if (const uint32_t found = engine.abi_version(); found != OVI_ENGINE_ABI)
    return "it speaks interface version " + std::to_string(found) + ", this plug-in needs " +
           std::to_string(OVI_ENGINE_ABI) + "; install plug-in and engine of the same release";
  const char* missing = nullptr;
  auto take = [&](const char* name, auto& function) {
    if (!missing && !resolve(module, name, function)) missing = name;
  };
  take("ovi_engine_version", engine.version);
  take("ovi_engine_create", engine.create);
  take("ovi_engine_plan", engine.plan);
  take("ovi_engine_generate", engine.generate);
  take("ovi_engine_destroy", engine.destroy);
  take("ovi_engine_join", engine.join);
  take("ovi_cancel_new", engine.cancel_new);
  take("ovi_cancel_trigger", engine.cancel_trigger);
  take("ovi_cancel_reset", engine.cancel_reset);
  take("ovi_cancel_free", engine.cancel_free);
  take("ovi_buffer_release", engine.buffer_release);
  return missing ? std::string("it lacks the function ") + missing : std::string();
}

}  // namespace

const Engine* open_engine(std::string& message, std::string& detail, const std::string& plugin) {
  static std::mutex lock;
  static Engine engine;
  static bool opened = false;

  std::lock_guard guard(lock);
  if (opened) return &engine;

  const std::string chosen = chosen_file();
  detail = "Tried, in this order:";
  std::string reason;
  for (const std::string& path : candidates(chosen, plugin)) {
    detail += "\n  " + path + ": ";
    EngineFile file;
    if (const std::string wrong = check_engine_file(path, file); !wrong.empty()) {
      detail += wrong;
      if (wrong == elf::kNoSuchFile) continue;
      // A library that is there but cannot be used is the one to mend.
      message = "The Ovi engine " + path + " does not fit: it " + wrong + ".";
      if (!chosen.empty()) message.append(" ").append(advice({}, chosen));
      return nullptr;
    }
    if (const std::string other = other_libtorch(file); !other.empty()) {
      detail += "not opened beside another LibTorch";
      message = other;
      return nullptr;
    }
    const auto flags = static_cast<GModuleFlags>(G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
    GModule* module = g_module_open(path.c_str(), flags);
    if (!module) {
      const char* said = g_module_error();
      reason = said ? said : "cannot be opened";
      detail += reason;
      break;
    }
    if (const std::string unfit = bind(module, engine); !unfit.empty()) {
      detail += unfit;
      message = "The Ovi engine " + path + " does not fit: " + unfit + ".";
      g_module_close(module);
      return nullptr;
    }
    engine.path = g_module_name(module);
    g_module_make_resident(module);
    opened = true;
    return &engine;
  }
  message = "The Ovi engine could not be opened. " + advice(reason, chosen);
  return nullptr;
}

}  // namespace ovii2v
