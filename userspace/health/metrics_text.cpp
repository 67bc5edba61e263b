// SPDX-License-Identifier: Apache-2.0
#include "userspace/health/metrics_text.h"

#include <fmt/core.h>

namespace waggle {

namespace {

// In a label's value and, but for the quotes, in a help text.
std::string escaped(std::string_view text, bool has_quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c == '\\' || (c == '"' && has_quotes) ? std::string("\\") + c : std::string(1, c);
    }
  }
  return out;
}

}  // namespace

void MetricsText::head(std::string_view name, std::string_view type, std::string_view help) {
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(help, false), name, type);
}

void MetricsText::counter(std::string_view name, std::string_view help, double value) {
  const std::string full = fmt::format("waggle_{}_total", name);
  head(full, "counter", help);
  text_ += fmt::format("{} {}\n", full, value);
}

void MetricsText::gauge(std::string_view name, std::string_view help, double value) {
  const std::string full = fmt::format("waggle_{}", name);
  head(full, "gauge", help);
  text_ += fmt::format("{} {}\n", full, value);
}

void MetricsText::info(std::string_view name, std::string_view help, std::string_view label,
                       std::string_view value) {
  const std::string full = fmt::format("waggle_{}", name);
  head(full, "gauge", help);
  text_ += fmt::format("{}{{{}=\"{}\"}} 1\n", full, label, escaped(value, true));
}

}  // namespace waggle
