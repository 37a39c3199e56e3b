// The rows of a table of prompts, as clips to be made.
// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <glib.h>

#include <algorithm>
#include <filesystem>

#include "csv.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr const char* kOutput = "output";

/// The property that a column speaks of, "output", or nothing.
std::string meaning(const std::string& title, GObjectClass* klass) {
  g_autofree gchar* small = g_ascii_strdown(title.c_str(), -1);
  std::string name = g_strstrip(small);
  std::replace(name.begin(), name.end(), '_', '-');
  std::replace(name.begin(), name.end(), ' ', '-');
  if (name == "text-prompt") return "prompt";
  if (name == "image-path") return "image";
  if (name == kOutput) return name;
  const auto names = settable(klass);
  return std::binary_search(names.begin(), names.end(), name) ? name : std::string();
}

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

/// A picture beside the table, where there is none by that name here.
std::string picture_of(const std::string& name, const std::string& folder) {
  g_autofree gchar* scheme = g_uri_parse_scheme(name.c_str());
  if (scheme || g_path_is_absolute(name.c_str()) || g_file_test(name.c_str(), G_FILE_TEST_EXISTS))
    return name;
  g_autofree gchar* beside = g_build_filename(folder.c_str(), name.c_str(), nullptr);
  return g_file_test(beside, G_FILE_TEST_EXISTS) ? std::string(beside) : name;
}

/// A table may be somebody else's, and writes below the folder that is meant for its clips alone.
bool leads_out(const std::filesystem::path& name) {
  return name.is_absolute() || std::find(name.begin(), name.end(), "..") != name.end();
}

void read_field(const std::string& column, const std::string& field, const std::string& folder,
                GObjectClass* klass, TableRow& row) {
  if (is_blank(field) || !row.wrong.empty()) return;
  if (field.find('\0') != std::string::npos) {
    row.wrong = "The field \"" + column + "\" has a byte that is zero.";
  } else if (column == kOutput) {
    row.output = field;
    if (leads_out(field))
      row.wrong = shown_file(field) +
                  " leads out of the folder for the clips: name a file in it, and that folder by -o.";
  } else if (column == "image") {
    row.wrong = read_setting(klass, column, picture_of(field, folder), row.settings);
  } else {
    const bool text =
        column == "prompt" ||
        g_object_class_find_property(klass, column.c_str())->value_type == G_TYPE_STRING;
    g_autofree gchar* plain = g_strdup(field.c_str());
    row.wrong = read_setting(klass, column, text ? field : g_strstrip(plain), row.settings);
  }
}

}  // namespace

Table read_table(const std::string& text, const std::string& folder, GObjectClass* klass,
                 std::string& problem) {
  Table table;
  // Excel's "Unicode text".
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    problem = "The table is in UTF-16: save it as CSV in UTF-8.";
    return table;
  }
  const std::vector<CsvRow> lines = read_csv(text, problem);
  if (lines.empty()) {
    if (problem.empty()) problem = "The table is empty.";
    return table;
  }
  std::vector<std::string> columns;
  for (const std::string& title : lines.front().fields) {
    const std::string column = meaning(title, klass);
    if (!column.empty() && std::find(columns.begin(), columns.end(), column) != columns.end()) {
      problem = "The table has two columns for \"" + column + "\".";
      return table;
    }
    if (column.empty() && !is_blank(title))
      table.warnings.push_back("the column \"" + shown(title) +
                               "\" is not understood and left out");
    columns.push_back(column);
  }
  if (std::find(columns.begin(), columns.end(), "prompt") == columns.end()) {
    problem =
        "The table's first row names its columns, and there is no \"text_prompt\" among them.";
    if (lines.front().fields.size() == 1 &&
        lines.front().fields.front().find_first_of(";\t") != std::string::npos)
      problem += " They are to be separated by commas.";
    return table;
  }
  for (size_t i = 1; i < lines.size(); ++i) {
    const CsvRow& line = lines[i];
    if (std::all_of(line.fields.begin(), line.fields.end(), is_blank)) continue;
    TableRow row;
    row.number = table.rows.size() + 1;
    row.line = line.line;
    if (line.fields.size() > columns.size())
      row.wrong = "The row has " + std::to_string(line.fields.size()) + " fields, the table " +
                  std::to_string(columns.size()) + " columns: a text with commas stands in quotes.";
    for (size_t k = 0; k < std::min(columns.size(), line.fields.size()); ++k)
      if (!columns[k].empty()) read_field(columns[k], line.fields[k], folder, klass, row);
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace ovii2v::tools
