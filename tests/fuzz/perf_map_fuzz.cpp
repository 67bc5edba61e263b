// SPDX-License-Identifier: Apache-2.0
// Any bytes as a perf map.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "symbolizer/perf_map.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto map = waggle::PerfMap::parse(text);
  for (const std::uint64_t address : {0x0ULL, 0x100ULL, 0x7f00'0000'0000ULL, ~0ULL}) {
    const auto found = map.find(address);
    CHECK(!found || (found->start <= address && address - found->start < found->size));
  }
  return 0;
}
