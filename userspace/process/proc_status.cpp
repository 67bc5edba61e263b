// SPDX-License-Identifier: Apache-2.0
#include "userspace/process/proc_status.h"

#include <vector>

#include "base/text.h"

namespace waggle {

std::optional<ProcStatus> parse_status(std::string_view text) {
  std::optional<std::uint32_t> pid;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::uint64_t> caught;
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> fields = split(line, '\t');
    if (fields[0] == "NSpid:" && fields.size() > 1) {
      pid = parse_number<std::uint32_t>(fields.back());
    } else if (fields[0] == "Uid:" && fields.size() == 5) {
      uid = parse_number<uid_t>(fields[2]);  // real, effective, saved, file system
    } else if (fields[0] == "Gid:" && fields.size() == 5) {
      gid = parse_number<gid_t>(fields[2]);
    } else if (fields[0] == "SigCgt:" && fields.size() == 2) {
      caught = parse_number<std::uint64_t>(fields[1], 16);
    }
  }
  if (!pid || !uid) {
    return std::nullopt;
  }
  return ProcStatus{.innermost_pid = *pid,
                    .effective_uid = *uid,
                    .effective_gid = gid.value_or(~gid_t{0}),
                    .caught_signals = caught.value_or(0)};
}

}  // namespace waggle
