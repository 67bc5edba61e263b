// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "userspace/tools/linux_perf/inspector_reply.h"
#include "userspace/tools/linux_perf/listening_ports.h"

// What a process says that may be no Node: any text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace waggle;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto id = parse_inspector_list(text)) {
    CHECK(!id->empty() && id->find_first_of("/ \r\n") == id->npos);
  }
  constexpr std::size_t kMostTold = 400;
  if (const auto given = parse_evaluation(text, 1); !given) {
    CHECK(given.error().what.size() < kMostTold);
    CHECK(given.error().what.find('\n') == std::string::npos);
  }
  (void)parse_node_description(text);
  (void)parse_listening_port(text);
  return 0;
}
