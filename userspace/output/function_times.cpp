// SPDX-License-Identifier: Apache-2.0
#include "userspace/output/function_times.h"

#include <utility>

namespace waggle {

std::vector<FunctionTime> function_times(const Profile& profile) {
  std::vector<FunctionTime> times(profile.name_count());
  std::vector<const Profile::Stack*> last(profile.name_count());  // that was counted in total
  for (const auto& [stack, count] : profile.counts()) {
    for (const Profile::NameId frame : stack.frames) {
      times[frame].name = frame;
      if (std::exchange(last[frame], &stack) != &stack) {
        times[frame].total += count;
      }
    }
    if (!stack.frames.empty()) {
      times[stack.frames.back()].self += count;
    }
  }
  std::erase_if(times, [](const FunctionTime& time) { return time.total == 0; });
  return times;
}

}  // namespace waggle
