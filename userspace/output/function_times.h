// SPDX-License-Identifier: Apache-2.0
// How often each function was seen, by itself and with what it called.  Not for trees:
// flame_tree.h.
#pragma once

#include <cstdint>
#include <vector>

#include "userspace/profile/profile.h"

namespace waggle {

struct FunctionTime {
  Profile::NameId name = 0;
  std::uint64_t self = 0;
  std::uint64_t total = 0;  // stacks that hold the function, each once
};

// Of all functions that were seen, in no order.  Stacks without frames have no function.
std::vector<FunctionTime> function_times(const Profile& profile);

}  // namespace waggle
