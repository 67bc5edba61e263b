// SPDX-License-Identifier: Apache-2.0
// Where a profile goes and in which format: the file's ending, -f and "-" decide.
// Not for writing it: see userspace/output.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

enum class OutputFormat { html, col };

struct OutputTarget {
  std::string path;  // "-" is stdout; "" is default_output_name() of the end
  OutputFormat format;

  [[nodiscard]] bool is_stdout() const { return path == "-"; }
  bool operator==(const OutputTarget&) const = default;
};

// "html" or "col".  The error names --format.
Result<OutputFormat> parse_output_format(std::string_view text);

// Without paths: one target with an empty path, html unless told otherwise.  "-" is col unless told
// otherwise.  An ending that is unknown or another format's, or a path given twice, is an error.
Result<std::vector<OutputTarget>> choose_outputs(std::span<const std::string> paths,
                                                 std::optional<OutputFormat> format);

// "waggle_2025-01-31T23-59-58.html", UTC.
std::string default_output_name(std::chrono::system_clock::time_point end, OutputFormat format);

}  // namespace waggle
