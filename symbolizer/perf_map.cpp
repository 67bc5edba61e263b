// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/perf_map.h"

#include <iterator>
#include <limits>
#include <map>
#include <vector>

#include "base/text.h"

namespace waggle {

namespace {

// A large Java or Node service has some 100,000 functions.
constexpr std::size_t kMaxFunctions = 1 << 18;
// Of those, with lines of 100 bytes, and as many moved since.
constexpr std::size_t kMaxTextBytes = 64 << 20;
// Longer names (JavaScript sources as names exist) are cut.
constexpr std::size_t kMaxNameBytes = 1024;

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
  }
  return parse_number<std::uint64_t>(text, 16);
}

std::optional<FunctionSymbol> parse_line(std::string_view line) {
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  const std::size_t after_start = line.find(' ');
  if (after_start == std::string_view::npos) {
    return std::nullopt;
  }
  const std::size_t after_size = line.find(' ', after_start + 1);
  if (after_size == std::string_view::npos) {
    return std::nullopt;
  }
  const auto start = parse_hex(line.substr(0, after_start));
  const auto size = parse_hex(line.substr(after_start + 1, after_size - after_start - 1));
  const std::string_view name = line.substr(after_size + 1, kMaxNameBytes);
  if (!start || !size || *size == 0 || name.empty() || name.find('\0') != name.npos ||
      *size > std::numeric_limits<std::uint64_t>::max() - *start) {
    return std::nullopt;
  }
  return FunctionSymbol{*start, *start + *size, name};
}

}  // namespace

PerfMap PerfMap::parse(std::string_view text) {
  PerfMap parsed;
  if (text.size() > kMaxTextBytes) {
    parsed.is_cut_ = true;
    text = text.substr(0, kMaxTextBytes);
  }
  std::map<std::uint64_t, FunctionSymbol> functions;  // disjoint
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto function = parse_line(line);
    if (!function) {
      parsed.broken_line_count_ += line.empty() ? 0 : 1;
      continue;
    }
    auto at = functions.lower_bound(function->start);
    if (at != functions.begin() && std::prev(at)->second.end > function->start) {
      --at;
    }
    while (at != functions.end() && at->first < function->end) {
      at = functions.erase(at);
    }
    functions.emplace(function->start, *function);
    if (functions.size() >= kMaxFunctions) {
      parsed.is_cut_ = !text.empty();
      break;
    }
  }
  std::vector<FunctionSymbol> sorted;
  sorted.reserve(functions.size());
  for (const auto& [start, function] : functions) {
    sorted.push_back(function);
  }
  parsed.table_ = SymbolTable::from_sorted(sorted);
  return parsed;
}

}  // namespace waggle
