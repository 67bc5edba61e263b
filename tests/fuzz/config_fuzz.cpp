// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration file.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "userspace/cli/agent_options.h"
#include "userspace/cli/config_file.h"
#include "userspace/cli/settings.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto lines = waggle::parse_config(text)) {
    int before = 0;
    for (const waggle::ConfigLine& line : *lines) {
      CHECK(line.number > before);
      before = line.number;
      CHECK(!line.key.empty() && line.key.find('\n') == std::string::npos);
      for (const std::string& value : line.values()) {
        CHECK(value.size() <= text.size());
      }
    }
  }
  const auto settings = waggle::merge_settings(
      waggle::agent_syntax(), {},
      {.environment = {}, .files = {{.path = "config.ini", .text = std::string(text)}}});
  if (settings) {
    (void)waggle::read_agent_options(settings->values);  // refuses or not, without a crash
  }
  return 0;
}
