// Finds the element: by GStreamer's own search, else where it lies beside this program.
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "plugin.h"

#include <limits.h>
#include <unistd.h>

#include <vector>

namespace ovii2v::tools {
namespace {

constexpr const char* kElement = "ovii2vsrc";
constexpr const char* kLibrary = "libgstovii2v.so";

/// From this program's folder: as it is installed, and as it is built.
std::vector<std::string> places() {
  char self[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self);
  if (length <= 0 || static_cast<size_t>(length) >= sizeof self) return {};
  g_autofree gchar* folder =
      g_path_get_dirname(std::string(self, static_cast<size_t>(length)).c_str());
  std::vector<std::string> files;
  for (const char* way : {OVI_WAY_TO_PLUGINS, ".."}) {
    g_autofree gchar* file = g_build_filename(folder, way, kLibrary, nullptr);
    g_autofree gchar* plain = g_canonicalize_filename(file, nullptr);
    files.emplace_back(plain);
  }
  return files;
}

GstElementFactory* find(std::string& problem) {
  if (GstElementFactory* factory = gst_element_factory_find(kElement)) return factory;
  std::string tried;
  for (const std::string& file : places()) {
    tried += "\n  " + file;
    if (!g_file_test(file.c_str(), G_FILE_TEST_EXISTS)) continue;
    g_autoptr(GError) error = nullptr;
    GstPlugin* plugin = gst_plugin_load_file(file.c_str(), &error);
    if (!plugin) {
      problem = "The plug-in " + file + " cannot be opened: " + error->message + ".";
      return nullptr;
    }
    gst_object_unref(plugin);
    return gst_element_factory_find(kElement);
  }
  problem = "GStreamer has no element ovii2vsrc. Looked where GStreamer looks, and for" + tried;
  return nullptr;
}

}  // namespace

GstElement* make_source(std::string& problem, std::string& way_out) {
  GstElementFactory* factory = find(problem);
  GstElement* source = factory ? gst_element_factory_create(factory, "ovi") : nullptr;
  if (factory) gst_object_unref(factory);
  if (source) return source;
  if (problem.empty()) problem = "The element ovii2vsrc cannot be made.";
  way_out =
      "let GST_PLUGIN_PATH name the folder of libgstovii2v.so; if GStreamer remembers that it once "
      "failed to load, remove ~/.cache/gstreamer-1.0/registry.*.bin";
  return nullptr;
}

std::string plugin_version() {
  std::string problem;
  GstElementFactory* factory = find(problem);
  if (!factory) return {};
  GstPlugin* plugin = gst_plugin_feature_get_plugin(GST_PLUGIN_FEATURE(factory));
  gst_object_unref(factory);
  if (!plugin) return {};
  const std::string version = gst_plugin_get_version(plugin);
  gst_object_unref(plugin);
  return version;
}

std::string plugin_file() {
  std::string problem;
  GstElementFactory* factory = find(problem);
  if (!factory) return {};
  GstPlugin* plugin = gst_plugin_feature_get_plugin(GST_PLUGIN_FEATURE(factory));
  gst_object_unref(factory);
  if (!plugin) return {};
  const char* file = gst_plugin_get_filename(plugin);
  const std::string path = file ? file : "";
  gst_object_unref(plugin);
  return path;
}

void find_picture_decoder() {
  const std::string plugin = plugin_file();
  if (plugin.empty()) return;
  g_autofree gchar* folder = g_path_get_dirname(plugin.c_str());
  for (const char* room : {"../ovii2v", "picture/decoder"}) {
    g_autofree gchar* file = g_build_filename(folder, room, "ovii2v-picture", nullptr);
    if (!g_file_test(file, G_FILE_TEST_IS_EXECUTABLE)) continue;
    g_setenv("OVII2V_PICTURE_PATH", file, FALSE);
    return;
  }
}

}  // namespace ovii2v::tools
