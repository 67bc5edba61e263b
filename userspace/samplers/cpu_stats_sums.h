// SPDX-License-Identifier: Apache-2.0
// Counters of the kernel side, added and subtracted one by one.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "bpf/abi/stats.h"

namespace waggle {

namespace detail {
using Counters = std::array<std::uint64_t, sizeof(cpu_stats) / sizeof(std::uint64_t)>;

template <class Operation>
cpu_stats each(const cpu_stats& left, const cpu_stats& right, Operation operation) {
  auto counters = std::bit_cast<Counters>(left);
  std::ranges::transform(counters, std::bit_cast<Counters>(right), counters.begin(), operation);
  return std::bit_cast<cpu_stats>(counters);
}
}  // namespace detail

inline cpu_stats sum_of(const cpu_stats& left, const cpu_stats& right) {
  return detail::each(left, right, std::plus<>());
}
inline cpu_stats difference_of(const cpu_stats& later, const cpu_stats& earlier) {
  return detail::each(later, earlier, std::minus<>());
}

}  // namespace waggle
