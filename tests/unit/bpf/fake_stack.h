// SPDX-License-Identifier: Apache-2.0
// bpf/lib/unwind_step.h, natively, over memory that a test sets.
#pragma once

#include <cstdint>
#include <map>

#include "bpf/lib/unwind_step.h"

// Words by address; what is not there cannot be read.
struct unw_memory {
  std::map<std::uint64_t, std::uint64_t> words;
};

static inline int unw_read_word(unw_memory* memory, __u64 address, __u64* value) {
  const auto word = memory->words.find(address);
  if (word == memory->words.end()) {
    return -1;
  }
  *value = word->second;
  return 0;
}
