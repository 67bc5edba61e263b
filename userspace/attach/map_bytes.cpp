// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/map_bytes.h"

#include <fmt/core.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/text.h"

namespace waggle {

Result<std::uint64_t> map_bytes(int map_fd) {
  constexpr std::string_view kKey = "memlock:\t";
  const std::string path = fmt::format("/proc/self/fdinfo/{}", map_fd);
  const std::string text = TRY(read_file(path, 4096));
  for (const std::string_view line : split(text, '\n')) {
    if (!line.starts_with(kKey)) {
      continue;
    }
    if (const auto bytes = parse_number<std::uint64_t>(line.substr(kKey.size()))) {
      return *bytes;
    }
  }
  return fail(Errc::unsupported, path + ": says nothing of memlock");
}

}  // namespace waggle
