// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a cloud or --external-metadata's file says, and as /proc's numbers.
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "userspace/metadata/cloud_metadata.h"
#include "userspace/metadata/external_metadata.h"
#include "userspace/metadata/system_metrics.h"

namespace {

void check(const std::optional<waggle::CloudMetadata>& found) {
  CHECK(!found || nlohmann::json::parse(found->info, nullptr, false).is_object());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(waggle::parse_aws(text, text));
  check(waggle::parse_gcp(text));
  check(waggle::parse_azure(text));
  const auto external = waggle::parse_external_metadata(text);
  CHECK(nlohmann::json::parse(external.of_host, nullptr, false).is_object());
  (void)waggle::parse_cpu_times(text);
  const auto used = waggle::parse_memory_used(text);
  CHECK(!used || (*used >= 0 && *used <= 100));
  return 0;
}
