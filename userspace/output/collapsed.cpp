// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/collapsed.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/text.h"

namespace waggle {

namespace {

using Line = std::pair<std::string, std::uint64_t>;

// Sorted, and merged where escaping made two stacks equal.
std::vector<Line> collect_lines(const Profile& profile, bool has_application_metadata) {
  std::vector<std::string> fields;
  fields.reserve(profile.name_count());
  for (std::size_t id = 0; id < profile.name_count(); ++id) {
    fields.push_back(collapsed_field(profile.name(static_cast<Profile::NameId>(id))));
  }
  std::vector<Line> lines;
  lines.reserve(profile.counts().size());
  for (const auto& [stack, count] : profile.counts()) {
    std::string text = has_application_metadata ? std::to_string(stack.application) + ";" : "";
    text.append(fields[stack.container]).append(";").append(fields[stack.comm]);
    for (const Profile::NameId frame : stack.frames) {
      text.append(";").append(fields[frame]);
    }
    lines.emplace_back(std::move(text), count);
  }
  std::ranges::sort(lines);
  return lines;
}

}  // namespace

std::string collapsed_field(std::string_view name) {
  std::string field = printable(name);
  std::ranges::replace(field, ';', '|');
  return field;
}

std::string render_collapsed(const Profile& profile, std::string_view header_json,
                             bool has_application_metadata) {
  CHECK(header_json.find('\n') == std::string_view::npos);
  std::string text = "# ";
  text += header_json;
  const std::vector<Line> lines = collect_lines(profile, has_application_metadata);
  for (auto line = lines.begin(); line != lines.end();) {
    const std::string& stack = line->first;
    std::uint64_t count = 0;
    for (; line != lines.end() && line->first == stack; ++line) {
      count += line->second;
    }
    text.append("\n").append(stack).append(" ").append(std::to_string(count));
  }
  return text;
}

}  // namespace waggle
