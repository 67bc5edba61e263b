// SPDX-License-Identifier: Apache-2.0
// A whole walk by bpf/lib/unwind_step.h, as the kernel side's loop makes it (bpf/lib/unwind.bpf.h).
// The includer supplies the memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bpf/lib/unwind_step.h"

namespace waggle {

struct StackWalk {
  std::vector<std::uint64_t> callers;  // ip of each frame but the innermost
  unw_outcome outcome = UNW_TOO_DEEP;
  bool lacks_register = false;  // the rule of the last frame needs one that is not known
};

// find_rule(address): of the code there.  read_register(number): of the innermost frame, by DWARF
// number.
template <class FindRule, class ReadRegister>
StackWalk walk_stack(unw_memory& memory, unw_registers regs, std::size_t max_frames,
                     FindRule find_rule, ReadRegister read_register) {
  constexpr unsigned kRbx = 3;
  StackWalk walk;
  unw_spare spare = {};
  bool is_return_address = false;
  for (std::uint32_t turn = 0; turn < max_frames; ++turn) {
    const unw_rule rule = find_rule(regs.ip - (is_return_address ? 1 : 0));
    const unsigned number = rule.other_register - 1U;
    __u64 other = 0;
    if (rule.other_register != 0 && turn == 0) {
      other = read_register(number);
    } else if (rule.other_register != 0 && number == kRbx && spare.frame == turn) {
      if (spare.address == 0) {
        other = read_register(number);
      } else if (unw_read_word(&memory, spare.address, &other) != 0) {
        other = 0;
      }
    }
    walk.lacks_register = rule.other_register != 0 && other == 0;
    walk.outcome = unw_step_rule(&memory, &regs, &rule, other);
    if (walk.outcome == UNW_COMPLETE && rule.cfa == UNW_CFA_FRAME_POINTER && turn == 0) {
      walk.outcome = UNW_NO_INFO;
    }
    if (walk.outcome != UNW_STEPPED) {
      return walk;
    }
    unw_follow_spare(&spare, &rule, regs.sp, turn);
    is_return_address = rule.is_signal_frame == 0;
    walk.callers.push_back(regs.ip);
  }
  walk.outcome = UNW_TOO_DEEP;
  return walk;
}

}  // namespace waggle
