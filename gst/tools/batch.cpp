// ovi make --csv: a clip for each row of a table.
// SPDX-License-Identifier: Apache-2.0
#include "batch.h"

#include <errno.h>
#include <glib.h>

#include <map>
#include <vector>

#include "input.h"
#include "json.h"
#include "record.h"
#include "table.h"
#include "target.h"

namespace ovii2v::tools {
namespace {

enum class End { kMade, kThere, kFailed, kCancelled };

struct Result {
  const TableRow* row;
  std::string output;
  End end = End::kFailed;
  Outcome outcome;
};

std::string output_of(const TableRow& row, const BatchOptions& options) {
  const std::string name =
      row.output.empty() ? "clip-" + std::to_string(row.number) + "." + name_of(options.container)
                         : row.output;
  if (g_path_is_absolute(name.c_str()) || options.folder == ".") return name;
  g_autofree gchar* path = g_build_filename(options.folder.c_str(), name.c_str(), nullptr);
  return path;
}

Result make_row(Maker& maker, const BatchOptions& options, const TableRow& row, size_t rows) {
  Result result{&row, output_of(row, options), End::kFailed, {}};
  result.outcome.problem = row.wrong;
  if (!row.wrong.empty()) return result;
  const auto container = row.output.empty() ? options.container : container_of(result.output);
  if (!container) {
    result.outcome.problem =
        shown_file(result.output) + " does not end with .mp4, .mkv, .webm or .wav.";
    return result;
  }
  if (exists(result.output) && !options.force) {
    const std::string other = what_differs(result.output, maker.source(), row.settings);
    if (other.empty()) {
      result.end = End::kThere;
      return result;
    }
    result.outcome.problem = shown_file(result.output) + " is there already, and " + other +
                             ": choose another name, or --force to replace it.";
    return result;
  }
  Order order{row.settings, result.output,
              std::to_string(row.number) + " of " + std::to_string(rows), *container,
              options.force};
  result.outcome = maker.make(order);
  switch (result.outcome.status) {
    case kDone:
      result.end = End::kMade;
      break;
    case kCancelled:
      result.end = End::kCancelled;
      break;
    case kFailed:
    case kUsage:
      result.end = End::kFailed;
      break;
  }
  return result;
}

void tell(const Result& result, const BatchOptions& options) {
  const std::string where = "row " + std::to_string(result.row->number) + " (line " +
                            std::to_string(result.row->line) + "): ";
  switch (result.end) {
    case End::kMade:
      if (!options.quiet && !options.json)
        answer(shown_file(result.output) + ": " + result.outcome.text);
      break;
    case End::kThere:
      if (!options.quiet) complain(where + shown_file(result.output) + " is made already");
      break;
    case End::kFailed:
      complain(where + "error: " + result.outcome.problem);
      if (!result.outcome.way_out.empty()) hint(result.outcome.way_out);
      break;
    case End::kCancelled:
      complain(where + "cancelled: " + shown_file(result.output) + " was not made");
      break;
  }
}

std::string json_of(const std::vector<Result>& results, size_t left, const std::string& broken) {
  static const std::map<End, const char*> names = {{End::kMade, "made"},
                                                   {End::kThere, "skipped"},
                                                   {End::kFailed, "failed"},
                                                   {End::kCancelled, "cancelled"}};
  std::map<End, int> counts;
  JsonWriter json;
  json.begin_object();
  json.begin_array("rows");
  for (const Result& result : results) {
    ++counts[result.end];
    json.begin_object();
    json.add("row", uint64_t{result.row->number});
    json.add("line", uint64_t{result.row->line});
    json.add("output", result.output);
    json.add("result", names.at(result.end));
    if (result.end == End::kMade) {
      json.add("seed", int64_t{result.outcome.seed});
      json.add("seconds", result.outcome.seconds);
    }
    if (result.end == End::kFailed) json.add("reason", result.outcome.problem);
    json.end_object();
  }
  json.end_array();
  for (const auto& [end, name] : names)
    if (end != End::kCancelled) json.add(name, counts[end]);
  json.add("left", uint64_t{left});
  if (!broken.empty()) json.add("table", broken);
  json.end_object();
  return json.text();
}

}  // namespace

Status make_table(Maker& maker, const BatchOptions& options) {
  std::string text, problem;
  if (!read_input(options.table, text, problem)) {
    complain("error: " + problem);
    return kFailed;
  }
  g_autofree gchar* folder = g_path_get_dirname(options.table.c_str());
  const Table table = read_table(text, folder, G_OBJECT_GET_CLASS(maker.source()), problem);
  for (const std::string& warning : table.warnings) complain("warning: " + warning);
  if (!problem.empty()) complain("error: " + problem);
  if (table.rows.empty() && !problem.empty()) return kFailed;
  if (g_mkdir_with_parents(options.folder.c_str(), 0777) != 0) {
    complain("error: The folder " + shown_file(options.folder) +
             " cannot be made: " + g_strerror(errno) + ".");
    return kFailed;
  }

  std::vector<Result> results;
  std::map<std::string, size_t> taken;  // by whom: two rows may not have one file
  for (const TableRow& row : table.rows) {
    if (maker.cancelled()) break;
    const auto [first, fresh] = taken.emplace(output_of(row, options), row.number);
    if (fresh || !row.wrong.empty()) {
      results.push_back(make_row(maker, options, row, table.rows.size()));
    } else {
      Result twice{&row, first->first, End::kFailed, {}};
      twice.outcome.problem =
          shown_file(first->first) + " is the file of row " + std::to_string(first->second) + ".";
      results.push_back(twice);
    }
    tell(results.back(), options);
  }

  size_t made = 0, there = 0, failed = problem.empty() ? 0 : 1;
  for (const Result& result : results) {
    made += result.end == End::kMade;
    there += result.end == End::kThere;
    failed += result.end == End::kFailed;
  }
  const size_t left = table.rows.size() - results.size() + (maker.cancelled() ? 1 : 0);
  if (options.json)
    answer(json_of(results, left, problem));
  else if (!options.quiet)
    answer(std::to_string(made) + " made, " + std::to_string(there) + " skipped, " +
           std::to_string(failed) + " failed" +
           (maker.cancelled() ? ", cancelled with " + std::to_string(left) + " left" : ""));
  if (maker.cancelled()) return kCancelled;
  return failed ? kFailed : kDone;
}

}  // namespace ovii2v::tools
