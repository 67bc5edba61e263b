// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/libbpf_log.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace waggle {

namespace {

constexpr std::size_t kKeptBytes = 16384;
constexpr std::size_t kShownLines = 4;

// libbpf's print hook has no context argument.
std::string& said() {
  static std::string text;
  return text;
}

int keep_line(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) {
    return 0;
  }
  std::array<char, 4096> line{};
  const int size = std::vsnprintf(line.data(), line.size(), format, arguments);
  said() += line.data();
  if (said().size() > kKeptBytes) {
    said().erase(0, said().size() - kKeptBytes);
  }
  return size;
}

int drop_line(libbpf_print_level /*level*/, const char* /*format*/, va_list /*arguments*/) {
  return 0;
}

}  // namespace

LibbpfLog::LibbpfLog() {
  said().clear();
  libbpf_set_print(keep_line);
}

LibbpfLog::~LibbpfLog() {
  libbpf_set_print(drop_line);
}

std::string LibbpfLog::last_lines() const {
  std::vector<std::string_view> lines = split(said(), '\n');
  std::erase_if(lines, [](std::string_view line) {
    return line.empty() || line.starts_with("processed ") || line.starts_with("-- ");
  });
  const std::size_t skipped = lines.size() - std::min(lines.size(), kShownLines);
  std::string text;
  for (std::size_t i = skipped; i < lines.size(); ++i) {
    text += text.empty() ? "" : "; ";
    text += lines[i];
  }
  return text;
}

}  // namespace waggle
