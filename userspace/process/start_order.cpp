// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/start_order.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace waggle {

namespace {

struct Account {
  process_id process;
  std::uint64_t cpu_ns = 0;
};

std::unordered_map<std::uint32_t, Account> sum_up(std::span<const process_thread> threads) {
  std::unordered_map<std::uint32_t, Account> accounts;
  for (const process_thread& thread : threads) {
    Account& account = accounts[thread.process.tgid];
    account.process = thread.process;
    account.cpu_ns += thread.cpu_ns;
  }
  return accounts;
}

}  // namespace

std::vector<StartCandidate> order_for_start(
    std::span<const process_thread> before, std::span<const process_thread> now,
    const std::function<bool(std::uint32_t tgid)>& is_selected) {
  const auto accounts_before = sum_up(before);
  std::vector<StartCandidate> ordered;
  for (const auto& [tgid, account] : sum_up(now)) {
    if (!is_selected(tgid)) {
      continue;
    }
    const auto old = accounts_before.find(tgid);
    const std::uint64_t old_ns = old == accounts_before.end() ? 0 : old->second.cpu_ns;
    // Less than before: threads have ended, or the pid is another process now.
    const std::uint64_t recent_ns = account.cpu_ns - std::min(old_ns, account.cpu_ns);
    ordered.push_back(
        {.process = account.process, .recent_ns = recent_ns, .cpu_ns = account.cpu_ns});
  }
  std::ranges::sort(ordered, [](const StartCandidate& a, const StartCandidate& b) {
    return std::tie(a.recent_ns, a.cpu_ns, a.process.tgid) >
           std::tie(b.recent_ns, b.cpu_ns, b.process.tgid);
  });
  return ordered;
}

}  // namespace waggle
