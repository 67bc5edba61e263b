// SPDX-License-Identifier: Apache-2.0
// What `waggle top` was asked to do.  Pure: nothing of the host is looked at.
#pragma once

#include <cstddef>
#include <optional>

#include "base/result.h"
#include "userspace/cli/options.h"
#include "userspace/cli/record_options.h"
#include "userspace/output/live_table.h"

namespace waggle {

struct TopOptions {
  RecordOptions recording;
  int delay_s = 1;                // between two looks
  std::optional<int> duration_s;  // none: until it is told to end
  std::size_t rows = 20;          // of plain lines
  bool is_plain = false;          // also on a terminal
  LiveView view;
};

const Syntax& top_syntax();

// Errc::malformed: one line without "waggle top: ".
Result<TopOptions> read_top_options(const ParsedArguments& parsed);

}  // namespace waggle
