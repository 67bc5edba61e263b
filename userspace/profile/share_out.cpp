// SPDX-License-Identifier: Apache-2.0
#include "userspace/profile/share_out.h"

#include <algorithm>

namespace waggle {

void share_out(std::vector<Share>& shares, std::uint64_t total) {
  using Wide = unsigned __int128;
  std::uint64_t sum = 0;
  for (const Share& share : shares) {
    sum += share.count;
  }
  if (sum == 0) {
    return;
  }
  std::uint64_t given = 0;
  for (Share& share : shares) {
    const Wide product = Wide{total} * share.count;
    share.count = static_cast<std::uint64_t>(product / sum);
    share.remainder = static_cast<std::uint64_t>(product % sum);
    given += share.count;
  }
  std::ranges::sort(shares, [](const Share& a, const Share& b) {
    return a.remainder != b.remainder ? a.remainder > b.remainder
                                      : a.stack->frames < b.stack->frames;
  });
  // Fewer are left than there are shares.
  for (Share& share : shares) {
    if (given == total) {
      break;
    }
    ++share.count;
    ++given;
  }
}

}  // namespace waggle
