// SPDX-License-Identifier: Apache-2.0
// What the keys of `waggle top` do.  Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include "userspace/output/live_table.h"
#include "userspace/output/live_text.h"

namespace waggle {

struct TopState {
  LiveView view;
  LiveState shown;
  bool is_over = false;
};

// `typed`: as the terminal sent it, one key or several.  `rows`: that there are; `page`: that fit.
void press_keys(std::string_view typed, std::size_t rows, std::size_t page, TopState& state);

}  // namespace waggle
