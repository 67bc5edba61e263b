// SPDX-License-Identifier: Apache-2.0
// Any bytes as /proc/PID/cgroup and as the path of a cgroup.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "userspace/process/container_id.h"
#include "userspace/process/proc_cgroup.h"
#include "userspace/select/process_cgroups.h"

namespace {

void check_id(std::string_view path) {
  const std::string_view id = waggle::container_id_of(path);
  CHECK(id.size() <= waggle::kMaxContainerIdBytes);
  CHECK(id.empty() || path.find(id) != std::string_view::npos);
  CHECK(id.find_first_not_of("0123456789abcdef-") == std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_id(text);
  const auto cgroups = waggle::parse_process_cgroups(text);
  CHECK(cgroups.size() <= waggle::kMaxProcessCgroups);
  for (const waggle::ProcessCgroup& cgroup : cgroups) {
    CHECK(cgroup.path.starts_with('/'));
    check_id(cgroup.path);
  }
  const std::string_view id = waggle::container_id_of(cgroups);
  CHECK(id.empty() || text.find(id) != std::string_view::npos);
  for (const auto* const root : {"/", "/docker"}) {
    const auto directory = waggle::directory_of(
        cgroups, {.number = SEL_V2, .name = "v2", .directory = "/c", .root = root});
    CHECK(!directory || waggle::is_at_or_below(*directory, "/c"));
  }
  return 0;
}
