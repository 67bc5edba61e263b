// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/proc_status.h"

#include <vector>

#include "base/text.h"

namespace waggle {

std::optional<ProcStatus> parse_status(std::string_view text) {
  std::optional<std::uint32_t> pid;
  std::optional<uid_t> uid;
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = split(line, '\t');
    if (fields[0] == "NSpid:" && fields.size() > 1) {
      pid = parse_number<std::uint32_t>(fields.back());
    } else if (fields[0] == "Uid:" && fields.size() == 5) {
      uid = parse_number<uid_t>(fields[2]);  // real, effective, saved, file system
    }
  }
  if (!pid || !uid) {
    return std::nullopt;
  }
  return ProcStatus{.innermost_pid = *pid, .effective_uid = *uid};
}

}  // namespace waggle
