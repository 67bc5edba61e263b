// SPDX-License-Identifier: Apache-2.0
// Configuration files as gProfiler has them: lines "key = value", "key: value", "key value" or a
// key alone; "[section]", "---" and comments mean nothing.  Not for what keys mean: settings.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace waggle {

struct ConfigLine {
  int number;  // from 1
  std::string key;
  std::optional<std::string> value;

  // "[a, b]" is a list; anything else, and what has no value, one element or none.
  [[nodiscard]] std::vector<std::string> values() const;
};

// Errc::malformed: the line and what is wrong with it.
Result<std::vector<ConfigLine>> parse_config(std::string_view text);

}  // namespace waggle
