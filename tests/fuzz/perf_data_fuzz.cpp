// SPDX-License-Identifier: Apache-2.0
// Any bytes as the data of perf record.  What is accepted has the name that it was given, and says
// so when it is read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "tests/perf_data.h"
#include "userspace/tools/perf/data_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const waggle::UniqueFd file =
      waggle::memory_file(std::string_view(reinterpret_cast<const char*>(data), size));
  const auto first = waggle::prepare_perf_data(file, "one");
  const auto second = waggle::prepare_perf_data(file, "two");
  if (first && second) {
    CHECK(second->event == "one" || second->event.empty());
    CHECK(second->lost_records == first->lost_records);
    CHECK(second->throttled == first->throttled);
  }
  return 0;
}
