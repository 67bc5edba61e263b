// SPDX-License-Identifier: Apache-2.0
// The stacks of a profile merged into one tree, in the order in which a flame graph draws it.
// Not for its bytes in the page: see page_data.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/profile/profile.h"

namespace waggle {

struct FlameTree {
  struct Node {
    std::uint32_t name;   // in names
    std::uint32_t depth;  // 1 = a process, 2 = its outermost frame, ...
    std::uint64_t self;   // samples that end here
  };
  std::vector<std::string> names;  // printable, sorted by bytes, distinct
  // Each node before its children; siblings by samples, heaviest first, then by name.
  std::vector<Node> nodes;
  std::vector<std::uint32_t> containers;  // a name for each node of depth 1, in their order
};

// Processes are told apart by container and name.  Equal profiles give equal trees.
FlameTree build_flame_tree(const Profile& profile);

}  // namespace waggle
