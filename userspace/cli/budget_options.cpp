// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/budget_options.h"

#include <cstdint>
#include <string>

#include "userspace/cli/option_values.h"

namespace waggle {

Result<> read_budget(const ParsedArguments& parsed, Budget& budget) {
  if (const std::string* text = parsed.find("cpu-budget")) {
    constexpr int kMaxPercent = 100'000;  // of a thousand cores
    const double percent = TRY(parse_decimal("cpu-budget", *text, 0, kMaxPercent));
    budget.cpu_percent = percent > 0 ? std::optional(percent) : std::nullopt;
  }
  if (const std::string* text = parsed.find("memory-budget")) {
    constexpr int kMaxMebibytes = 1 << 20;
    const int mebibytes = TRY(parse_integer("memory-budget", *text, 0, kMaxMebibytes));
    budget.memory_bytes = static_cast<std::uint64_t>(mebibytes) << 20;
  }
  return {};
}

}  // namespace waggle
