// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/terminal_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "userspace/output/columns.h"
#include "userspace/output/function_times.h"

namespace waggle {

namespace {

constexpr std::size_t kMaxLines = 25;
constexpr std::size_t kColumns = 80;
constexpr std::size_t kFunctionRows = 10;
constexpr std::size_t kProcessRows = 5;

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kPlain = "\x1b[0m";

using Lines = std::vector<std::string>;

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string coloured(std::string text, std::string_view colour, const SummaryOptions& options) {
  return options.has_colour ? fmt::format("{}{}{}", colour, text, kPlain) : text;
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

// "lost 12 (0.3 %): ring full 10, table full 2", wrapped.
Lines lost_lines(const RecordingFacts& facts) {
  const std::uint64_t lost = total_lost(facts);
  std::string line = fmt::format("lost {} ({:.1f} %)", grouped(lost), percent(lost, facts.samples));
  Lines lines;
  bool is_first = true;
  for (const auto& [counter, count] : facts.lost) {
    if (count == 0) {
      continue;
    }
    const std::string item =
        in_columns(fmt::format("{} {}", printable(counter), grouped(count)), 70);
    line += is_first ? ":" : ",";
    if (line.size() + item.size() + 2 > kColumns) {
      lines.push_back(std::exchange(line, "   "));
    }
    line += " " + item;
    is_first = false;
  }
  lines.push_back(line);
  return lines;
}

Lines fact_lines(const Profile& profile, const RecordingFacts& facts,
                 const SummaryOptions& options) {
  Lines lines;
  std::string first =
      fmt::format("{} samples in {:.1f} s", grouped(facts.samples), facts.duration_s);
  if (facts.frequency > 0) {
    first += fmt::format(" at {} Hz, {:.2f} CPU seconds", facts.frequency,
                         static_cast<double>(profile.total()) / facts.frequency);
  }
  first += fmt::format(" ({}, {})", printable(facts.event), printable(facts.engine));
  lines.push_back(coloured(in_columns(first, kColumns), kBold, options));
  const bool has_losses = total_lost(facts) > 0;
  for (std::string& line : lost_lines(facts)) {
    lines.push_back(has_losses ? coloured(std::move(line), kYellow, options) : std::move(line));
  }
  const std::string cut =
      fmt::format("truncated {} ({:.1f} %), throttled {} (estimate)", grouped(facts.truncated),
                  percent(facts.truncated, facts.samples), grouped(facts.throttled));
  lines.push_back(cut);
  if (facts.command_status) {
    lines.push_back(fmt::format("command ended with status {}", *facts.command_status));
  }
  return lines;
}

// By self time, then total, then name.
std::vector<FunctionTime> top_functions(const Profile& profile) {
  std::vector<FunctionTime> times = function_times(profile);
  const auto is_before = [&](const FunctionTime& a, const FunctionTime& b) {
    if (a.self != b.self || a.total != b.total) {
      return std::pair(a.self, a.total) > std::pair(b.self, b.total);
    }
    return profile.name(a.name) < profile.name(b.name);
  };
  const auto shown = static_cast<std::ptrdiff_t>(std::min(times.size(), kFunctionRows));
  std::ranges::partial_sort(times, times.begin() + shown, is_before);
  times.resize(static_cast<std::size_t>(shown));
  return times;
}

Lines function_lines(const Profile& profile, const SummaryOptions& options) {
  Lines lines;
  for (const FunctionTime& time : top_functions(profile)) {
    lines.push_back(fmt::format("{:6.1f} % {:6.1f} %  {}", percent(time.self, profile.total()),
                                percent(time.total, profile.total()),
                                in_columns(printable(profile.name(time.name)), kColumns - 19)));
  }
  if (!lines.empty()) {
    lines.insert(lines.begin(), {"", coloured("    self    total  function", kBold, options)});
  }
  return lines;
}

Lines process_lines(const Profile& profile, const SummaryOptions& options) {
  using Process = std::pair<std::string_view, std::string_view>;  // name, container
  std::map<Process, std::uint64_t> counts;
  for (const auto& [stack, count] : profile.counts()) {
    counts[{profile.name(stack.comm), profile.name(stack.container)}] += count;
  }
  std::vector<std::pair<Process, std::uint64_t>> sorted(counts.begin(), counts.end());
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  Lines lines;
  for (const auto& [process, count] : sorted) {
    if (lines.size() == kProcessRows) {
      break;
    }
    std::string name = printable(process.first);
    if (!process.second.empty()) {
      name += fmt::format(" in {}", printable(process.second));
    }
    lines.push_back(fmt::format("{:6.1f} %  {}", percent(count, profile.total()),
                                in_columns(name, kColumns - 10)));
  }
  if (!lines.empty()) {
    lines.insert(lines.begin(), {"", coloured("     CPU  process", kBold, options)});
  }
  return lines;
}

}  // namespace

std::string render_summary(const Profile& profile, const RecordingFacts& facts,
                           const SummaryOptions& options) {
  const Lines head = fact_lines(profile, facts, options);
  Lines functions = function_lines(profile, options);
  Lines processes = process_lines(profile, options);
  const std::size_t files = options.written_paths.empty() ? 0 : 1 + options.written_paths.size();
  std::size_t room = kMaxLines - std::min(kMaxLines, head.size() + files);
  for (Lines* table : {&functions, &processes}) {
    const bool is_worth_it = room >= 3;  // a gap, the heading, a row
    table->resize(std::min(table->size(), is_worth_it ? room : 0));
    room -= table->size();
  }
  std::string text;
  for (const Lines* lines : {&head, &std::as_const(functions), &std::as_const(processes)}) {
    for (const std::string& line : *lines) {
      text.append(line).append("\n");
    }
  }
  text += options.written_paths.empty() ? "" : "\n";
  for (const std::string& path : options.written_paths) {
    text.append(printable(path)).append("\n");
  }
  return text;
}

}  // namespace waggle
