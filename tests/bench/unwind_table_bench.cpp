// SPDX-License-Identifier: Apache-2.0
// How fast call frame information becomes unwind tables, and how large they are:
//   unwind_table_bench FILE...     each file: median of several builds, from the open file on
//   unwind_table_bench FOLDER...   all ELF files below, each once, with one set of rules
// "bytes/row" is all included: nodes, their padding, branches, and the rules that are new.  "kept"
// is what a table takes that comes from its bytes on disk, once they are read.
#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "symbolizer/unwind_table.h"
#include "symbolizer/unwind_table_file.h"

namespace waggle {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kRuns = 5;
constexpr double kMega = 1e6;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Result<UnwindTable> build(const std::string& path, UnwindRules& rules) {
  UniqueFd fd = TRY(open_file(path, O_RDONLY));
  const ElfFile file = TRY(ElfFile::open(std::move(fd)));
  return UnwindTable::build(file, rules);
}

struct Sum {
  std::size_t files = 0;
  std::size_t section_bytes = 0;
  std::size_t rows = 0;
  std::size_t unsupported_rows = 0;
  std::size_t nodes = 0;
  std::size_t rules = 0;
  double seconds = 0;
  double kept_seconds = 0;

  void add(const UnwindTable& table, double build_seconds) {
    ++files;
    section_bytes += table.facts().section_bytes;
    rows += table.facts().row_count;
    unsupported_rows += table.facts().unsupported_rows;
    nodes += table.nodes().size();
    seconds += build_seconds;
  }
};

void print_head() {
  fmt::print("{:>9} {:>9} {:>6} {:>9} {:>8} {:>9} {:>8} {:>11} {:>10}  {}\n", "MB", "rows", "rules",
             "nodes", "ms", "MB/s", "kept ms", "bytes/row", "unsupp.", "file");
}

void print_row(const Sum& sum, std::string_view name) {
  const double bytes =
      static_cast<double>(sum.nodes * sizeof(unw_node) + sum.rules * sizeof(unw_rule));
  fmt::print("{:>9.3f} {:>9} {:>6} {:>9} {:>8.2f} {:>9.0f} {:>8.2f} {:>11.2f} {:>10}  {}\n",
             static_cast<double>(sum.section_bytes) / kMega, sum.rows, sum.rules, sum.nodes,
             sum.seconds * 1e3, static_cast<double>(sum.section_bytes) / kMega / sum.seconds,
             sum.kept_seconds * 1e3,
             bytes / static_cast<double>(std::max<std::size_t>(sum.rows, 1)), sum.unsupported_rows,
             name);
}

bool bench_file(const std::string& path) {
  std::array<double, kRuns> seconds{};
  std::array<double, kRuns> kept_seconds{};
  Sum sum;
  for (std::size_t run = 0; run < kRuns; ++run) {
    UnwindRules rules;
    const Clock::time_point begin = Clock::now();
    const auto table = build(path, rules);
    seconds[run] = seconds_since(begin);
    if (!table) {
      fmt::print(stderr, "{}: {}\n", path, table.error().what);
      return false;
    }
    const std::string bytes = write_unwind_table(*table, rules);
    UnwindRules other_rules;
    const Clock::time_point kept_begin = Clock::now();
    CHECK(read_unwind_table(std::as_bytes(std::span(bytes)), other_rules));
    kept_seconds[run] = seconds_since(kept_begin);
    sum = {};
    sum.add(*table, 0);
    sum.rules = rules.size();
  }
  std::ranges::sort(seconds);
  sum.seconds = seconds[kRuns / 2];
  std::ranges::sort(kept_seconds);
  sum.kept_seconds = kept_seconds[kRuns / 2];
  print_row(sum, path);
  return true;
}

void bench_folder(const std::string& path, UnwindRules& rules, Sum& sum) {
  std::error_code error;
  const auto options = std::filesystem::directory_options::skip_permission_denied;
  for (auto entry = std::filesystem::recursive_directory_iterator(path, options, error);
       entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (error || entry->is_symlink(ignored) || !entry->is_regular_file(ignored)) {
      continue;
    }
    const Clock::time_point begin = Clock::now();
    if (const auto table = build(entry->path().string(), rules)) {
      sum.add(*table, seconds_since(begin));
    }
  }
}

int run(const std::vector<std::string>& paths) {
  print_head();
  UnwindRules rules;
  Sum sum;
  bool is_good = true;
  for (const std::string& path : paths) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      bench_folder(path, rules, sum);
    } else {
      is_good = bench_file(path) && is_good;
    }
  }
  if (sum.files != 0) {
    sum.rules = rules.size();
    print_row(sum, fmt::format("all {} files", sum.files));
  }
  return is_good ? 0 : 1;
}

}  // namespace
}  // namespace waggle

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: unwind_table_bench FILE|FOLDER...\n");
    return 2;
  }
  return waggle::run({argv + 1, argv + argc});
}
