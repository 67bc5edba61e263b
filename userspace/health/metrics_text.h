// SPDX-License-Identifier: Apache-2.0
// Prometheus' text format (version 0.0.4).  Not for which metrics there are.
#pragma once

#include <string>
#include <string_view>

namespace waggle {

class MetricsText {
 public:
  // `name` without "waggle_" and, of a counter, without "_total".  Each family once.
  void counter(std::string_view name, std::string_view help, double value);
  void gauge(std::string_view name, std::string_view help, double value);
  // A gauge of 1 whose label tells something.
  void info(std::string_view name, std::string_view help, std::string_view label,
            std::string_view value);

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void head(std::string_view name, std::string_view type, std::string_view help);
  std::string text_;
};

}  // namespace waggle
