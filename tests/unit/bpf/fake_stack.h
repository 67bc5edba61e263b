// SPDX-License-Identifier: Apache-2.0
// bpf/lib/unwind_step.h, natively, over memory that a test sets.  One includer for each program.
#pragma once

#include <cstdint>
#include <map>

namespace waggle {

// Words by address; what is not there cannot be read.
struct FakeStack {
  std::map<std::uint64_t, std::uint64_t> words;

  // What the next steps read.
  static FakeStack*& current() {
    static FakeStack* stack = nullptr;
    return stack;
  }
  [[nodiscard]] bool read(std::uint64_t address, std::uint64_t pair[2]) const {
    const auto first = words.find(address);
    const auto second = words.find(address + sizeof(std::uint64_t));
    if (first == words.end() || second == words.end()) {
      return false;
    }
    pair[0] = first->second;
    pair[1] = second->second;
    return true;
  }
};

}  // namespace waggle

#include "bpf/lib/unwind_step.h"

static inline int unw_read_stack(__u64 address, __u64 pair[2]) {
  std::uint64_t words[2] = {};
  const waggle::FakeStack* stack = waggle::FakeStack::current();
  if (stack == nullptr || !stack->read(address, words)) {
    return -1;
  }
  pair[0] = words[0];
  pair[1] = words[1];
  return 0;
}
