// SPDX-License-Identifier: Apache-2.0
// The stacks of two perfs that sampled the same at the same time, one walking by frame pointers and
// one by call frame information, made into one profile: gProfiler's smart mode.  Pure.
#pragma once

#include <cstdint>
#include <functional>

#include "userspace/profile/profile.h"

namespace waggle {

struct SmartMerge {
  Profile profile;
  // One side had nothing: the other's stacks are taken as they are.
  bool is_dwarf_alone = false;
  bool is_fp_alone = false;
  std::uint64_t dwarf_processes = 0;  // whose stacks are those of dwarf
  // Of processes that frame pointers saw no sample of: they are left out.
  std::uint64_t left_out_samples = 0;
  std::uint64_t left_out_processes = 0;
};

// In both profiles Profile::Stack::process is the pid.  For each program of each process the side
// whose stacks have more frames of user space on average, over its samples, is taken; frames
// without a name do not count, nor do marks.  What is taken of `dwarf` is scaled to the count of
// `fp`, so that the total is that of `fp`, exactly.  is_told_apart: whose stacks keep their pid.
SmartMerge merge_smart(const Profile& fp, const Profile& dwarf,
                       const std::function<bool(std::uint32_t)>& is_told_apart);

}  // namespace waggle
