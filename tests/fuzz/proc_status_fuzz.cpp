// SPDX-License-Identifier: Apache-2.0
// Any bytes as /proc/PID/status.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "userspace/process/proc_status.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto status = waggle::parse_status(text);
  CHECK(!status || text.find("NSpid:\t") != std::string_view::npos);
  return 0;
}
