// SPDX-License-Identifier: Apache-2.0
// Counts of stacks scaled to another total, by largest remainder.  Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "userspace/profile/profile.h"

namespace waggle {

struct Share {
  const Profile::Stack* stack;
  std::uint64_t count;
  std::uint64_t remainder = 0;
};

// Changes the counts so that they sum up to `total`, in their proportions; all stacks are of one
// profile.  Counts of nothing stay so.  Some come to nothing.  What is the same comes out the same,
// in any order.
void share_out(std::vector<Share>& shares, std::uint64_t total);

}  // namespace waggle
