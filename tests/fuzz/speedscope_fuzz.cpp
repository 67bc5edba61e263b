// SPDX-License-Identifier: Apache-2.0
// Any bytes as a speedscope file.  What is refused hands out nothing, and no limit is passed.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "userspace/tools/dotnet_trace/speedscope.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr int kFrequencyHz = 99;
  bool is_handed_out = false;
  const auto result = waggle::read_speedscope(
      std::string_view(reinterpret_cast<const char*>(data), size), kFrequencyHz,
      [&](const waggle::SpeedscopeStack& stack) {
        is_handed_out = true;
        CHECK(stack.count >= 1);
        CHECK(!stack.frames.empty() && stack.frames.size() <= waggle::SpeedscopeLimits::kMaxDepth);
      });
  CHECK(result || !is_handed_out);
  return 0;
}
