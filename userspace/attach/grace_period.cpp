// SPDX-License-Identifier: Apache-2.0
#include "userspace/attach/grace_period.h"

#include <bpf/bpf.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/unique_fd.h"
#include "userspace/attach/bpf_handles.h"

namespace waggle {

namespace {

Result<> update_a_map_of_maps() {
  const UniqueFd inner = TRY(create_map(BPF_MAP_TYPE_ARRAY, "grace_inner", 4, 4, 1));
  LIBBPF_OPTS(bpf_map_create_opts, options,
              .inner_map_fd = static_cast<std::uint32_t>(inner.get()));
  const UniqueFd outer(
      bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "grace_outer", 4, 4, 1, &options));
  const std::uint32_t slot = 0;
  const int value = inner.get();
  if (!outer.is_open() || bpf_map_update_elem(outer.get(), &slot, &value, BPF_ANY) != 0) {
    return fail_errno("wait for running BPF programs", errno);
  }
  return {};
}

}  // namespace

Result<> wait_for_running_programs() {
  if (::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) {
    return {};
  }
  return update_a_map_of_maps();
}

}  // namespace waggle
